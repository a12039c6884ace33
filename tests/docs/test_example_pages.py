"""Pages on an example Dag show it, word for word; tests/examples runs it."""

from __future__ import annotations

import textwrap

import pytest
from support.code_blocks import REPOSITORY, blocks

TASKS = {
    "review": ("draw", "review", "pick", "finish"),
    "studio": ("write", "judge", "draw", "edit", "keep_better", "store", "report"),
}
BLOCKS = {name: blocks(REPOSITORY / "docs" / f"{name}.md", "python") for name in TASKS}


def example(name: str) -> str:
    return (REPOSITORY / "example_dags" / f"example_imagerouter_{name}.py").read_text()


@pytest.mark.parametrize(
    ("name", "block"),
    [(name, block) for name in TASKS for block in BLOCKS[name]],
    ids=lambda value: value if isinstance(value, str) else str(value.line),
)
def test_the_page_shows_the_example(name, block):
    assert block.code in example(name) or textwrap.indent(block.code, "    ") in example(name)


@pytest.mark.parametrize("name", TASKS)
def test_it_shows_every_task_but_the_obvious_ones(name):
    shown = "".join(block.code for block in BLOCKS[name])
    assert all(task in shown for task in TASKS[name])
