"""The page on the studio shows the example Dag, word for word; tests/examples runs it."""

from __future__ import annotations

import textwrap

import pytest
from support.code_blocks import REPOSITORY, blocks

EXAMPLE = (REPOSITORY / "example_dags" / "example_imagerouter_studio.py").read_text()
BLOCKS = blocks(REPOSITORY / "docs" / "studio.md", "python")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block.line))
def test_the_page_shows_the_example(block):
    assert block.code in EXAMPLE or textwrap.indent(block.code, "    ") in EXAMPLE


def test_it_shows_every_task_but_the_obvious_one():
    shown = "".join(block.code for block in BLOCKS)
    assert all(name in shown for name in ("write", "judge", "draw", "edit", "keep_better", "store", "report"))
