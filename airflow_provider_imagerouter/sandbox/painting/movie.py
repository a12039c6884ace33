"""Writes small MP4 files: a picture with a bar that moves, as Motion JPEG."""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageDraw

FRAMES_PER_SECOND = 2
_TIMESCALE = 1000
_FRAME_TICKS = _TIMESCALE // FRAMES_PER_SECOND
_UNITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def encode_video(picture: Image.Image, seconds: float) -> bytes:
    """Encode a video that shows one picture and how much time has gone by.

    :param picture: in mode RGB
    :param seconds: how long it plays, to the half second
    """
    count = max(1, round(seconds * FRAMES_PER_SECOND))
    frames = [_frame(picture, (number + 1) / count) for number in range(count)]
    kind = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isommp41")
    # The table of chunks holds a position that depends on its own length, which is the same for any position.
    start = len(kind) + len(_movie(picture.size, frames, 0)) + 8
    return kind + _movie(picture.size, frames, start) + _box(b"mdat", *frames)


def _frame(picture: Image.Image, progress: float) -> bytes:
    frame = picture.copy()
    height = max(2, picture.height // 80)
    end = (round(picture.width * progress), picture.height)
    ImageDraw.Draw(frame).rectangle((0, picture.height - height, *end), fill=(255, 255, 255))
    file = io.BytesIO()
    frame.save(file, "JPEG", quality=50)
    return file.getvalue()


def _movie(size: tuple[int, int], frames: list[bytes], start: int) -> bytes:
    ticks = len(frames) * _FRAME_TICKS
    header = _full_box(
        b"mvhd",
        struct.pack(">4I", 0, 0, _TIMESCALE, ticks),
        struct.pack(">IH10x", 0x10000, 0x100),
        _UNITY_MATRIX,
        struct.pack(">24xI", 2),
    )
    return _box(b"moov", header, _track(size, frames, ticks, start))


def _track(size: tuple[int, int], frames: list[bytes], ticks: int, start: int) -> bytes:
    header = _full_box(
        b"tkhd",
        struct.pack(">5I", 0, 0, 1, 0, ticks),
        struct.pack(">8x4H", 0, 0, 0, 0),
        _UNITY_MATRIX,
        struct.pack(">2I", size[0] << 16, size[1] << 16),
        flags=3,
    )
    media_header = _full_box(b"mdhd", struct.pack(">4I2H", 0, 0, _TIMESCALE, ticks, 0x55C4, 0))
    handler = _full_box(b"hdlr", struct.pack(">I4s12x", 0, b"vide"), b"Sandbox\0")
    references = _box(b"dinf", _full_box(b"dref", struct.pack(">I", 1), _full_box(b"url ", flags=1)))
    video_header = _full_box(b"vmhd", struct.pack(">4H", 0, 0, 0, 0), flags=1)
    information = _box(b"minf", video_header, references, _samples(size, frames, start))
    return _box(b"trak", header, _box(b"mdia", media_header, handler, information))


def _samples(size: tuple[int, int], frames: list[bytes], start: int) -> bytes:
    count = len(frames)
    return _box(
        b"stbl",
        _full_box(b"stsd", struct.pack(">I", 1), _description(size)),
        _full_box(b"stts", struct.pack(">3I", 1, count, _FRAME_TICKS)),
        _full_box(b"stsc", struct.pack(">4I", 1, 1, count, 1)),
        _full_box(b"stsz", struct.pack(">2I", 0, count), *(struct.pack(">I", len(frame)) for frame in frames)),
        _full_box(b"stco", struct.pack(">2I", 1, start)),
    )


def _description(size: tuple[int, int]) -> bytes:
    """Describe the frames: MPEG-4 visual, with an elementary stream descriptor that says JPEG (0x6C)."""
    decoder = _descriptor(4, struct.pack(">BBBHII", 0x6C, 0x11, 0, 0, 0, 0))
    stream = _descriptor(3, struct.pack(">HB", 1, 0), decoder, _descriptor(6, b"\x02"))
    return _box(
        b"mp4v",
        struct.pack(">6xH16x2H", 1, *size),
        struct.pack(">2I4xH32xHh", 0x480000, 0x480000, 1, 24, -1),
        _full_box(b"esds", stream),
    )


def _descriptor(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">BB", tag, len(body)) + body


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full_box(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)
