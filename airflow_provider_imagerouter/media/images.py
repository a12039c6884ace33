"""Picture bytes: what type they are, how large, and whether they are whole."""

from __future__ import annotations

import codecs
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from airflow_provider_imagerouter.api.request import (
    MAX_FILE_BYTES,
    ImageRequest,
    InputPicture,
)
from airflow_provider_imagerouter.exceptions import ImageRouterInputError

if TYPE_CHECKING:
    from typing import Unpack

    from airflow_provider_imagerouter.api.request import Options

EXTENSIONS = {
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
}
"""The types that are read and stored, and the extension each is stored with."""


class UnreadablePictureError(ValueError):
    """The bytes are no picture, or only a part of one."""


@dataclass(frozen=True)
class PictureInfo:
    """
    What a picture's or video's bytes say.

    :param content_type: media type, e.g. ``image/webp``
    :param width: pixels; None for a vector picture
    :param height: pixels; None for a vector picture
    :param duration_seconds: length of a video, where known
    """

    content_type: str
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None

    @property
    def extension(self) -> str:
        """The file extension of this type, without a dot."""
        return EXTENSIONS[self.content_type]


def inspect(content: bytes) -> PictureInfo:
    """
    Read a picture whole, and say what it is.

    :param content: the picture's bytes
    :raises UnreadablePictureError: if they are no picture of a known type, or cut short
    """
    if content[:1024].removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<":
        return _inspect_vector(content)
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                picture.load()
                # Phones write JPEGs with a second picture inside, which Pillow calls MPO.
                content_type = Image.MIME.get((picture.format or "").replace("MPO", "JPEG"), "")
                width, height = picture.size
    except Exception as error:  # Pillow's decoders raise whatever the bytes made them stumble over
        raise UnreadablePictureError(f"{error or type(error).__name__}, {len(content)} bytes") from None
    if content_type not in EXTENSIONS:
        raise UnreadablePictureError(f"pictures of type {content_type!r} are not supported")
    return PictureInfo(content_type, width, height)


def input_picture(content: bytes, name: str) -> InputPicture:
    """
    Check an input picture before it is uploaded.

    :param content: the picture's bytes
    :param name: what to call it in an error
    :raises ImageRouterInputError: if it is no picture, or too large
    """
    if len(content) >= MAX_FILE_BYTES:
        raise ImageRouterInputError(
            f"{name} is too large: ImageRouter takes pictures smaller than 25 MiB ({MAX_FILE_BYTES} bytes)"
        )
    try:
        return InputPicture(content, inspect(content).content_type)
    except UnreadablePictureError as error:
        raise ImageRouterInputError(f"{name} is not a readable picture: {error}") from None


def edit_request(
    image: bytes | Sequence[bytes],
    mask: bytes | Sequence[bytes] | None,
    *,
    model: str,
    prompt: str | None,
    **options: Unpack[Options],
) -> ImageRequest:
    """
    Return the request for an edit of pictures whose bytes are at hand.

    :param image: 1 to 16 pictures
    :param mask: up to 16 pictures that say where to edit
    :param model: model id
    :param prompt: what to make of the pictures
    :param options: ``quality``, ``size``, ``response_format``, ``output_format``, ``extra_body``
    :raises ImageRouterInputError: if anything is not as it should be
    """
    request = ImageRequest(model=model, prompt=prompt, **options)
    return request.with_images(_input_pictures(image, "image"), () if mask is None else _input_pictures(mask, "mask"))


def _input_pictures(contents: bytes | Sequence[bytes], name: str) -> tuple[InputPicture, ...]:
    given = [contents] if isinstance(contents, bytes) else contents
    return tuple(input_picture(content, f"{name} {number}") for number, content in enumerate(given, start=1))


def _inspect_vector(content: bytes) -> PictureInfo:
    try:
        root = ET.fromstring(content)  # noqa: S314  # expat >= 2.4.1 limits entity expansion itself
    except Exception as error:  # a ParseError, or whatever an odd encoding leads to
        raise UnreadablePictureError(f"{error}, {len(content)} bytes") from None
    if root.tag.rpartition("}")[2] != "svg":
        raise UnreadablePictureError(f"a <{root.tag}> document, {len(content)} bytes")
    return PictureInfo("image/svg+xml")
