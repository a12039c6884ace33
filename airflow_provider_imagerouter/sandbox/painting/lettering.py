"""Writes on pictures: the prompt on a pane of frosted glass."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

LONGEST_TEXT = 400
SMALLEST_SIDE = 48


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=64)
def _font(size: int, ascii_only: bool) -> Font:
    """Load Pillow's own font, or for letters it lacks, one that most systems have."""
    if not ascii_only:
        with suppress(OSError):
            return ImageFont.truetype("DejaVuSans.ttf", size)
    return ImageFont.load_default(size)


def write_caption(picture: Image.Image, text: str, label: str) -> Image.Image:
    """Write a text at the lower edge of a picture, as large as fits.

    :param picture: in mode RGB; changed in place
    :param text: wrapped, and cut where it gets too long
    :param label: small print below it
    """
    width, height = picture.size
    if min(width, height) < SMALLEST_SIDE:
        return picture
    short = min(width, height)
    margin, padding = short // 20, short // 28
    room = width - 2 * margin - 2 * padding
    lines, size = _fit(" ".join(text[:LONGEST_TEXT].split()), room, height // 3, short)
    small = max(8, round(short * 0.022))
    line_height = round(size * 1.3)
    label_height = round(small * 1.8)
    pane_height = len(lines) * line_height + label_height + 2 * padding
    top = height - margin - pane_height
    _frost(picture, (margin, top, width - margin, height - margin), short // 36)
    draw = ImageDraw.Draw(picture)
    left, y = margin + padding, top + padding
    for line in lines:
        draw.text((left, y), line, fill=(255, 255, 255), font=_font(size, line.isascii()))
        y += line_height
    draw.text((left, y + label_height - small * 1.3), label, fill=(225, 228, 240), font=_font(small, label.isascii()))
    return picture


def _fit(text: str, width: int, height: int, short: int) -> tuple[list[str], int]:
    largest = max(9, round(short * 0.058))
    smallest = max(9, round(short * 0.028))
    for size in range(largest, smallest - 1, -max(1, largest // 12)):
        lines = _wrap(text, size, width)
        if len(lines) * size * 1.3 <= height:
            return lines, size
    lines = _wrap(text, smallest, width)
    most = max(1, int(height / (smallest * 1.3)))
    return ([*lines[: most - 1], lines[most - 1] + " …"] if len(lines) > most else lines), smallest


def _wrap(text: str, size: int, width: int) -> list[str]:
    font = _font(size, text.isascii())
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _break(word, font, width)
        lines += whole
    return [*lines, line] if line else lines


def _break(word: str, font: Font, width: int) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and font.getlength(pieces[-1] + letter) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _frost(picture: Image.Image, box: tuple[int, int, int, int], radius: int) -> None:
    pane = picture.crop(box)
    small = pane.resize((max(1, pane.width // 16), max(1, pane.height // 16)))
    blurred = small.filter(ImageFilter.GaussianBlur(max(2, radius // 4))).resize(pane.size)
    dimmed = ImageEnhance.Brightness(blurred).enhance(0.55)
    mask = Image.new("L", pane.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, pane.width - 1, pane.height - 1), radius, fill=255)
    picture.paste(dimmed, box, mask)
