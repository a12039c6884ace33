"""Pictures scaled to what a page shows of them."""

from __future__ import annotations

import io
from pathlib import Path

from airflow_provider_imagerouter.media.images import MAX_DECODED_PIXELS
from airflow_provider_imagerouter.plugins.gallery.cache import find, keep, write
from airflow_provider_imagerouter.plugins.gallery.storage import (
    FRESH_SECONDS,
    NotShownError,
    Places,
    Stored,
    fetch,
    look_up,
)

PIXELS = 480
"""The longer side of a thumbnail."""

_ENDING = ".thumbnail"

CONTENT_TYPE = "image/webp"

_FORMATS = {
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
}


def find_thumbnail(places: Places, location: str | None, sha256: str | None) -> Path | None:
    """
    Return a thumbnail that is at hand; see :func:`fetch_thumbnail`.

    :param places: where files may be shown from
    :param location: where the picture was stored
    :param sha256: of the picture's bytes, hexadecimal
    :raises NotShownError: if it is not shown
    """
    _, key = look_up(places, location, sha256)
    return find(f"{key}{_ENDING}", FRESH_SECONDS)


def fetch_thumbnail(places: Places, location: str | None, sha256: str | None) -> Path:
    """
    Return a picture scaled (WebP), turned upright, of an animated one its first frame; slow, if it is not at hand.

    :param places: where files may be shown from
    :param location: where the picture was stored
    :param sha256: of the picture's bytes, hexadecimal
    :raises NotShownError: if it is not shown, has too many pixels, or they cannot be read
    """
    if found := find_thumbnail(places, location, sha256):
        return found
    _, key = look_up(places, location, sha256)
    picture = fetch(places, location, sha256)
    with keep() as kept:
        write(kept.file, _scale(picture))
        return kept.as_name(f"{key}{_ENDING}")


def _scale(picture: Stored) -> bytes:
    from PIL import Image, ImageOps

    kind = _FORMATS.get(picture.content_type)
    if kind is None:
        raise NotShownError("There is no thumbnail of it.", 415)
    try:
        with Image.open(picture.path, formats=[kind]) as opened:
            _check_pixels(*opened.size)
            opened.draft("RGB", (PIXELS, PIXELS))  # of a JPEG, only as many pixels are decoded as are needed
            turned = ImageOps.exif_transpose(opened)
        turned.thumbnail((PIXELS, PIXELS))
        scaled = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
        written = io.BytesIO()
        scaled.save(written, "WEBP", quality=80, method=2)
        return written.getvalue()
    except NotShownError:
        raise
    except Exception as error:  # Pillow's readers raise whatever the bytes made them stumble over
        raise NotShownError(f"Its pixels cannot be read ({type(error).__name__}).", 415) from None


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_DECODED_PIXELS:
        raise NotShownError(f"It has {width} x {height} pixels: too many for a thumbnail.", 413)
