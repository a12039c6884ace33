"""Who may spend: one attempt at a time, whatever processes, clocks and stores do."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from support.ledger_attempt import ANSWER, Open, attempt, in_files
from support.lying_s3 import URI, LyingS3
from support.s3_answers import ACCESS_DENIED, CONFLICT, OTHER_CODE, OTHER_HTML, Answer

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.ledger.claims import note_finished
from airflow_provider_imagerouter.ledger.entries import Answered, Free, Orphaned
from airflow_provider_imagerouter.ledger.leases import take_lease
from airflow_provider_imagerouter.ledger.ledger import Ledger


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "1")


async def test_another_attempt_waits_until_the_first_one_ends(place: Open) -> None:
    first, second = [Ledger(await asyncio.to_thread(place), 0) for _ in range(2)]
    await first.open()
    waiting = asyncio.create_task(second.open())
    await first.intend("a", None, 0)
    await first.answered("a", None, ANSWER, 0)
    assert not waiting.done()
    await first.close()
    await waiting
    assert isinstance(second.state("a"), Answered)
    await second.close()


async def test_of_many_that_begin_together_one_at_a_time_is_at_work(place: Open) -> None:
    working = []

    async def work() -> None:
        async with attempt(place):
            working.append(len(working))
            assert len(working) == 1
            await asyncio.sleep(0.01)
            working.pop()

    await asyncio.gather(*(work() for _ in range(5)))


async def test_an_attempt_that_is_silent_for_longer_than_its_lease_loses_the_ledger(
    place: Open, short_lease: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Ledger(await asyncio.to_thread(place), 0)
    await silent.open()
    await silent.intend("a", None, 0)
    _freeze(silent, monkeypatch)
    async with attempt(place) as other:  # which waits for the end of the lease
        assert isinstance(other.state("a"), Orphaned)
        with pytest.raises(ImageRouterStorageError, match="another one has taken over") as caught:
            await silent.intend("b", None, 0)
        assert caught.value.billed == "no"
        await silent.answered("a", None, ANSWER, 0)  # what it had in flight is still noted
    await silent.close()
    async with attempt(place) as third:
        assert isinstance(third.state("a"), Answered)
        assert isinstance(third.state("b"), Free)


async def test_an_attempt_whose_lease_ran_out_goes_on_if_nobody_else_came(
    place: Open, short_lease: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with attempt(place) as silent:
        await silent.intend("a", None, 0)
        _freeze(silent, monkeypatch)
        while silent._lease and not silent._lease.has_run_out:
            await asyncio.sleep(0.05)
        await silent.intend("b", None, 0)
        await silent.answered("a", None, ANSWER, 0)
    async with attempt(place) as other:
        assert isinstance(other.state("a"), Answered)
        assert isinstance(other.state("b"), Orphaned)


async def test_room_for_what_is_in_flight_is_kept_in_the_next_journal_too(
    tmp_path: Path, short_lease: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with attempt(partial(in_files, tmp_path)) as silent:
        await silent.intend("a", None, 100_000)
        _freeze(silent, monkeypatch)
        while silent._lease and not silent._lease.has_run_out:
            await asyncio.sleep(0.05)
        await silent.intend("b", None, 0)
        journals = sorted(tmp_path.glob(".imagerouter/task-*/journal-*"))
        assert len(journals) == 2
        assert journals[-1].stat().st_blocks * 512 > 100_000


def _freeze(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a lease from being renewed, as a process that is frozen does."""
    monkeypatch.setattr(ledger._lease, "_write", lambda: None)


async def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    async with attempt(partial(in_files, tmp_path)) as first:
        await first.intend("a", None, 0)
        assert not in_files(tmp_path).create("claim-000001", b"another's")
    async with attempt(partial(in_files, tmp_path)) as second:
        assert isinstance(second.state("a"), Orphaned)


def test_a_thousand_tasks_of_a_process_keep_one_lease(tmp_path: Path) -> None:
    leases = {take_lease(in_files(tmp_path, number), f"owner {number}").name for number in range(1000)}
    (lease,) = leases
    assert len(json.loads((tmp_path / ".imagerouter" / "leases" / lease).read_text())["owners"]) == 1000


IN_S3 = partial(in_files, f"{URI}/out")

# What counts is who owns a claim, not what a store says about its creation.


@pytest.mark.parametrize("dialect", [None, OTHER_CODE, OTHER_HTML])
@pytest.mark.parametrize("lost", [1, 2])
async def test_a_store_that_loses_the_answer_to_a_claim(lying_s3: LyingS3, lost: int, dialect: Answer | None) -> None:
    """The repetition is answered 412, in one dialect or another: the claim is there, and it is ours."""
    lying_s3.precondition_failed = dialect or lying_s3.precondition_failed
    lying_s3.lose_answers(lost, "*/claim-*")
    async with attempt(IN_S3) as ledger:
        await ledger.intend("a", None, 0)
    async with attempt(IN_S3) as other:
        assert isinstance(other.state("a"), Orphaned)
    assert lying_s3.count("DELETE", "*/claim-*") == 0


@pytest.mark.parametrize("answer", [CONFLICT, OTHER_CODE, OTHER_HTML, ACCESS_DENIED])
async def test_a_store_that_refuses_a_claim_once(lying_s3: LyingS3, answer: Answer) -> None:
    lying_s3.refuse(answer, 1, "*/claim-*")
    async with attempt(IN_S3) as ledger:
        await ledger.intend("a", None, 0)


@pytest.mark.parametrize("answer", [CONFLICT, OTHER_CODE, OTHER_HTML])
async def test_a_store_that_never_takes_a_claim_fails_the_task_unpaid(lying_s3: LyingS3, answer: Answer) -> None:
    lying_s3.refuse(answer, 1000, "*/claim-*")
    with pytest.raises(ImageRouterStorageError, match="cannot be claimed") as caught:
        async with attempt(IN_S3):
            pass
    assert caught.value.billed == "no"
    lying_s3.reset()
    async with attempt(IN_S3):  # nobody waits for himself
        pass


async def test_a_store_that_loses_the_answers_to_notes(lying_s3: LyingS3) -> None:
    async with attempt(IN_S3) as ledger:
        lying_s3.lose_answers(1, "*/journal-*")
        await ledger.intend("a", None, 0)
        lying_s3.lose_answers(1, "*/journal-*")
        await ledger.answered("a", None, ANSWER, 0)
    async with attempt(IN_S3) as other:
        assert isinstance(other.state("a"), Answered)


async def test_a_clear_needs_no_right_to_remove(lying_s3: LyingS3) -> None:
    lying_s3.keeps_all = True
    async with attempt(IN_S3, 0) as first:
        await first.intend("a", None, 0)
        await first.answered("a", None, ANSWER, 0)
    await asyncio.to_thread(lambda: note_finished(IN_S3(), 0))
    for _ in range(2):
        async with attempt(IN_S3, 1) as cleared:
            assert isinstance(cleared.state("a"), Free)


async def test_a_process_without_file_descriptors_neither_pays_nor_waits_for_itself(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    refused = 0
    for room in range(8):
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        fillers = []
        try:
            with suppress(OSError):
                while True:
                    fillers.append(os.open("/dev/null", os.O_RDONLY))
            for filler in fillers[:room]:
                os.close(filler)
            async with attempt(partial(in_files, tmp_path)):
                break
        except (ImageRouterStorageError, OSError):
            refused += 1
        finally:
            for filler in fillers[room:]:
                os.close(filler)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert refused
    async with asyncio.timeout(20), attempt(partial(in_files, tmp_path)):
        assert os.listdir(tmp_path)  # noqa: PTH208
