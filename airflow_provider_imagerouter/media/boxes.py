"""
The boxes that AVIF, MP4 and QuickTime files are made of (ISO/IEC 14496-12, 4.2).

Nothing is copied: a box's content is a view of the file's bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from airflow_provider_imagerouter.media.formats import UnreadablePictureError

_HEADER = struct.Struct(">I4s")


def boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """
    Yield type and content of each box.

    :param content: a file's bytes, or those of a box that holds others
    :raises UnreadablePictureError: if a box is larger than what is there
    """
    position, end = 0, len(content)
    while position < end:
        header = 8
        if position + header > end:
            raise UnreadablePictureError("it is cut short in the header of a box")
        size, kind = _HEADER.unpack_from(content, position)
        if size == 1:
            header = 16
            size = int.from_bytes(content[position + 8 : position + 16], "big")
        elif size == 0:  # the last one, up to the end
            size = end - position
        if size < header or position + size > end:
            raise UnreadablePictureError(f"it is cut short in its box {kind!r}")
        yield kind, content[position + header : position + size]
        position += size


def find_box(content: memoryview, wanted: bytes) -> memoryview | None:
    """
    Return the content of the first box of a type, or None.

    :param content: as for :func:`boxes`
    :param wanted: the box's type
    """
    return next((found for kind, found in boxes(content) if kind == wanted), None)
