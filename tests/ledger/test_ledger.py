"""The ledger by itself: what is found by the next attempt, and what a clear forgets."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from support.ledger_attempt import ANSWER, RECORD, Open, attempt, in_files

from airflow_provider_imagerouter.api.answer import Answer, Picture
from airflow_provider_imagerouter.ledger import entries
from airflow_provider_imagerouter.ledger.claims import note_finished
from airflow_provider_imagerouter.ledger.document_place import MemoryPlace, TaskStatePlace
from airflow_provider_imagerouter.ledger.entries import Answered, Free, Orphaned, Stored


async def test_the_states_of_a_request_as_the_next_attempt_finds_them(place: Open) -> None:
    async with attempt(place) as first:
        for key in ("sent", "answered", "stored", "ended"):
            await first.intend(key, Decimal("0.01"), 0)
        await first.answered("answered", Decimal("0.004"), ANSWER, 0)
        await first.answered("stored", Decimal("0.004"), ANSWER, 0)
        first.stored("stored", [RECORD], [None])
        await first.ended("ended", Decimal("0.002"), 0)
        first.note_input("https://x/in.png", "abc")
    async with attempt(place) as second:
        assert [second.state(key) for key in ("sent", "ended", "never")] == [Orphaned(), Free(), Free()]
        assert second.state("answered") == Answered(ANSWER, (None,))
        assert second.state("stored") == Stored((RECORD,), (None,))
        assert second.digest("https://x/in.png") == "abc"
        assert second.spent == Decimal("0.020")  # 0.01 that may have been spent, 0.004 twice, and 0.002


async def test_a_request_that_was_sent_twice_counts_twice(place: Open) -> None:
    async with attempt(place) as first:
        await first.intend("a", Decimal("0.01"), 0)
    async with attempt(place) as second:
        await second.intend("a", Decimal("0.01"), 0)
        await second.answered("a", Decimal("0.003"), ANSWER, 0)
    async with attempt(place) as third:
        assert third.spent == Decimal("0.013")
        assert isinstance(third.state("a"), Answered)


async def test_only_a_clear_forgets_and_only_what_was_finished(place: Open) -> None:
    async with attempt(place, 2) as ledger:
        await ledger.intend("a", Decimal(1), 0)
        await ledger.answered("a", Decimal(1), ANSWER, 0)
    async with attempt(place, 3) as after_a_clear_of_the_failed_task:
        assert isinstance(after_a_clear_of_the_failed_task.state("a"), Answered)
    await asyncio.to_thread(lambda: note_finished(place(), 3))
    async with attempt(place, 3) as after_a_retry:
        assert after_a_retry.spent == 1
    async with attempt(place, 4) as after_a_clear:
        assert isinstance(after_a_clear.state("a"), Free)
        assert after_a_clear.spent == 0
        await after_a_clear.intend("b", Decimal(2), 0)
    kept = await asyncio.to_thread(lambda: {name[:14] for name in place().names() if "lease" not in name})
    assert kept == {"claim-000004", "journal-000004"}
    async with attempt(place, 4) as retry:
        assert retry.spent == 2


async def test_an_attempt_that_ends_after_a_clear_does_not_finish_for_those_that_came_meanwhile(place: Open) -> None:
    async with attempt(place, 0):
        pass
    async with attempt(place, 1) as cleared_while_the_first_one_ran:
        await cleared_while_the_first_one_ran.intend("a", Decimal(1), 0)
        await cleared_while_the_first_one_ran.answered("a", Decimal(1), ANSWER, 0)
    await asyncio.to_thread(lambda: note_finished(place(), 0))
    for max_tries in (1, 2):
        async with attempt(place, max_tries) as later:
            assert later.spent == 1
    await asyncio.to_thread(lambda: note_finished(place(), 2))
    async with attempt(place, 3) as cleared:
        assert cleared.spent == 0


async def test_what_is_paid_stays_whatever_another_attempt_has_done_since(place: Open) -> None:
    """A frozen attempt may note its answer, while another one sends the same and fails."""
    async with attempt(place) as first:
        await first.intend("a", Decimal(1), 0)
        await first.answered("a", Decimal(1), ANSWER, 0)
    async with attempt(place) as second:
        await second.intend("a", Decimal(1), 0)
        await second.ended("a", None, 0)
    async with attempt(place) as third:
        assert isinstance(third.state("a"), Answered)
        assert third.spent == 2  # a cost that nobody knows counts as the highest price


async def test_where_inputs_lie_is_nobody_elses_business(tmp_path: Path) -> None:
    async with attempt(partial(in_files, tmp_path)) as ledger:
        ledger.note_input("https://x/in.png?signature=secret", "abc")
    (journal,) = tmp_path.glob(".imagerouter/task-*/journal-*")
    assert b"secret" not in journal.read_bytes()


async def test_bytes_lie_beside_the_journal_until_they_are_stored(place: Open) -> None:
    answer = Answer((Picture(None, b"webp" * 1000, None),), None, None, None)
    async with attempt(place) as first:
        await first.intend("a", None, 0)
        noted = await first.answered("a", None, answer, 0)
    if noted.contents == (None,):
        assert not (await asyncio.to_thread(place)).takes_bytes
        return
    async with attempt(place) as second:
        found = second.state("a")
        assert isinstance(found, Answered)
        assert await second.content(found.contents[0]) == b"webp" * 1000
        second.stored("a", [RECORD], found.contents)
    names = await asyncio.to_thread(lambda: place().names())
    assert not [name for name in names if name.startswith("picture")]


async def test_a_cancelled_note_is_put_down_all_the_same(place: Open) -> None:
    async with attempt(place) as ledger:
        noting = asyncio.create_task(ledger.intend("a", None, 0))
        while not (ledger._journal and ledger._journal._waiting):
            await asyncio.sleep(0)
        noting.cancel()
    async with attempt(place) as other:
        assert isinstance(other.state("a"), Orphaned)


async def test_without_a_place_the_log_says_what_that_means(caplog: pytest.LogCaptureFixture) -> None:
    async with attempt(MemoryPlace):
        assert "a retry of this task would pay again" in caplog.text


async def test_a_local_journal_reserves_room_and_gives_it_back(tmp_path: Path) -> None:
    async with attempt(partial(in_files, tmp_path)) as ledger:
        await ledger.intend("a", None, 100_000)
        (journal,) = tmp_path.glob(".imagerouter/task-*/journal-*")
        assert journal.stat().st_blocks * 512 > 100_000
    assert journal.stat().st_size == len('{"intent":"a","price":null}\n')


async def test_a_torn_last_line_is_no_note(tmp_path: Path) -> None:
    async with attempt(partial(in_files, tmp_path)) as first:
        await first.intend("a", None, 0)
        await first.answered("a", None, ANSWER, 0)
    (journal,) = tmp_path.glob(".imagerouter/task-*/journal-*")
    os.truncate(journal, journal.stat().st_size - 20)
    async with attempt(partial(in_files, tmp_path)) as second:
        assert isinstance(second.state("a"), Orphaned)


async def test_ten_thousand_notes_make_three_files(tmp_path: Path) -> None:
    async with attempt(partial(in_files, tmp_path)) as ledger:
        for start in range(0, 10_000, 1000):
            await asyncio.gather(*(ledger.intend(f"{number}", None, 0) for number in range(start, start + 1000)))
        names = [path.name[:5] for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(names) == ["claim", "journ", "lease"]


@pytest.mark.needs_airflow("3.3")
async def test_task_state_never_expires(task_state) -> None:
    from airflow.sdk import NEVER_EXPIRE

    async with attempt(partial(TaskStatePlace, task_state)) as ledger:
        await ledger.intend("a", None, 0)
    assert set(task_state.retentions) == {NEVER_EXPIRE}


def test_deployments_that_share_a_ledger_path_have_ledgers_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", str(tmp_path))
    keys = set()
    for deployment in ("", "staging", "production"):
        monkeypatch.setenv("AIRFLOW__IMAGEROUTER__DEPLOYMENT", deployment)
        keys.add(in_files("ignored").key)
    assert len(keys) == 3


def test_what_is_read_of_a_ledger_does_not_grow_in_memory_with_the_number_of_requests() -> None:
    def lines(number: int) -> Iterator[bytes]:
        for index in range(number):
            yield entries.intent(f"key-{index}", Decimal("0.004"))
            yield entries.answered(f"key-{index}", Decimal("0.004"), ANSWER, [None])

    def peak(number: int) -> int:
        tracemalloc.start()
        try:
            found = entries.Entries(lines(number))
            assert found.spent == number * Decimal("0.004")
            assert isinstance(found.state("key-7"), Answered)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(10_000) < peak(100) + 1_000_000  # all of it would be 3 MB; other threads allocate, too
