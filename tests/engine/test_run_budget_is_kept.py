"""``max_run_cost_usd`` against what the sandbox really billed. Its models cost $0.004, and $0.01 at most."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.attempts import Attempts
from support.lying_s3 import URI as LYING_URI
from support.lying_s3 import LyingS3
from support.object_store import URI
from support.s3_answers import ACCESS_DENIED
from support.waiting import wait_for

from airflow_provider_imagerouter.engine.work import SingleWork
from airflow_provider_imagerouter.exceptions import (
    ImageRouterBudgetError,
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterStorageError,
    ImageRouterUnknownOutcomeError,
)
from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.ledger import where
from airflow_provider_imagerouter.triggers.event import read_event
from airflow_provider_imagerouter.triggers.imagerouter import ImageRouterTrigger

QUICK = "sandbox/revises"
CATS = [f"cat {number}" for number in range(30)]

pytestmark = pytest.mark.usefixtures("attempts")


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger_path on a local disk."""
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", str(tmp_path / "ledger"))
    return str(tmp_path / "ledger")


@pytest.fixture(params=["local", "s3"])
def ledger_path(request: pytest.FixtureRequest, local: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger_path that all tasks share."""
    if request.param == "local":
        return local
    request.getfixturevalue("object_store")
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", f"{URI}/ledger")
    return f"{URI}/ledger"


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "1")


def at_once(number: int, attempt: Callable[[int], Any]) -> list[Any]:
    """Make attempts of as many mapped tasks at once, and return what they returned or raised."""

    def outcome(index: int) -> Any:
        try:
            return attempt(index)
        except ImageRouterError as error:
            return error

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(outcome, range(number)))


def kinds(outcomes: list[Any]) -> Counter[type]:
    return Counter(type(outcome) for outcome in outcomes)


def notes(run_id: str = "run") -> list[str]:
    """The notes of a run, in the order of their names."""
    place = where.for_run(Identity("dag", run_id, "", -1))
    assert place
    return sorted(place.names())


def test_fifty_mapped_tasks_at_once_do_not_pass_it(attempts: Attempts, ledger_path: str) -> None:
    model = "sandbox/null-cost"  # which does not say what it cost: so each call counts as $0.01
    outcomes = at_once(50, lambda index: attempts.generate(model=model, map_index=index, max_run_cost_usd=0.45))
    assert kinds(outcomes) == {list: 45, ImageRouterBudgetError: 5}
    assert attempts.totals["billed_calls"] == 45
    assert len(notes()) <= 4 * 50


def test_what_calls_do_not_cost_is_there_for_others(attempts: Attempts, local: str) -> None:
    outcomes = at_once(30, lambda index: attempts.generate(model=QUICK, map_index=index, max_run_cost_usd=0.1))
    # The last call is sent while $0.01 are left: 23 calls leave $0.008.
    assert kinds(outcomes) == {list: 23, ImageRouterBudgetError: 7}
    assert (attempts.totals["billed_calls"], attempts.totals["billed_usd"]) == (23, 0.092)
    refusal = next(str(outcome) for outcome in outcomes if isinstance(outcome, ImageRouterBudgetError))
    assert "max_run_cost_usd is $0.1; of this Dag run's other tasks $0.092 are spent or set aside" in refusal
    assert "sandbox/revises may cost $0.01 more" in refusal


@pytest.mark.usefixtures("local")
def test_a_larger_budget_goes_on_where_it_stopped(attempts: Attempts) -> None:
    def made(limit: str) -> int:
        outcomes = at_once(5, lambda index: attempts.generate(model=QUICK, map_index=index, max_run_cost_usd=limit))
        return kinds(outcomes)[list]

    assert [made("0.02"), made("0.02"), made("0.026")] == [3, 3, 5]
    assert attempts.totals["billed_calls"] == 5


def test_of_fifty_the_one_that_fits_is_made(attempts: Attempts, ledger_path: str) -> None:
    """They see each other ask for more than there is, and yet do not all fail."""
    outcomes = at_once(50, lambda index: attempts.generate(model=QUICK, map_index=index, max_run_cost_usd=0.01))
    assert kinds(outcomes) == {list: 1, ImageRouterBudgetError: 49}
    assert attempts.totals["billed_calls"] == 1


def test_processes_at_once(attempts: Attempts, ledger_path: str) -> None:
    arguments = {"model": QUICK, "max_run_cost_usd": 0.015}
    started = [attempts.start("generate", map_index=index, **arguments) for index in range(4)]
    outcomes = Counter(attempt.outcome.get("error", "made") for attempt in started)
    assert outcomes == {"made": 2, "ImageRouterBudgetError": 2}
    assert attempts.totals["billed_calls"] == 2


def test_each_run_has_its_own(attempts: Attempts, local: str) -> None:
    for run_id in ("one", "two"):
        assert attempts.generate(model=QUICK, run_id=run_id, max_run_cost_usd=0.01)
        with pytest.raises(ImageRouterBudgetError):
            attempts.generate(model=QUICK, run_id=run_id, map_index=7, max_run_cost_usd=0.01)


def test_batches_share_it(attempts: Attempts, ledger_path: str) -> None:
    outcomes = at_once(4, lambda index: attempts.batch(CATS, model=QUICK, map_index=index, max_run_cost_usd=0.1))
    assert kinds(outcomes) == {ImageRouterBudgetError: 4}
    assert attempts.totals["billed_calls"] == 23  # whoever is refused, others go on with what is left


def test_a_large_batch_writes_few_notes(attempts: Attempts, local: str) -> None:
    cats = [{"prompt": f"cat {number}", "size": "64x64"} for number in range(120)]
    attempts.batch(cats, model=QUICK, max_run_cost_usd=10)
    assert attempts.totals["billed_calls"] == 120
    assert len(notes()) <= 10
    assert notes()[-1].endswith("-0.480-0.000-0")


def test_it_holds_over_retries(attempts: Attempts, local: str) -> None:
    """A call whose end is unknown counts as the highest price, for all tasks and attempts."""
    errors = []
    for number in range(6):
        with pytest.raises(ImageRouterError) as caught:
            attempts.generate(model="sandbox/hangs-up", map_index=number % 2, max_run_cost_usd=0.035)
        errors.append(type(caught.value))
    assert errors == [ImageRouterUnknownOutcomeError] * 3 + [ImageRouterBudgetError] * 3
    assert attempts.totals["billed_calls"] == 3


def test_a_clear_counts_anew_what_it_redoes(attempts: Attempts, ledger_path: str) -> None:
    arguments = {"model": QUICK, "max_run_cost_usd": 0.014}
    for max_tries in range(4):
        attempts.generate(max_tries=max_tries, **arguments)
    assert attempts.totals["billed_calls"] == 4
    assert attempts.generate(map_index=7, **arguments)
    with pytest.raises(ImageRouterBudgetError):
        attempts.generate(map_index=8, **arguments)
    with pytest.raises(ImageRouterBudgetError):  # the other one's picture still counts
        attempts.generate(max_tries=4, **arguments, n=2)
    assert attempts.totals["billed_calls"] == 6


def test_a_clear_of_a_failed_task_goes_on(attempts: Attempts, local: str) -> None:
    for max_tries in range(2):
        with pytest.raises(ImageRouterBudgetError):
            attempts.generate(model=QUICK, n=4, max_tries=max_tries, max_run_cost_usd=0.015)
    assert attempts.totals["billed_calls"] == 2


def test_what_a_killed_attempt_had_in_flight_counts(attempts: Attempts, ledger_path: str, short_lease: None) -> None:
    arguments = {"max_run_cost_usd": 0.019}
    killed = attempts.start("generate", model="sandbox/slow-4", **arguments)
    wait_for("its call", lambda: attempts.totals["in_flight"])
    killed.kill()
    with pytest.raises(ImageRouterBudgetError):  # it may have been paid for
        attempts.generate(model=QUICK, map_index=7, **arguments)
    with pytest.raises(ImageRouterBudgetError):  # and again
        attempts.generate(model="sandbox/slow-4", **arguments)
    assert attempts.totals["calls"] == 1
    assert attempts.generate(model=QUICK, map_index=7, max_run_cost_usd=0.02)


def test_of_what_a_killed_attempt_held_its_ledger_tells_the_true_cost(
    attempts: Attempts, local: str, short_lease: None
) -> None:
    arguments = {"model": QUICK, "max_run_cost_usd": 0.05}
    slow = {"prompt": "slow", "model": "sandbox/slow-4"}
    killed = attempts.start("batch", requests=[*CATS[:3], slow], max_concurrency=4, **arguments)
    wait_for("its pictures", lambda: attempts.folder.is_dir() and len(attempts.pictures) == 3)
    killed.kill()
    with pytest.raises(ImageRouterBudgetError):
        attempts.generate(map_index=7, **{**arguments, "max_run_cost_usd": 0.045})  # it held $0.04
    attempts.batch(CATS[:3], **arguments)
    assert attempts.totals["calls"] == 4
    assert attempts.generate(map_index=7, **{**arguments, "max_run_cost_usd": 0.032})  # 3 x $0.004 and $0.01 are spent


def test_others_wait_for_a_call_that_may_turn_out_cheaper(attempts: Attempts, ledger_path: str) -> None:
    arguments = {"max_run_cost_usd": 0.015}
    slow = attempts.start("generate", model="sandbox/slow-4", map_index=9, **arguments)
    wait_for("its call", lambda: attempts.totals["in_flight"])
    assert attempts.generate(model=QUICK, map_index=1, **arguments)
    assert slow.result
    assert attempts.totals["billed_calls"] == 2


def test_a_task_limit_holds_beside_it(attempts: Attempts, local: str) -> None:
    with pytest.raises(ImageRouterBudgetError, match="max_cost_usd is"):
        attempts.batch(CATS, model=QUICK, max_run_cost_usd=1, max_cost_usd=0.02)
    with pytest.raises(ImageRouterBudgetError, match="max_run_cost_usd is"):
        attempts.batch(CATS, model=QUICK, max_run_cost_usd=0.05, max_cost_usd=1, map_index=1)
    assert attempts.totals["billed_usd"] <= 0.05


def test_the_connection_has_one_for_tasks_without(
    attempts: Attempts, local: str, set_extra: Callable[..., None]
) -> None:
    set_extra(max_run_cost_usd="0.01")
    attempts.generate(model=QUICK)
    with pytest.raises(ImageRouterBudgetError):
        attempts.generate(model=QUICK, map_index=1)
    assert attempts.generate(model=QUICK, map_index=1, max_run_cost_usd=1)


@pytest.mark.parametrize("given", ["task", "connection"])
@pytest.mark.parametrize("kind", ["generate", "batch"])
def test_it_is_refused_where_tasks_share_no_ledger(
    attempts: Attempts, set_extra: Callable[..., None], given: str, kind: str
) -> None:
    arguments = {"model": QUICK, **({"max_run_cost_usd": 1} if given == "task" else {})}
    if given == "connection":
        set_extra(max_run_cost_usd=1)
    with pytest.raises(ImageRouterInputError, match=r"max_run_cost_usd needs .* \[imagerouter\] ledger_path") as caught:
        attempts.batch(CATS, **arguments) if kind == "batch" else attempts.generate(**arguments)
    assert caught.value.billed == "no"
    assert attempts.totals["billed_calls"] == 0


def test_what_is_free_needs_no_budget(attempts: Attempts, local: str) -> None:
    assert attempts.generate(model="test/test", max_run_cost_usd=0)
    with pytest.raises(ImageRouterBudgetError):
        attempts.generate(model=QUICK, max_run_cost_usd=0, map_index=1)
    assert attempts.totals["billed_usd"] == 0


@pytest.fixture
def lying_path(lying_s3: LyingS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", f"{LYING_URI}/ledger")


@pytest.mark.usefixtures("lying_path")
def test_storage_that_refuses_a_note(attempts: Attempts, lying_s3: LyingS3, caplog: Any) -> None:
    lying_s3.refuse(ACCESS_DENIED, times=9, keys="*.run/*-0.01-0")
    with pytest.raises(ImageRouterStorageError) as caught:
        attempts.generate(model=QUICK, max_run_cost_usd=1)
    assert caught.value.billed == "no"
    assert attempts.totals["billed_calls"] == 0
    lying_s3.reset()
    lying_s3.refuse(ACCESS_DENIED, times=9, keys="*.run/*-0.004-0.000-0")
    assert attempts.generate(model=QUICK, max_run_cost_usd=0.016)
    assert "More than was spent counts for max_run_cost_usd" in caplog.text
    lying_s3._lies.clear()
    with pytest.raises(ImageRouterBudgetError):
        attempts.generate(model=QUICK, max_run_cost_usd=0.016, map_index=1)
    assert attempts.generate(model=QUICK, max_run_cost_usd=0.016)  # which corrects what it holds
    assert attempts.generate(model=QUICK, max_run_cost_usd=0.016, map_index=1)
    assert attempts.totals["billed_calls"] == 2


@pytest.mark.usefixtures("lying_path")
def test_storage_that_does_not_list_what_was_just_written(
    attempts: Attempts, lying_s3: LyingS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = where.RemotePlace.names
    monkeypatch.setattr(
        where.RemotePlace, "names", lambda place: {n for n in names(place) if not n.endswith("-0.01-0")}
    )
    with pytest.raises(ImageRouterStorageError, match="does not list what was just written"):
        attempts.generate(model=QUICK, max_run_cost_usd=1)
    assert attempts.totals["billed_calls"] == 0


@pytest.mark.usefixtures("lying_path")
def test_storage_that_loses_the_answer_to_a_note(attempts: Attempts, lying_s3: LyingS3) -> None:
    lying_s3.lose_answers(keys="*.run/*")
    for index in range(3):
        assert attempts.generate(model=QUICK, max_run_cost_usd=0.018, map_index=index)
    with pytest.raises(ImageRouterBudgetError):
        attempts.generate(model=QUICK, max_run_cost_usd=0.018, map_index=3)


async def test_twenty_deferred_tasks_at_once(attempts: Attempts, ledger_path: str) -> None:
    triggers = [_trigger(index, "0.16") for index in range(20)]
    outcomes = await asyncio.gather(*(_outcome(trigger) for trigger in triggers))
    assert kinds(list(outcomes)) == {list: 16, ImageRouterBudgetError: 4}
    assert attempts.totals["billed_calls"] == 16


async def test_a_trigger_that_is_refused_for_want_of_a_shared_ledger(attempts: Attempts, tmp_path: Path) -> None:
    assert isinstance(await _outcome(_trigger(0, "1")), ImageRouterInputError)
    assert attempts.totals["billed_calls"] == 0


def _trigger(index: int, limit: str) -> ImageRouterTrigger:
    identity = Identity("dag", "run", "task", index)
    work = SingleWork(
        identity=identity,
        max_tries=0,
        imagerouter_conn_id="imagerouter_default",
        folder=None,
        max_cost_usd=None,
        max_run_cost_usd=limit,
        on_orphaned_intent="resubmit",
        parameters={"prompt": "A cat", "model": "sandbox/null-cost"},
        n=1,
        stem=identity.file_stem,
        output="image",
    )
    _, arguments = ImageRouterTrigger(work.to_json()).serialize()
    return ImageRouterTrigger(**json.loads(json.dumps(arguments)))


async def _outcome(trigger: ImageRouterTrigger) -> Any:
    (payload,) = [event.payload async for event in trigger.run()]
    try:
        return read_event(json.loads(json.dumps(payload)))
    except ImageRouterError as error:
        return error
