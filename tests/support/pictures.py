"""Pictures of all types, drawn."""

from __future__ import annotations

import io
import zlib
from typing import Any

from PIL import Image


def picture(kind: str = "PNG", size: tuple[int, int] = (32, 24), color: Any = "red", **options: Any) -> bytes:
    """A picture of Pillow's `kind`, with noise in it so that it has some length."""
    drawn = Image.new("RGB", size, color)
    noise = Image.effect_noise((max(size[0] // 2, 1), max(size[1] // 2, 1)), 50).convert("RGB")
    drawn.paste(noise, (0, 0))
    written = io.BytesIO()
    drawn.save(written, kind, **options)
    return written.getvalue()


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9"/></svg>'


def webm(*, is_live: bool = False) -> bytes:
    """A WebM video of one cluster, as far as its container goes; a live recording does not say how long it is."""

    def element(number: str, content: bytes, length: int | None = None) -> bytes:
        size = (1 << 56) - 1 if length is None and is_live else len(content)
        return bytes.fromhex(number) + (size | 1 << 56).to_bytes(8, "big") + content

    def known(number: str, content: bytes) -> bytes:
        return element(number, content, len(content))

    header = known("1A45DFA3", known("4282", b"webm"))
    frames = known("E7", b"\0") + known("A3", b"\x81\0\0\x80" + bytes(40))
    tracks = known("1654AE6B", known("AE", known("D7", b"\1")))
    return header + element("18538067", tracks + element("1F43B675", frames))


def movie(brand: bytes = b"isom") -> bytes:
    """An MP4 or QuickTime video of 2 seconds, 640 by 480 pixels, as far as its container goes."""

    def box(kind: bytes, *content: bytes) -> bytes:
        inside = b"".join(content)
        return (len(inside) + 8).to_bytes(4, "big") + kind + inside

    length = b"\0" * 12 + (1000).to_bytes(4, "big") + (2000).to_bytes(4, "big") + b"\0" * 80
    size = b"\0" * 76 + (640 << 16).to_bytes(4, "big") + (480 << 16).to_bytes(4, "big")
    described = box(b"moov", box(b"mvhd", length), box(b"trak", box(b"tkhd", size)))
    return box(b"ftyp", brand, b"\0" * 4, brand) + described + box(b"mdat", bytes(60))


def damaged_png() -> bytes:
    """A PNG whose structure is in order, and whose pixels are not."""
    content = bytearray(picture("PNG", (64, 64)))
    start = content.index(b"IDAT")
    length = int.from_bytes(content[start - 4 : start], "big")
    content[start + 4 : start + 4 + length] = bytes(length)
    content[start + 4 + length : start + 8 + length] = zlib.crc32(content[start : start + 4 + length]).to_bytes(
        4, "big"
    )
    return bytes(content)
