"""Video bytes: what type they are, how large and long, and whether they are whole. Reads the container only."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from airflow_provider_imagerouter.media.images import PictureInfo, UnreadablePictureError

_WEBM = b"\x1a\x45\xdf\xa3"


def is_video(content: bytes) -> bool:
    """
    Return whether bytes begin as those of an MP4, QuickTime or WebM video do.

    :param content: the file's bytes
    """
    brand = content[8:12]
    return content.startswith(_WEBM) or (content[4:8] == b"ftyp" and brand not in (b"avif", b"avis", b"mif1", b"heic"))


def inspect_video(content: bytes) -> PictureInfo:
    """
    Read a video's container, and say what it is. Length and size are known of MP4 and QuickTime.

    :param content: the video's bytes
    :raises UnreadablePictureError: if it is cut short, or no video
    """
    if content.startswith(_WEBM):
        return PictureInfo("video/webm")
    content_type = "video/quicktime" if content[8:12] == b"qt  " else "video/mp4"
    movie = dict(_boxes(content)).get(b"moov")
    if movie is None:
        raise UnreadablePictureError(f"a video without a movie in it, {len(content)} bytes")
    width, height = _size(movie)
    return PictureInfo(content_type, width, height, _duration(movie))


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each box (ISO/IEC 14496-12, 4.2)."""
    position = 0
    while position < len(content):
        size, kind = struct.unpack(">I4s", content[position : position + 8].ljust(8, b"\0"))
        header = 8
        if size == 1:
            (size,) = struct.unpack(">Q", content[position + 8 : position + 16].ljust(8, b"\0"))
            header = 16
        if size == 0:
            size = len(content) - position
        if size < header or position + size > len(content):
            raise UnreadablePictureError(f"a video that is cut short, {len(content)} bytes")
        yield kind, content[position + header : position + size]
        position += size


def _duration(movie: bytes) -> float | None:
    """Read the movie header (8.2.2): a time scale and a length in it."""
    header = dict(_boxes(movie)).get(b"mvhd", b"")
    layout = ">x3x16xIQ" if header[:1] == b"\1" else ">x3x8xII"
    if len(header) < struct.calcsize(layout):
        return None
    scale, length = struct.unpack_from(layout, header)
    return round(length / scale, 3) if scale else None


def _size(movie: bytes) -> tuple[int | None, int | None]:
    """Read the size of the first track that has one (8.3.2): the last eight bytes of its header, in 1/65536 pixels."""
    for kind, track in _boxes(movie):
        header = dict(_boxes(track)).get(b"tkhd", b"") if kind == b"trak" else b""
        if len(header) >= 8:
            width, height = struct.unpack(">II", header[-8:])
            if width and height:
                return width >> 16, height >> 16
    return None, None
