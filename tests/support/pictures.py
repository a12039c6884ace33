"""Pictures of all types, drawn."""

from __future__ import annotations

import io
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
