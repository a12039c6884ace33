"""Writes small MP4 files that browsers play: a picture with a bar that moves, each frame a VP8 key frame."""

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
    return _vp8(frame)


def _vp8(picture: Image.Image) -> bytes:
    """Encode a key frame: it is what a lossy WebP holds, in its one chunk."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=50, method=0)
    content = file.getvalue()
    (length,) = struct.unpack_from("<I", content, 16)
    return content[20 : 20 + length]


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
    """Describe the frames: VP8 of 8 bits, 4:2:0, colours not said (VP Codec ISO Media File Format Binding 1.0)."""
    configuration = _box(b"vpcC", struct.pack(">I6BH", 1 << 24, 0, 0, 8 << 4 | 1 << 1, 2, 2, 2, 0))
    return _box(
        b"vp08",
        struct.pack(">6xH16x2H", 1, *size),
        struct.pack(">2I4xH32xHh", 0x480000, 0x480000, 1, 24, -1),
        configuration,
    )


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full_box(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)
