"""Makes what a model answers with: draws, edits, cuts out, and encodes."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from PIL import Image, ImageChops, ImageDraw, ImageOps

from airflow_provider_imagerouter.sandbox.behaviours import error_body
from airflow_provider_imagerouter.sandbox.input_pictures import InputPicture
from airflow_provider_imagerouter.sandbox.painting.landscape import DEFAULT_SIZE, MAX_PIXELS, draw_picture, tint
from airflow_provider_imagerouter.sandbox.painting.lettering import write_caption
from airflow_provider_imagerouter.sandbox.painting.movie import encode_video
from airflow_provider_imagerouter.sandbox.validation import Parameters

_QUALITY = {"low": 55, "auto": 85, "medium": 80, "high": 95}
_FORMATS = {"webp": "webp", "jpeg": "jpg", "jpg": "jpg", "png": "png"}


class ProviderFailedError(Exception):
    """The provider could not do it; the first argument is the body the API passes on."""

    @property
    def body(self) -> dict[str, object]:
        """What the client is answered with."""
        body: dict[str, object] = self.args[0]
        return body


@dataclass(frozen=True)
class Work:
    """What a provider is asked for.

    :param images: the input pictures
    :param masks: say which parts of the first one to change
    """

    parameters: Parameters
    images: Sequence[InputPicture] = ()
    masks: Sequence[InputPicture] = ()


@dataclass(frozen=True)
class File:
    """A finished picture or video.

    :param extension: of its link
    """

    body: bytes
    extension: str


def make(work: Work, number: int = 0) -> File:
    """Make one picture or video; the same work always gives the same bytes.

    :param work: what was asked for
    :param number: which of several pictures
    :raises ProviderFailedError: if it cannot be done
    """
    parameters = work.parameters
    size = _checked_size(parameters)
    if parameters.model.draws_vectors:
        return File(draw_vector(parameters.prompt, size or DEFAULT_SIZE), "svg")
    images = [_open(upload) for upload in work.images]
    if parameters.model.needs_image and not images:
        raise ProviderFailedError(error_body("This model needs an input image.", "provider_error"))
    if work.masks and not images:
        raise ProviderFailedError(error_body("A mask needs an input image.", "provider_error"))
    if parameters.model.video:
        return _video(work, images, size or (1280, 720))
    if parameters.model.cuts_out:
        return _encode(_cut_out(images[0]), parameters, transparent=True)
    if images:
        return _encode(_edit(work, images, size, number), parameters)
    label = parameters.model.id if not number else f"{parameters.model.id} · {number + 1}"
    return _encode(draw_picture(parameters.prompt, label, size), parameters)


def echo(upload: InputPicture) -> File:
    """Hand an input picture back as it came.

    :raises ProviderFailedError: if it is none
    """
    _open(upload)
    kind = Image.open(io.BytesIO(upload.body)).format or ""
    return File(upload.body, {"JPEG": "jpg", "PNG": "png", "GIF": "gif"}.get(kind, "webp"))


def draw_vector(prompt: str, size: tuple[int, int]) -> bytes:
    """Draw an SVG with the prompt on it.

    :param size: width and height in pixels
    """
    width, height = size
    text = html.escape(prompt[:80])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        '<rect width="100%" height="100%" fill="#2b3a67"/><circle cx="50%" cy="40%" r="20%" fill="#ffc482"/>'
        f'<text x="50%" y="85%" fill="#fff" font-size="{max(8, width // 24)}" text-anchor="middle">{text}</text>'
        "</svg>"
    ).encode("utf-8", "replace")


def _checked_size(parameters: Parameters) -> tuple[int, int] | None:
    size, allowed = parameters.size, parameters.model.sizes
    if size is None:
        return None
    asked = f"{size[0]}x{size[1]}"
    if allowed and asked not in allowed:
        message = f"Invalid value: '{asked}'. Supported values are: {', '.join(map(repr, allowed))}."
        raise ProviderFailedError(error_body(message, "invalid_request_error"))
    if not 0 < size[0] * size[1] <= MAX_PIXELS:
        raise ProviderFailedError(error_body(f"Unsupported size: {asked}.", "invalid_request_error"))
    return size


def _open(upload: InputPicture) -> Image.Image:
    try:
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(upload.body)))
        picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        message = "Invalid image: the provider could not read it."
        raise ProviderFailedError(error_body(message, "provider_error")) from error
    return picture


def _edit(work: Work, images: list[Image.Image], size: tuple[int, int] | None, number: int) -> Image.Image:
    original = images[0].convert("RGB")
    parameters = work.parameters
    seed = " ".join([parameters.model.id, str(number), *(image.sha256 for image in work.images)])
    edited = tint(original, parameters.prompt, seed)
    for position, other in enumerate(images[1:]):
        _inset(edited, other, position)
    edited = write_caption(edited, parameters.prompt, parameters.model.id)
    if work.masks:
        allowed = [_editable(_open(mask), original.size) for mask in work.masks]
        edited = Image.composite(edited, original, reduce(ImageChops.lighter, allowed))
    return ImageOps.fit(edited, size) if size else edited


def _inset(picture: Image.Image, other: Image.Image, position: int) -> None:
    """Show one of several input pictures small, in a row along the upper edge."""
    side = max(1, min(picture.size) // 6)
    gap = side // 6
    per_row = max(1, (picture.width - gap) // (side + gap))
    row, column = divmod(position, per_row)
    corner = (gap + column * (side + gap), gap + row * (side + gap))
    picture.paste(ImageOps.fit(other.convert("RGB"), (side, side)), corner)


def _editable(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    """White where a mask allows changes: where it is transparent, or without transparency where it is white."""
    transparent = mask.has_transparency_data
    allowed = ImageOps.invert(mask.convert("RGBA").getchannel("A")) if transparent else mask.convert("L")
    return allowed.resize(size, Image.Resampling.NEAREST).point(lambda light: 255 if light >= 128 else 0)


def _cut_out(picture: Image.Image) -> Image.Image:
    """Make everything transparent that has the colour of the corners, or if that is too much, the edges."""
    solid = picture.convert("RGB")
    corner = solid.getpixel((0, 0))
    background = Image.new("RGB", solid.size, corner if isinstance(corner, tuple) else (0, 0, 0))
    difference = ImageOps.grayscale(ImageChops.difference(solid, background))
    alpha = difference.point(lambda light: 255 if light > 24 else 0)
    if alpha.getextrema() != (0, 255):
        alpha = Image.new("L", solid.size)
        ImageDraw.Draw(alpha).ellipse((0, 0, solid.width - 1, solid.height - 1), fill=255)
    solid.putalpha(alpha)
    return solid


def _encode(picture: Image.Image, parameters: Parameters, transparent: bool = False) -> File:
    extension = _FORMATS.get(parameters.output_format or "webp", "webp")
    if transparent and extension == "jpg":
        extension = "png"
    file = io.BytesIO()
    quality = _QUALITY[parameters.quality]
    match extension:
        case "png":
            picture.save(file, "PNG", compress_level=3)
        case "jpg":
            picture.save(file, "JPEG", quality=quality)
        case _:
            picture.save(file, "WEBP", quality=quality, method=2)
    return File(file.getvalue(), extension)


def _video(work: Work, images: list[Image.Image], size: tuple[int, int]) -> File:
    parameters = work.parameters
    seconds = parameters.model.length(parameters.seconds)
    if images:
        first = ImageOps.fit(images[0].convert("RGB"), size)
        for position, other in enumerate(images[1:]):
            _inset(first, other, position)
        picture = write_caption(first, parameters.prompt, parameters.model.id)
    else:
        picture = draw_picture(parameters.prompt, parameters.model.id, size)
    return File(encode_video(picture, seconds), "mp4")
