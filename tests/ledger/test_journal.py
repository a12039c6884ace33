"""A journal by itself: what fits, and what does not, when notes come together."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.ledger.journal import Journal
from airflow_provider_imagerouter.ledger.place import Appender


class Full(Appender):
    """A disk with room for so many bytes more."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.lines = b""

    def append(self, lines: bytes, room: int) -> None:
        if len(self.lines) + len(lines) + room > self.free:
            raise OSError(28, "No space left on device")
        self.lines += lines

    def close(self) -> None:
        pass


async def test_on_a_full_disk_an_answer_fits_that_comes_together_with_an_intent() -> None:
    disk = Full(20)
    journal = Journal(disk, 0)
    await journal.note(b"intent\n", 8)
    answer, intent = await asyncio.gather(
        journal.note(b"answer\n", -8), journal.note(b"another\n", 8), return_exceptions=True
    )
    assert answer is None
    assert isinstance(intent, ImageRouterStorageError)
    assert disk.lines == b"intent\nanswer\n"
    with pytest.raises(ImageRouterStorageError):
        await journal.note(b"another\n", 8)
    await journal.close()
