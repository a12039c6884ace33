"""A process that is forked off one that was at work: threads do not cross a fork."""

from __future__ import annotations

import asyncio
import multiprocessing
from functools import partial
from pathlib import Path

from support.ledger_attempt import ANSWER, attempt, in_files


async def note(folder: Path) -> None:
    async with attempt(partial(in_files, folder)) as ledger:
        await ledger.answered("key", None, ANSWER, 0)


def test_it_keeps_a_ledger_too(tmp_path: Path) -> None:
    asyncio.run(note(tmp_path / "parent"))
    child = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(note(tmp_path / "child")))
    child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0
