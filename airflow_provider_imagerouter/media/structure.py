"""
Whether a picture's bytes are whole, told from the structure of its format; no pixel is decoded.

Each function reads one format, and raises UnreadablePictureError where the file ends before its structure does. What
follows a picture's end is of no interest. Damage inside of compressed pixels goes unnoticed, except in a PNG, which
has checksums.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any

from airflow_provider_imagerouter.media.boxes import boxes, find_box
from airflow_provider_imagerouter.media.formats import UnreadablePictureError


def check_png(content: memoryview) -> None:
    """Read all chunks up to the last one, and compare their checksums (PNG specification, 5.3)."""
    position, kind, has_pixels = 8, b"", False
    while kind != b"IEND":
        length, kind = _unpack(">I4s", content, position)
        end = position + 8 + length
        (checksum,) = _unpack(">I", content, end)
        if zlib.crc32(content[position + 4 : end]) != checksum:
            raise UnreadablePictureError(f"its chunk {kind!r} does not match its checksum")
        has_pixels |= kind == b"IDAT"
        position = end + 4
    _must(has_pixels, "it has no pixels")


_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""What ends compressed data: a marker that is neither an escaped 0xFF nor a restart."""

_JPEG_START_OF_SCAN, _JPEG_END = b"\xda", b"\xd9"


def check_jpeg(content: memoryview) -> None:
    """Read all segments, and all compressed data after a start of scan, up to the end marker (ITU T.81, annex B)."""
    position, has_pixels = 2, False
    while True:
        marker = _JPEG_MARKER.search(content, position)
        if marker is None:
            raise UnreadablePictureError("it ends before its end marker")
        if marker[1] == _JPEG_END:
            break
        has_pixels |= marker[1] == _JPEG_START_OF_SCAN
        (length,) = _unpack(">H", content, marker.end())
        position = marker.end() + max(length, 2)
    _must(has_pixels, "it has no pixels")


def check_gif(content: memoryview) -> None:
    """Read all blocks up to the trailer (GIF89a specification)."""
    position, has_pixels = 13 + _color_table(_byte(content, 10)), False
    while (introducer := _byte(content, position)) != 0x3B:
        if introducer == 0x2C:
            has_pixels = True
            position += 10 + _color_table(_byte(content, position + 9)) + 1
        elif introducer == 0x21:
            position += 2
        else:
            raise UnreadablePictureError(f"it has an unknown block 0x{introducer:02x}")
        while size := _byte(content, position):
            position += size + 1
        position += 1
    _must(has_pixels, "it has no pixels")


def _color_table(flags: int) -> int:
    """Return the bytes of a table whose presence and size are in a descriptor's flags."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def check_webp(content: memoryview) -> None:
    """Read all chunks of the RIFF container, whose header says how long it is (RFC 9649, 2.3)."""
    (size,) = _unpack("<I", content, 4)
    position, end, has_pixels = 12, 8 + size, False
    _must(end <= len(content), f"{len(content)} of {end} bytes are there")
    while position < end:
        kind, length = _unpack("<4sI", content[:end], position)
        has_pixels |= kind in (b"VP8 ", b"VP8L", b"ANMF")
        _check_webp_pixels(content, kind, position + 8)
        position += 8 + length
        _must(position <= end, f"its chunk {kind!r} is cut short")
        position += length % 2
    _must(has_pixels, "it has no pixels")


def _check_webp_pixels(content: memoryview, kind: bytes, position: int) -> None:
    """Look for how a key frame (RFC 6386, 9.1) or a lossless picture (RFC 9649, 3.4) begins."""
    if kind == b"VP8 ":
        _must(bytes(content[position + 3 : position + 6]) == b"\x9d\x01\x2a", "its pixels are no key frame")
    elif kind == b"VP8L":
        _must(bytes(content[position : position + 1]) == b"\x2f", "its pixels have no signature")


def webp_size(content: memoryview) -> tuple[int, int]:
    """
    Read the width and height from the first chunk (RFC 9649, 2.5 to 2.7).

    Pillow would allocate all pixels to tell them, twice: 1 ms of 5 ms that a small picture takes altogether.
    """
    (kind,) = _unpack("<4s", content, 12)
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[position : position + 3], "little") for position in (24, 27))
        return width + 1, height + 1
    if kind == b"VP8L":
        (bits,) = _unpack("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    _must(kind == b"VP8 ", f"its first chunk is {kind!r}")
    width, height = _unpack("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def check_bmp(content: memoryview) -> None:
    """Compare the length of its rows with what is there."""
    start, header = _unpack("<II", content, 10)
    if header == 12:
        width, height, _, bits = _unpack("<4H", content, 18)
        compression = length = 0
    else:
        width, height, _, bits, compression, length = _unpack("<iiHHII", content, 18)
    if compression in (0, 3, 6):  # not compressed: plain, or with bit masks
        length = (width * bits + 31) // 32 * 4 * abs(height)
    _must(0 < length <= len(content) - start, "its rows are cut short")


_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type (TIFF 6.0, section 2; BigTIFF)."""

_TIFF_INTEGERS = {3: "H", 4: "I", 16: "Q"}

_TIFF_PIXELS = {273: 279, 324: 325}
"""The tags that say where strips and tiles begin, and those that say how long they are."""

_TIFF_PLACES = {*_TIFF_PIXELS, *_TIFF_PIXELS.values()}

_TIFF_MOST = 1000
"""More directories, and entries of one, than any picture has; a chain of directories may be a circle."""


def check_tiff(content: memoryview) -> None:
    """Read all directories, and look whether the values and the pixels they point to are there (TIFF 6.0, BigTIFF)."""
    order = "<" if content[0] == ord("I") else ">"
    is_big = _unpack(order + "H", content, 2) == (43,)
    (position,) = _unpack(order + ("Q" if is_big else "I"), content, 8 if is_big else 4)
    _must(position > 0, "it has no pixels")
    for _ in range(_TIFF_MOST):
        position = _check_directory(content, position, order, is_big)
        if not position:
            return
    raise UnreadablePictureError("its directories have no end")


def _check_directory(content: memoryview, position: int, order: str, is_big: bool) -> int:
    """Check what a directory points to; return where the next one is, or 0."""
    count_format, offset_format, entry_length = ("Q", "Q", 20) if is_big else ("H", "I", 12)
    inline = struct.calcsize("=" + offset_format)
    (count,) = _unpack(order + count_format, content, position)
    _must(count <= _TIFF_MOST, f"it has a directory of {count} entries")
    position += struct.calcsize("=" + count_format)
    numbers: dict[int, tuple[int, ...]] = {}
    for entry in range(position, position + count * entry_length, entry_length):
        tag, kind, length = _unpack(order + "HH" + offset_format, content, entry)
        size, value = _TIFF_SIZES.get(kind, 1) * length, entry + entry_length - inline
        if size > inline:
            (value,) = _unpack(order + offset_format, content, value)
        _must(value + size <= len(content), f"the value of its tag {tag} is cut short")
        if tag in _TIFF_PLACES and kind in _TIFF_INTEGERS:
            numbers[tag] = _unpack(f"{order}{length}{_TIFF_INTEGERS[kind]}", content, value)
    _must(not numbers.keys().isdisjoint(_TIFF_PIXELS), "it has no pixels")
    for starts, lengths in _TIFF_PIXELS.items():
        for start, length in zip(numbers.get(starts, ()), numbers.get(lengths, ()), strict=False):
            _must(start + length <= len(content), "its pixels are cut short")
    return int(_unpack(order + offset_format, content, position + count * entry_length)[0])


def check_avif(content: memoryview) -> None:
    """Read all boxes, and look whether there are pixels (ISO/IEC 23008-12)."""
    kinds = {kind for kind, _ in boxes(content)}
    meta = find_box(content, b"meta")
    _must(meta is not None or b"moov" in kinds, "it has no description")
    inside = {kind for kind, _ in boxes(meta[4:])} if meta is not None else set()
    _must(b"mdat" in kinds or b"idat" in inside, "it has no pixels")


def _byte(content: memoryview, position: int) -> int:
    _must(position < len(content), f"it ends after {len(content)} bytes")
    return content[position]


def _unpack(layout: str, content: memoryview, position: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, content, position)
    except (struct.error, OverflowError):  # too short, or an offset that no file has
        raise UnreadablePictureError(f"it ends after {len(content)} bytes") from None


def _must(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise UnreadablePictureError(otherwise)
