"""One picture that shows several, side by side, each with a few lines below it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

CELL = 560
GAP = 32
CAPTION = 112
HEADER = 96
PAPER, INK, QUIET = "#faf9f6", "#1d1b26", "#77748a"


class Cell(NamedTuple):
    """
    A picture and what is written below it.

    :param file: the picture
    :param title: the caption's first line
    :param text: the prompt; shortened to two lines
    :param details: the caption's last line
    """

    file: Path
    title: str
    text: str
    details: str


def draw_contact_sheet(cells: Sequence[Cell], title: str, subtitle: str, file: Path) -> None:
    """
    Draw a contact sheet and write it as PNG.

    :param cells: the pictures, at most four in a row
    :param title: the heading, on the left
    :param subtitle: what stands opposite of it
    :param file: where to write it
    """
    columns = min(len(cells), 4)
    rows = -(-len(cells) // columns)
    width = columns * (CELL + GAP) + GAP
    sheet = Image.new("RGB", (width, HEADER + rows * (CELL + CAPTION)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, HEADER / 2), title, INK, ImageFont.load_default(30), anchor="lm")
    draw.text((width - GAP, HEADER / 2), subtitle, QUIET, ImageFont.load_default(20), anchor="rm")
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        _draw_cell(sheet, cell, GAP + column * (CELL + GAP), HEADER + row * (CELL + CAPTION))
    sheet.save(file, optimize=True)


def _draw_cell(sheet: Image.Image, cell: Cell, left: int, top: int) -> None:
    with Image.open(cell.file) as opened:
        picture = ImageOps.contain(opened.convert("RGB"), (CELL, CELL))
    sheet.paste(picture, (left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2))
    draw = ImageDraw.Draw(sheet)
    top += CELL + 14
    draw.text((left, top), cell.title, INK, ImageFont.load_default(20))
    draw.text((left + CELL, top + 2), cell.details, QUIET, ImageFont.load_default(17), anchor="ra")
    text = "\n".join(textwrap.wrap(cell.text, 68, max_lines=2, placeholder=" …"))
    draw.text((left, top + 32), text, QUIET, ImageFont.load_default(17), spacing=6)
