"""The budget of a run by itself: tasks that ask at once, in whatever order their notes and looks come."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from support.ledger_attempt import in_files

from airflow_provider_imagerouter.engine.run_budget import RunBudget
from airflow_provider_imagerouter.exceptions import ImageRouterBudgetError, ImageRouterStorageError
from airflow_provider_imagerouter.ledger.claims import Claim
from airflow_provider_imagerouter.ledger.document_place import MemoryPlace
from airflow_provider_imagerouter.ledger.leases import take_lease
from airflow_provider_imagerouter.ledger.place import Place
from airflow_provider_imagerouter.ledger.removal import remove_old
from airflow_provider_imagerouter.ledger.run_notes import Holding, RunNotes

PRICE, COST = Decimal("0.01"), Decimal("0.004")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits looks again at once."""
    monkeypatch.setattr("airflow_provider_imagerouter.engine.run_budget.POLL_SECONDS", 0.002)
    monkeypatch.setattr("airflow_provider_imagerouter.engine.run_budget.MOST_POLL_SECONDS", 0.01)


class UnsteadyPlace(MemoryPlace):
    """A place that takes its time, now more and now less; its notes appear somewhere in between."""

    def create(self, name: str, content: bytes) -> bool:
        pytest.fail(f"{name} was created: notes have names of their own, and are only written")

    def write(self, name: str, content: bytes) -> None:
        time.sleep(random.random() * 0.004)
        self._document = {**self._document, name: content.decode()}
        time.sleep(random.random() * 0.004)

    def names(self) -> set[str]:
        time.sleep(random.random() * 0.004)
        names = set(self._document)
        time.sleep(random.random() * 0.004)
        return names


@dataclass
class Ledger:
    """What a run's budget asks of a task's ledger."""

    claim: Claim
    spent: Decimal = Decimal(0)


def ledger(place: Place, epoch: int = 1, spent: str = "0") -> Ledger:
    owner = f"owner {random.random()}"
    return Ledger(Claim(epoch, owner, take_lease(place, owner).name, 0, 0), Decimal(spent))


async def begin(place: Place, task: str, limit: str, epoch: int = 1, spent: str = "0") -> RunBudget:
    found = await asyncio.to_thread(ledger, place, epoch, spent)
    budget = RunBudget(Decimal(limit), RunNotes(place), found, task)  # type: ignore[arg-type]
    await budget._begin()
    return budget


def held(place: Place) -> Decimal:
    return sum((holding.amount for holding in RunNotes(place).holdings().values()), Decimal(0))


class Purse:
    """What is truly spent and in flight, and may never be more than there is."""

    def __init__(self, limit: str) -> None:
        self._limit = Decimal(limit)
        self.amount = Decimal(0)
        self.calls = 0

    async def pay(self, budget: RunBudget, calls: int = 1, price: Decimal = PRICE, cost: Decimal = COST) -> None:
        for _ in range(calls):
            await budget.reserve("model", price)
            self.amount += price
            self.calls += 1
            assert self.amount <= self._limit
            await asyncio.sleep(random.random() * 0.01)
            self.amount -= price - cost
            await budget.settle(price, cost)


def refused(outcomes: Iterable[object]) -> int:
    found = [outcome for outcome in outcomes if outcome is not None]
    assert all(isinstance(outcome, ImageRouterBudgetError) for outcome in found), found
    return len(found)


@pytest.mark.parametrize("seed", range(12))
async def test_whoever_is_first_the_limit_holds_and_is_used_up(seed: int) -> None:
    random.seed(seed)
    place, purse = UnsteadyPlace(), Purse("0.05")
    budgets = [await begin(place, f"task {number}", "0.05") for number in range(14)]
    outcomes = await asyncio.gather(*(purse.pay(budget) for budget in budgets), return_exceptions=True)
    # A call is sent while $0.01 are left: 11 calls leave $0.006.
    assert (purse.calls, refused(outcomes)) == (11, 3)
    assert held(place) == purse.amount == Decimal("0.044")


@pytest.mark.parametrize("seed", range(6))
async def test_tasks_with_many_calls_at_a_time(seed: int) -> None:
    random.seed(seed)
    place, purse = UnsteadyPlace(), Purse("0.3")
    budgets = [await begin(place, f"task {number}", "0.3") for number in range(4)]
    workers = [purse.pay(budget, 40) for budget in budgets for _ in range(3)]
    outcomes = await asyncio.gather(*workers, return_exceptions=True)
    assert (purse.calls, refused(outcomes)) == (73, 12)
    for budget in budgets:
        await budget.release()
    assert held(place) == purse.amount == Decimal("0.292")


@pytest.mark.parametrize("seed", range(6))
async def test_of_many_that_could_only_be_made_one_by_one_all_are_made(seed: int) -> None:
    """Each asks for all there is; none keeps the others out for ever, and none is refused."""
    random.seed(seed)
    place, purse = UnsteadyPlace(), Purse("0.01")
    budgets = [await begin(place, f"task {number}", "0.01") for number in range(8)]
    workers = [purse.pay(budget, cost=Decimal(0)) for budget in budgets]
    assert refused(await asyncio.wait_for(asyncio.gather(*workers, return_exceptions=True), 60)) == 0
    assert purse.calls == 8


async def test_a_dear_call_is_not_kept_out_by_small_ones() -> None:
    place, purse = UnsteadyPlace(), Purse("0.1")
    small = [await begin(place, f"small {number}", "0.1") for number in range(3)]
    dear = await begin(place, "dear", "0.1")
    workers = [purse.pay(budget, 20, cost=Decimal("0.001")) for budget in small]
    outcomes = await asyncio.gather(purse.pay(dear, price=Decimal("0.09"), cost=COST), *workers, return_exceptions=True)
    assert refused(outcomes) == 0


async def test_a_bill_above_the_price_counts_at_once() -> None:
    place = MemoryPlace()
    budget, other = [await begin(place, name, "0.05") for name in ("a", "b")]
    await budget.reserve("model", PRICE)
    await budget.settle(PRICE, Decimal("0.045"))
    with pytest.raises(ImageRouterBudgetError, match=r"\$0.045 are spent"):
        await other.reserve("model", PRICE)
    await budget.reserve("model", Decimal(0))
    with pytest.raises(ImageRouterBudgetError):
        await budget.reserve("model", PRICE)


async def test_a_bill_above_the_price_counts_while_other_calls_go_on() -> None:
    place = MemoryPlace()
    budget, other = [await begin(place, name, "0.05") for name in ("a", "b")]
    for _ in range(2):
        await budget.reserve("model", PRICE)
    await budget.settle(PRICE, Decimal("0.045"))
    with pytest.raises(ImageRouterBudgetError):
        await asyncio.wait_for(other.reserve("model", PRICE), 20)


async def test_a_later_attempt_replaces_what_an_earlier_one_held_even_if_that_wakes_up() -> None:
    place = MemoryPlace()
    frozen = await begin(place, "task", "0.05")
    await frozen.reserve("model", Decimal("0.03"))
    assert held(place) == Decimal("0.03")
    later = await begin(place, "task", "0.05", epoch=2, spent="0.004")
    assert held(place) == Decimal("0.004")
    with pytest.raises(ImageRouterStorageError, match="another attempt has taken over") as caught:
        await frozen.reserve("model", PRICE)
    assert caught.value.billed == "no"
    await later.reserve("model", PRICE)
    await frozen.release()
    assert held(place) == Decimal("0.014")


async def test_an_attempt_that_noted_nothing_before_it_froze_does_not_come_after_its_successor() -> None:
    place = MemoryPlace()
    frozen = await begin(place, "task", "0.05")
    later = await begin(place, "task", "0.05", epoch=2)
    await later.reserve("model", Decimal("0.03"))
    with pytest.raises(ImageRouterStorageError):
        await frozen.reserve("model", PRICE)
    await frozen.release()
    assert held(place) == Decimal("0.03")


async def test_an_attempt_whose_ledger_was_removed_is_still_the_newest() -> None:
    place = MemoryPlace()
    for epoch in (1, 2, 3, 1, 1):
        await (await begin(place, "task", "0.05", epoch, spent=f"0.0{epoch}")).release()
        assert held(place) == Decimal(f"0.0{epoch}")


async def test_what_a_dead_attempt_wanted_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "0.3")
    place = MemoryPlace()
    dead = Claim(1, "dead", "lease-gone", 0, 0)
    RunNotes(place).add(Holding("a", 1, 1, Decimal(0), Decimal("0.01"), Decimal("0.5")), dead)
    busy, waiting = [await begin(place, name, "0.03") for name in ("b", "c")]
    await busy.reserve("model", Decimal("0.02"))
    asking = asyncio.create_task(waiting.reserve("model", PRICE))
    await asyncio.sleep(0.05)
    assert not asking.done()
    await busy.settle(Decimal("0.02"), PRICE)
    await asyncio.wait_for(asking, 20)
    await waiting.settle(PRICE, PRICE)
    with pytest.raises(ImageRouterBudgetError):  # what it had set aside counts
        await asyncio.wait_for(busy.reserve("model", PRICE), 20)


async def test_one_that_is_stopped_while_it_waits_holds_nothing() -> None:
    place = MemoryPlace()
    busy, waiting = [await begin(place, name, "0.01") for name in ("a", "b")]
    await busy.reserve("model", PRICE)
    asking = asyncio.create_task(waiting.reserve("model", PRICE))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await waiting.release()
    assert [holding.amounts for holding in RunNotes(place).holdings().values() if holding.task == "b"] == [(0, 0, 0)]


def test_strangers_files_are_no_notes() -> None:
    place = MemoryPlace()
    for name in ("a-000001-000001-1-1", "a-1-1-1-1-1", "README", "a-000001-000001-NaN-1-1", "-000001-000001-1-1-1"):
        place.write(name, b"")
    assert RunNotes(place).holdings() == {}


def test_notes_go_with_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledgers = in_files(tmp_path)
    root = tmp_path / ".imagerouter"
    for name in ("dag-0123.run", "run-0123"):
        (root / name).mkdir()
        (root / name / "task-000001-000001-1-0-0").write_text("")
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_DAYS", "-1")
    remove_old(ledgers)
    assert [(root / name).exists() for name in ("dag-0123.run", "run-0123")] == [False, True]
