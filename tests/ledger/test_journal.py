"""A journal by itself: what fits, and what does not, when notes come together."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.ledger.journal import Journal, in_thread
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


class Counting(Appender):
    """Keeps what was appended together."""

    def __init__(self) -> None:
        self.appended: list[bytes] = []

    def append(self, lines: bytes, room: int) -> None:
        self.appended.append(lines)

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


async def test_a_line_that_may_lag_is_put_down_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_imagerouter.ledger.journal.LAG_SECONDS", 3600)
    disk = Counting()
    journal = Journal(disk, 0)
    lagging = asyncio.create_task(journal.note(b"stored\n", may_lag=True))
    for _ in range(10):  # turns in which it would be put down by itself
        await in_thread(int)
    await journal.note(b"intent\n")
    assert disk.appended == [b"stored\nintent\n"]
    await lagging
    await journal.close()


async def test_a_line_that_may_lag_is_soon_put_down_by_itself() -> None:
    disk = Counting()
    journal = Journal(disk, 0)
    await asyncio.wait_for(journal.note(b"stored\n", may_lag=True), 60)
    assert disk.appended == [b"stored\n"]
    await journal.close()


async def test_nothing_lags_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_imagerouter.ledger.journal.LAG_SECONDS", 3600)
    disk = Counting()
    journal = Journal(disk, 0)
    lagging = asyncio.create_task(journal.note(b"stored\n", may_lag=True))
    await asyncio.sleep(0)
    await journal.close()
    await lagging
    assert disk.appended == [b"stored\n"]
