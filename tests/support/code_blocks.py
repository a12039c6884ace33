"""The code blocks of a Markdown page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
DOCS = sorted((REPOSITORY / "docs").glob("*.md"))

FENCE = re.compile(r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """
    A code block.

    :param line: the line of the page that it begins in
    :param language: what stands behind the fence
    :param code: its text
    :param reason: why it is not run: ``<!-- not run: … -->`` in the line above it; None if it is
    """

    line: int
    language: str
    code: str
    reason: str | None


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the code blocks of a page, of some languages or of all."""
    text = page.read_text()
    found = [
        Block(text.count("\n", 0, match.start("code")), match["language"], match["code"], match["reason"])
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]
