"""Picture bytes: what type they are, how large, and whether they are whole."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.parsers import expat

from airflow_provider_imagerouter.api.request import (
    MAX_FILE_BYTES,
    ImageRequest,
    InputPicture,
)
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.media.formats import PictureInfo, UnreadablePictureError
from airflow_provider_imagerouter.media.structure import (
    check_avif,
    check_bmp,
    check_gif,
    check_jpeg,
    check_png,
    check_tiff,
    check_webp,
    webp_size,
)

if TYPE_CHECKING:
    from typing import Unpack

    from airflow_provider_imagerouter.api.request import Options

__all__ = ["PictureInfo", "UnreadablePictureError", "edit_request", "input_picture", "inspect"]

MAX_PIXELS = 178_956_970
"""The largest picture that Pillow opens (``2 * Image.MAX_IMAGE_PIXELS``)."""

MAX_DECODED_PIXELS = 8192 * 8192
"""The largest picture that is decoded, where that is asked for: 256 MiB in memory. Larger ones are not refused."""


class _Format(NamedTuple):
    """
    A format of pictures that is read.

    :param name: as Pillow calls it
    :param content_type: media type
    :param check: raises UnreadablePictureError if a file of it is not whole
    """

    name: str
    content_type: str
    check: Callable[[memoryview], None]


_FORMATS = {
    rb"\x89PNG\r\n\x1a\n": _Format("PNG", "image/png", check_png),
    rb"\xff\xd8\xff": _Format("JPEG", "image/jpeg", check_jpeg),
    rb"GIF8[79]a": _Format("GIF", "image/gif", check_gif),
    rb"RIFF....WEBP": _Format("WEBP", "image/webp", check_webp),
    rb"....ftyp(avif|avis|mif1)": _Format("AVIF", "image/avif", check_avif),
    rb"BM": _Format("BMP", "image/bmp", check_bmp),
    rb"II[*+]\0|MM\0[*+]": _Format("TIFF", "image/tiff", check_tiff),
}
"""How files of each format begin. Pillow is never asked for another one: some of its readers start programs."""


def inspect(content: bytes, *, decode: bool = False) -> PictureInfo:
    """
    Say what a picture is, and whether it is whole: by the structure of its format and by its header.

    :param content: the picture's bytes
    :param decode: whether its pixels are read, too, unless there are more than :data:`MAX_DECODED_PIXELS`
    :raises UnreadablePictureError: if it is no picture of a known type, cut short, or larger than Pillow takes for
        harmless (179 million pixels)
    """
    try:
        if content[:1024].removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<":
            return _inspect_vector(content)
        found = _format(content)
        found.check(memoryview(content))
        return _read_header(content, found, decode)
    except Exception as error:  # Pillow's readers raise whatever the bytes made them stumble over
        raise UnreadablePictureError(f"{error or type(error).__name__}, {len(content)} bytes") from None


def _format(content: bytes) -> _Format:
    for start, found in _FORMATS.items():
        if re.match(start, content, re.DOTALL):
            return found
    raise UnreadablePictureError("it is of no type that is supported")


def _read_header(content: bytes, found: _Format, decode: bool) -> PictureInfo:
    if found.name == "WEBP" and not decode:
        width, height = webp_size(memoryview(content))
        if width * height > MAX_PIXELS:
            raise UnreadablePictureError(f"it has {width} x {height} pixels")
    else:
        width, height = _open_with_pillow(content, found.name, decode)
    return PictureInfo(found.content_type, width, height)


def _open_with_pillow(content: bytes, format_name: str, decode: bool) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=[format_name]) as picture:
        width, height = picture.size
        if decode and width * height <= MAX_DECODED_PIXELS:
            picture.load()
    return width, height


def _inspect_vector(content: bytes) -> PictureInfo:
    """Read an XML document, keeping nothing but the name of its outermost element."""
    parser = expat.ParserCreate(namespace_separator="}")
    root = ""

    def start(name: str, attributes: Any) -> None:
        nonlocal root
        root = root or name

    parser.StartElementHandler = start
    parser.Parse(content, True)  # expat >= 2.4.1 limits the expansion of entities itself
    if root.rpartition("}")[2] != "svg":
        raise UnreadablePictureError(f"a <{root}> document")
    return PictureInfo("image/svg+xml")


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
