from __future__ import annotations

import contextlib
import io
import random

import pytest
from PIL import Image
from support.pictures import SVG, picture

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.media.images import PictureInfo, UnreadablePictureError, input_picture, inspect

TYPES = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"),
    "BMP": ("image/bmp", "bmp"),
    "TIFF": ("image/tiff", "tiff"),
    "AVIF": ("image/avif", "avif"),
}
KINDS = [kind for kind in TYPES if kind in Image.SAVE or kind in (Image.init() and Image.SAVE)]


@pytest.mark.parametrize("kind", KINDS)
def test_type_and_size_come_from_the_bytes(kind: str) -> None:
    info = inspect(picture(kind, (40, 24)))
    assert (info.content_type, info.extension) == TYPES[kind]
    assert (info.width, info.height) == (40, 24)


def test_animations() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green")]
    for kind, content_type in (("GIF", "image/gif"), ("WEBP", "image/webp"), ("PNG", "image/png")):
        written = io.BytesIO()
        frames[0].save(written, kind, save_all=True, append_images=frames[1:])
        assert inspect(written.getvalue()).content_type == content_type


def test_a_phones_jpeg() -> None:
    """A JPEG with a second one behind it, for a preview or for depth."""
    written = io.BytesIO()
    Image.new("RGB", (32, 24), "red").save(
        written, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 6), "red")]
    )
    assert inspect(written.getvalue()) == PictureInfo("image/jpeg", 32, 24)


@pytest.mark.parametrize("before", [b"", b"\n  ", b"\xef\xbb\xbf", b"<!-- drawn -->", b"<!DOCTYPE svg>\n"])
def test_vector_pictures(before: bytes) -> None:
    content = before + SVG.partition(b"\n")[2]
    assert inspect(content) == PictureInfo("image/svg+xml", None, None)
    assert inspect(content).extension == "svg"


NO_PICTURES = {
    "empty": b"",
    "text": b"Once upon a time",
    "HTML": b"<!DOCTYPE html><html><body>Not here</body></html>",
    "XHTML": b'<html xmlns="http://www.w3.org/1999/xhtml"/>',
    "XML": b"<Error><Code>AccessDenied</Code></Error>",
    "cut off SVG": SVG[:-6],
    "SVG in an unknown encoding": b'<?xml version="1.0" encoding="no-such"?><svg/>',
    "JSON": b'{"error": "not found"}',
    "WAV": b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 100,
    "video": b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + b"\0" * 100,
    "PDF": b"%PDF-1.7\n",
    "zip": b"PK\x03\x04" + b"\0" * 100,
    "zeros": b"\0" * 1000,
    "PNG signature": b"\x89PNG\r\n\x1a\n",
    "icon": None,
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture(name: str) -> None:
    content = NO_PICTURES[name]
    if content is None:
        content = picture("ICO", (16, 16))
    with pytest.raises(UnreadablePictureError):
        inspect(content)
    with pytest.raises(ImageRouterInputError, match="mask is not a readable picture"):
        input_picture(content, "mask")


def test_a_billion_laughs() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))
    with pytest.raises(UnreadablePictureError):
        inspect(f'<!DOCTYPE svg [<!ENTITY e0 "ha">{entities}]><svg>&e29;</svg>'.encode())


def test_a_decompression_bomb() -> None:
    header = picture("BMP", (4, 4))
    huge = header[:18] + (60_000).to_bytes(4, "little") * 2 + header[26:]
    with pytest.raises(UnreadablePictureError):
        inspect(huge)


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_picture_is_none(kind: str) -> None:
    content = picture(kind, (64, 48))
    for part in (1, 2, 10, 50, 90):
        with pytest.raises(UnreadablePictureError):
            inspect(content[: len(content) * part // 100])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_broken_bytes_never_lead_to_another_error(kind: str) -> None:
    """Whatever the decoders stumble over."""
    content, chance = picture(kind), random.Random(7)
    for _ in range(150):
        broken = bytearray(content)
        for _ in range(chance.choice((1, 3, 20))):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        with contextlib.suppress(UnreadablePictureError):
            assert inspect(bytes(broken)).content_type


def test_input_picture() -> None:
    content = picture("WEBP")
    found = input_picture(content, "it")
    assert (found.content, found.content_type) == (content, "image/webp")
    assert found.part("image[]", "image-1") == ("image[]", ("image-1.webp", content, "image/webp"))
