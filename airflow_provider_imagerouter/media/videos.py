"""Video bytes: what type they are, how large and long, and whether they are whole. Reads the container only."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from airflow_provider_imagerouter.media.boxes import boxes, find_box
from airflow_provider_imagerouter.media.formats import PictureInfo, UnreadablePictureError

_WEBM = b"\x1a\x45\xdf\xa3"
_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"

_PICTURE_BRANDS = (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix")
"""Files of the same container that are pictures."""


def is_video(content: bytes) -> bool:
    """
    Return whether bytes begin as those of an MP4, QuickTime or WebM video do.

    :param content: the file's bytes
    """
    return content.startswith(_WEBM) or (content[4:8] == b"ftyp" and content[8:12] not in _PICTURE_BRANDS)


def inspect_video(content: bytes) -> PictureInfo:
    """
    Read a video's container, and say what it is. Length and size are known of MP4 and QuickTime.

    :param content: the video's bytes
    :raises UnreadablePictureError: if it is cut short, or no video
    """
    try:
        if content.startswith(_WEBM):
            return _inspect_webm(memoryview(content))
        return _inspect_movie(memoryview(content))
    except UnreadablePictureError as error:
        raise UnreadablePictureError(f"a video of {len(content)} bytes: {error}") from None


def _inspect_movie(content: memoryview) -> PictureInfo:
    movie = find_box(content, b"moov")
    kinds = {kind for kind, _ in boxes(content)}
    if movie is None or b"mdat" not in kinds:
        raise UnreadablePictureError("it has no movie in it")
    content_type = "video/quicktime" if bytes(content[8:12]) == b"qt  " else "video/mp4"
    width, height = _size(movie)
    return PictureInfo(content_type, width, height, _duration(movie))


def _duration(movie: memoryview) -> float | None:
    """Read the movie header (ISO/IEC 14496-12, 8.2.2): a time scale and a length in it."""
    header = find_box(movie, b"mvhd") or memoryview(b"")
    layout = ">x3x16xIQ" if bytes(header[:1]) == b"\1" else ">x3x8xII"
    if len(header) < struct.calcsize(layout):
        return None
    scale, length = struct.unpack_from(layout, header)
    return round(length / scale, 3) if scale else None


def _size(movie: memoryview) -> tuple[int | None, int | None]:
    """Read the size of the first track that has one (8.3.2): the last eight bytes of its header, in 1/65536 pixels."""
    for kind, track in boxes(movie):
        header = find_box(track, b"tkhd") if kind == b"trak" else None
        if header is not None and len(header) >= 8:
            width, height = struct.unpack(">II", header[-8:])
            if width and height:
                return width >> 16, height >> 16
    return None, None


def _inspect_webm(content: memoryview) -> PictureInfo:
    if _CLUSTER not in set(_elements(content)):
        raise UnreadablePictureError("it has no movie in it")
    return PictureInfo("video/webm")


def _elements(content: memoryview) -> Iterator[bytes]:
    """
    Yield the ids of a WebM file's elements (RFC 8794), of the segment and of what is in it.

    What has no known length, as in live recordings, goes on to the end of the file, and is entered, too. If such a
    recording is cut short between two elements, nothing tells.
    """
    position = 0
    while position < len(content):
        element, position = _number(content, position)
        size, position = _number(content, position)
        length = int.from_bytes(size, "big") - (1 << 7 * len(size))
        is_known = length != (1 << 7 * len(size)) - 1
        if is_known and position + length > len(content):
            raise UnreadablePictureError("it is cut short")
        yield element
        if is_known and element != _SEGMENT:
            position += length


def _number(content: memoryview, position: int) -> tuple[bytes, int]:
    """Return the bytes of a number, whose first ones say how many they are (RFC 8794, 4), and what is behind them."""
    length = 9 - content[position].bit_length() if position < len(content) else 1
    if length > 8 or position + length > len(content):
        raise UnreadablePictureError("it is cut short")
    return bytes(content[position : position + length]), position + length
