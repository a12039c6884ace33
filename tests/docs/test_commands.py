"""The docs' commands run as they are written, and print what is printed there; each against the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.code_blocks import DOCS, blocks

SCRIPTS = [
    pytest.param(block.code, id=f"{page.name}:{block.line}")
    for page in DOCS
    for block in blocks(page, "bash")
    if not block.reason and page.name != "testing.md"
]
TRANSCRIPTS = [
    pytest.param(*transcript.split("\n", 1), id=f"{page.name}:{block.line}")
    for page in DOCS
    for block in blocks(page, "console")
    if not block.reason
    for transcript in block.code.removeprefix("$ ").split("\n$ ")
]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    return subprocess.run(
        ["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs(script, tmp_path, airflow_db, connect):
    ran = shell(script, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(("command", "printed"), TRANSCRIPTS)
def test_a_command_prints_such_a_table_or_such_an_error(command, printed, tmp_path, airflow_db, connect):
    """The numbers change: its first line is what counts."""
    first = printed.splitlines()[0]
    if first.startswith("Error: "):
        connect(key="k" * 64)
    ran = shell(command, tmp_path)
    assert (ran.returncode != 0) == first.startswith("Error: "), ran.stdout + ran.stderr
    assert words(first) in map(words, (ran.stdout + ran.stderr).splitlines())


def words(line: str) -> str:
    """Return a line without the widths of its columns."""
    return " ".join(line.split())
