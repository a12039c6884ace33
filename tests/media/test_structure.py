"""Whether files are whole, of every format and of many of its kinds: found out without decoding a pixel."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.pictures import SVG, damaged_png, movie, picture, webm

from airflow_provider_imagerouter.media import images
from airflow_provider_imagerouter.media.formats import PictureInfo, UnreadablePictureError
from airflow_provider_imagerouter.media.images import inspect
from airflow_provider_imagerouter.media.videos import inspect_video, is_video

SMALL = (13, 9)


def animation(kind: str, **options: object) -> bytes:
    written = io.BytesIO()
    frames = [Image.effect_noise(SMALL, 50).convert("RGB") for _ in range(3)]
    frames[0].save(written, kind, save_all=True, append_images=frames[1:], **options)
    return written.getvalue()


def interlaced_gif() -> bytes:
    written = io.BytesIO()
    Image.effect_noise(SMALL, 50).save(written, "GIF", interlace=1, comment=b"x" * 300)
    return written.getvalue()


WHOLE = {
    "PNG": picture("PNG", SMALL),
    "animated PNG": animation("PNG"),
    "JPEG": picture("JPEG", SMALL),
    "progressive JPEG": picture("JPEG", SMALL, progressive=True),
    "JPEG with restarts": picture("JPEG", (40, 40), restart_marker_blocks=1),
    "JPEG with a small one inside": picture("JPEG", SMALL, exif=b"Exif\0\0" + picture("JPEG", (8, 8))),
    "JPEG, gray": picture("JPEG", SMALL, comment=b"\xff\xd9 is no end here"),
    "GIF": picture("GIF", SMALL),
    "interlaced GIF": interlaced_gif(),
    "animated GIF": animation("GIF", loop=0),
    "WebP": picture("WEBP", SMALL),
    "lossless WebP": picture("WEBP", SMALL, lossless=True),
    "WebP with more in it": picture("WEBP", SMALL, exif=b"Exif\0\0" + bytes(101)),
    "animated WebP": animation("WEBP"),
    "BMP": picture("BMP", SMALL),
    "TIFF": picture("TIFF", SMALL),
    "big TIFF": picture("TIFF", SMALL, big_tiff=True),
    "LZW TIFF": picture("TIFF", SMALL, compression="tiff_lzw"),
    "TIFF of pages": animation("TIFF"),
    "AVIF": picture("AVIF", SMALL),
    "SVG": SVG,
    "MP4": movie(),
    "QuickTime": movie(b"qt  "),
    "WebM": webm(),
}


def read(content: bytes) -> PictureInfo:
    return inspect_video(content) if is_video(content) else inspect(content)


ENDS = {kind: kind.lower() for kind in ("PNG", "GIF", "WebP", "BMP", "TIFF", "AVIF", "SVG", "MP4", "WebM")}
ENDS |= {"JPEG": "jpg", "QuickTime": "mov"}
BOXES = ("AVIF", "MP4", "QuickTime", "WebM", "SVG")
PADDING = {"TIFF of pages": 16}
"""How many bytes may be missing at the end, since they are nothing."""


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_is_readable(name: str) -> None:
    assert read(WHOLE[name]).extension == next(end for kind, end in ENDS.items() if kind in name)


@pytest.mark.parametrize("name", [name for name in WHOLE if name not in BOXES])
def test_something_behind_it_does_not_matter(name: str) -> None:
    assert read(WHOLE[name] + b"something") == read(WHOLE[name])


@pytest.mark.parametrize("name", WHOLE)
def test_no_part_of_it_is(name: str) -> None:
    for length in range(len(WHOLE[name]) - PADDING.get(name, 0)):
        with pytest.raises(UnreadablePictureError):
            read(WHOLE[name][:length])


@given(st.data())
def test_changed_bytes_of_a_png_are_noticed(data: st.DataObject) -> None:
    content = bytearray(WHOLE[data.draw(st.sampled_from(["PNG", "animated PNG"]))])
    for position in data.draw(st.sets(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadablePictureError):
        read(bytes(content))


@given(st.data())
def test_whatever_is_in_a_file_there_is_no_other_error(data: st.DataObject) -> None:
    start = data.draw(st.sampled_from(list(WHOLE.values())))
    content = start[: data.draw(st.integers(0, min(len(start), 200)))] + data.draw(st.binary(max_size=400))
    with contextlib.suppress(UnreadablePictureError):
        assert read(content).content_type


@given(st.data())
def test_whatever_is_changed_in_a_file_there_is_no_other_error(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(list(WHOLE.values()))))
    for position in data.draw(st.sets(st.integers(0, len(content) - 1), min_size=1, max_size=20)):
        content[position] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadablePictureError):
        assert read(bytes(content)).content_type


def test_a_directory_that_leads_back_to_itself_has_an_end() -> None:
    content = bytearray(picture("TIFF", SMALL))
    start = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[start : start + 2], "little")
    at = start + 2 + entries * 12
    content[at : at + 4] = start.to_bytes(4, "little")
    with pytest.raises(UnreadablePictureError, match="no end"):
        inspect(bytes(content))


def test_pixels_are_decoded_if_that_is_asked_for() -> None:
    assert inspect(damaged_png()).width == 64
    with pytest.raises(UnreadablePictureError):
        inspect(damaged_png(), decode=True)
    for name, content in WHOLE.items():
        if not is_video(content):
            assert inspect(content, decode=True) == inspect(content), name


def bomb(side: int) -> bytes:
    """A black PNG of so many pixels in a square, which was never in memory."""
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(side // 8 + 2)) for _ in range(side)) + packer.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", pixels), (b"IEND", b""))
    packed = (struct.pack(">I4s", len(x), kind) + x + struct.pack(">I", zlib.crc32(kind + x)) for kind, x in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


INSPECT_ALL = """
import contextlib, pathlib, resource, sys
from airflow_provider_imagerouter.media.images import UnreadablePictureError, inspect
small, *large = (pathlib.Path(name).read_bytes() for name in sys.argv[1:])
inspect(small, decode=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for content in large:
    with contextlib.suppress(UnreadablePictureError):
        inspect(content, decode=True)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_small_file_of_very_many_pixels_takes_no_memory(tmp_path: Path) -> None:
    """Of more than are decoded, of as many as Pillow would, and of more."""
    contents = [picture("PNG", SMALL), bomb(9000), bomb(13_000), bomb(30_000)]
    places = [tmp_path / str(number) for number in range(len(contents))]
    for place, content in zip(places, contents, strict=True):
        place.write_bytes(content)
    command = [sys.executable, "-c", INSPECT_ALL, *map(str, places)]
    assert int(subprocess.run(command, capture_output=True, check=True).stdout.split()[-1]) < 20
    assert inspect(contents[1]).width == 9000
    with pytest.raises(UnreadablePictureError, match="limit"):
        inspect(contents[3])


NOT_OURS = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print\n%%EOF\n",
    "PPM": b"P6 2 2 255\n" + bytes(12),
    "ICO": picture("ICO", (16, 16)),
    "TGA": picture("TGA", SMALL),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50),
    "EPS named TIFF": b"II*\0%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF",
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_other_formats_are_not_opened(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    really = Image.open
    monkeypatch.setattr(Image, "open", lambda file, formats: opened.append(formats) or really(file, formats=formats))
    with pytest.raises(UnreadablePictureError):
        inspect(NOT_OURS[name], decode=True)
    assert [name for names in opened for name in names if name not in {"TIFF"}] == []


def test_no_other_program_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PostScript interpreter above all, which Pillow asks to draw an EPS."""
    for name in ("Popen", "run", "check_call"):
        monkeypatch.setattr(subprocess, name, lambda *args, **kwargs: pytest.fail(f"{args} was started"))
    monkeypatch.setattr(os, "system", lambda command: pytest.fail(f"{command} was started"))
    for content in NOT_OURS.values():
        with pytest.raises(UnreadablePictureError):
            inspect(content, decode=True)


def test_pillow_is_asked_for_the_one_format_that_the_bytes_have(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    really = Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, **options: opened.append(options["formats"]) or really(file, **options)
    )
    for name in ("PNG", "JPEG", "GIF", "WebP", "BMP", "TIFF", "AVIF"):
        inspect(WHOLE[name], decode=True)
        assert opened.pop() == [name.upper()]


@given(st.integers(1, 500), st.integers(1, 500), st.sampled_from(["lossy", "lossless", "extended"]))
def test_the_size_of_a_webp_is_what_pillow_says(width: int, height: int, kind: str) -> None:
    options = {"lossy": {}, "lossless": {"lossless": True}, "extended": {"exif": b"Exif\0\0" + bytes(9)}}[kind]
    found = inspect(picture("WEBP", (width, height), **options))
    assert (found.width, found.height) == (width, height)


def test_the_size_of_an_animated_webp_is_that_of_its_canvas() -> None:
    found = inspect(WHOLE["animated WebP"])
    assert (found.width, found.height) == SMALL


def test_a_webp_of_more_pixels_than_pillow_opens_is_refused() -> None:
    content = bytearray(WHOLE["WebP with more in it"])
    content[24:30] = b"\xff" * 6
    with pytest.raises(UnreadablePictureError, match="16777216 x 16777216 pixels"):
        inspect(bytes(content))


@pytest.mark.parametrize("name", ["WebP", "lossless WebP"])
def test_a_webp_whose_pixels_begin_like_none_is_refused(name: str) -> None:
    content = bytearray(WHOLE[name])
    content[20:26] = bytes(6)
    with pytest.raises(UnreadablePictureError, match="its pixels"):
        inspect(bytes(content))


def test_only_the_limit_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_DECODED_PIXELS", 64 * 64 - 1)
    assert inspect(damaged_png(), decode=True).width == 64
