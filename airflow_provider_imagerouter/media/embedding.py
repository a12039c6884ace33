"""
Putting an XMP packet into a picture's file, between the parts it is made of: no pixel is decoded, or encoded again.

What is there of XMP is replaced; all other parts stay as they are.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.media.formats import UnreadablePictureError
from airflow_provider_imagerouter.media.structure import webp_size
from airflow_provider_imagerouter.media.xmp import packet

if TYPE_CHECKING:
    from airflow_provider_imagerouter.records import Record

log = logging.getLogger(__name__)


class CannotEmbedError(ValueError):
    """Nothing can be put into this file, though it may be a good picture."""


_SIGNED = "it has Content Credentials (C2PA), which any change of the file would break"

_PNG_XMP = b"XML:com.adobe.xmp\0"

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"

_JPEG_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"

_JPEG_MOST = 65_535 - 2 - len(_JPEG_XMP)
"""The longest packet of a JPEG: a segment's length has two bytes, and counts itself (ITU T.81, B.1.1.4)."""

_WEBP_HAS_XMP, _WEBP_HAS_ALPHA = 0x04, 0x10


def embed(content: bytes, content_type: str, record: Record) -> bytes:
    """
    Return a picture's bytes with what its record says; the same of the same, however often it is done.

    :param content: of a PNG, JPEG or WebP picture that is whole
    :param content_type: media type
    :param record: of the picture
    :raises CannotEmbedError: if that cannot be done, or would break what is in the file
    """
    put_in = _FORMATS.get(content_type)
    if put_in is None:
        raise CannotEmbedError(f"{content_type} takes none")
    try:
        return put_in(content, record)
    except (struct.error, IndexError, OverflowError, UnreadablePictureError):
        raise CannotEmbedError("its parts are not what they should be") from None


def _into_png(content: bytes, record: Record) -> bytes:
    """Put an iTXt chunk after the header (PNG specification, 11.3.3.4; XMP specification, part 3, 1.1.5)."""
    header, *others = _png_chunks(content)
    if header[4:8] != b"IHDR":
        raise CannotEmbedError(f"its first chunk is {header[4:8]!r}")
    if any(chunk[4:8] == b"caBX" for chunk in others):
        raise CannotEmbedError(_SIGNED)
    kept = [chunk for chunk in others if not (chunk[4:8] == b"iTXt" and chunk[8:].startswith(_PNG_XMP))]
    data = b"iTXt" + _PNG_XMP + bytes(4) + packet(record)  # not compressed; no language, no translated keyword
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return b"".join((content[:8], header, chunk, *kept))


def _png_chunks(content: bytes) -> Iterator[bytes]:
    """Return all chunks, and what follows the last one."""
    position, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        yield content[position:end]
        position = end
    yield content[position:]


def _into_jpeg(content: bytes, record: Record) -> bytes:
    """Put an APP1 segment after those that have to be first (XMP specification, part 3, 1.1.3)."""
    segments, position = _jpeg_segments(content)
    if any(segment[1] == 0xEB and b"c2pa" in segment for segment in segments):
        raise CannotEmbedError(_SIGNED)
    kept = [segment for segment in segments if not _is_jpeg_xmp(segment)]
    first = next((index for index, segment in enumerate(kept) if not _goes_first(segment)), len(kept))
    data = _JPEG_XMP + _short_packet(record)
    added = b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    return b"".join((content[:2], *kept[:first], added, *kept[first:], content[position:]))


def _jpeg_segments(content: bytes) -> tuple[list[bytes], int]:
    """Return the segments before the first scan, and where that begins."""
    segments: list[bytes] = []
    position = 2
    while True:
        begin = position
        if content[position] != 0xFF:
            raise CannotEmbedError("there is something between its segments")
        while content[position + 1] == 0xFF:
            position += 1
        marker = content[position + 1]
        if marker in (0xD9, 0xDA):
            return segments, begin
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            raise CannotEmbedError(f"it has a marker 0x{marker:02x} before its first scan")
        (length,) = struct.unpack_from(">H", content, position + 2)
        end = position + 2 + length
        segments.append(content[position:end])
        position = end


def _is_jpeg_xmp(segment: bytes) -> bool:
    return segment[1] == 0xE1 and segment[4:].startswith((_JPEG_XMP, _JPEG_MORE_XMP))


def _goes_first(segment: bytes) -> bool:
    """Return whether a segment is JFIF's or Exif's, which readers look for at the beginning."""
    return segment[1] == 0xE0 or (segment[1] == 0xE1 and segment[4:].startswith(b"Exif\0"))


def _short_packet(record: Record) -> bytes:
    """Return a packet that fits into a JPEG's segment, if need be with less of its prompts."""
    found = packet(record)
    most = max(len(record[name] or "") for name in ("prompt", "revised_prompt"))
    while len(found) > _JPEG_MOST and most:
        most = most * 3 // 4
        found = packet(record, most)
        if len(found) <= _JPEG_MOST:
            log.warning("A JPEG takes no more than 64 KB of metadata: its prompt is cut to %s characters there", most)
    if len(found) > _JPEG_MOST:
        raise CannotEmbedError("a JPEG takes no more than 64 KB of metadata")
    return found


def _into_webp(content: bytes, record: Record) -> bytes:
    """Put a chunk at the end, and say so at the beginning (RFC 9649, 2.7)."""
    (size,) = struct.unpack_from("<I", content, 4)
    chunks = list(_webp_chunks(content[: 8 + size]))
    if any(chunk[:4] == b"C2PA" for chunk in chunks):
        raise CannotEmbedError(_SIGNED)
    first = chunks.pop(0) if chunks[0][:4] == b"VP8X" else _webp_header(content)
    flags = bytes([first[8] | _WEBP_HAS_XMP])
    kept = [chunk for chunk in chunks if chunk[:4] != b"XMP "]
    body = b"".join((b"WEBP", first[:8], flags, first[9:], *kept, _webp_chunk(b"XMP ", packet(record))))
    return b"".join((b"RIFF", struct.pack("<I", len(body)), body, content[8 + size :]))


def _webp_chunks(content: bytes) -> Iterator[bytes]:
    position = 12
    while position < len(content):
        kind, length = struct.unpack_from("<4sI", content, position)
        yield _webp_chunk(kind, content[position + 8 : position + 8 + length])
        position += 8 + length + length % 2


def _webp_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(data)) + data + bytes(len(data) % 2)


def _webp_header(content: bytes) -> bytes:
    """Return the header that a file of one chunk does without."""
    width, height = webp_size(memoryview(content))
    has_alpha = content[12:16] == b"VP8L" and content[24] & 0x10
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    return _webp_chunk(b"VP8X", bytes([_WEBP_HAS_ALPHA if has_alpha else 0, 0, 0, 0]) + sides)


_FORMATS: dict[str, Callable[[bytes, Record], bytes]] = {
    "image/png": _into_png,
    "image/jpeg": _into_jpeg,
    "image/webp": _into_webp,
}
