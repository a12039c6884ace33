"""
The budget of a Dag run: what all its tasks may spend together, though none of them knows of the others.

Each task notes what it holds where all can see it (``ledger/run_notes.py``): what it has spent, and what it has set
aside for calls. Before it sends, it first notes what the call may cost, and *then* looks what all hold together. So of
any tasks that ask at the same time, the last one to look sees what all others hold: together they never pass the limit,
however slow or frozen one of them is. No clock is asked about that.

Where it is too much, a task waits if what others have set aside may be released, and fails if not even that would help.
While it waits it takes back what it asked for, but says that it wants it: of those who wait, the first ones by their
names ask again once there is room for them. So two that ask at the same time never keep each other out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.exceptions import (
    ImageRouterBudgetError,
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterStorageError,
)
from airflow_provider_imagerouter.ledger import where
from airflow_provider_imagerouter.ledger.journal import in_thread
from airflow_provider_imagerouter.ledger.leases import lease_seconds
from airflow_provider_imagerouter.ledger.run_notes import Holding, RunNotes

if TYPE_CHECKING:
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.ledger.ledger import Ledger

log = logging.getLogger(__name__)

NOTHING = Decimal(0)

POLL_SECONDS = 1.0
MOST_POLL_SECONDS = 5.0
"""How soon a task that waits looks again whether others have released something: less and less often."""

MOST_AHEAD = 31
"""For how many further calls a task sets money aside, so that a large batch notes something every 32 calls only."""

SHARE_AHEAD = 8
"""Which part of what is left it takes for those at most: an eighth, so that the others are not kept out."""


class RunBudget:
    """
    One attempt's part in the budget of its Dag run.

    :param limit: USD
    :param notes: what all tasks of the run hold
    :param ledger: the attempt's, open
    :param task: what tells the task from all others of the run
    """

    def __init__(self, limit: Decimal, notes: RunNotes, ledger: Ledger, task: str) -> None:
        self._limit = limit
        self._notes = notes
        self._ledger = ledger
        self._task = task
        self._nothing = Holding(task, 0, 0, NOTHING, NOTHING, NOTHING)
        self._spent = ledger.spent
        self._in_flight = Decimal(0)
        self._queued = Decimal(0)
        self._allowed = self._spent
        self._ahead = 0
        self._generation = 0
        self._number = 0
        self._noted: Holding | None = self._nothing
        self._asking = asyncio.Lock()
        self._noting = asyncio.Lock()

    @classmethod
    async def open(cls, limit: Decimal, identity: Identity, ledger: Ledger) -> RunBudget:
        """
        Take part in a run's budget, and note what the ledger says was spent in place of what an earlier attempt held.

        :param limit: USD
        :param identity: the task instance
        :param ledger: its ledger, open
        :raises ImageRouterInputError: if the tasks of the run have no place in common
        :raises ImageRouterStorageError: if it cannot be read or written
        """
        place = await asyncio.to_thread(where.for_run, identity)
        if place is None:
            raise ImageRouterInputError(
                "max_run_cost_usd needs a place that all tasks of a Dag run share: set [imagerouter] ledger_path in "
                "Airflow's configuration to a folder that all workers and triggerers reach. Nothing was sent"
            )
        budget = cls(limit, RunNotes(place), ledger, identity.file_stem)
        await budget._begin()
        return budget

    async def _begin(self) -> None:
        earlier = (await in_thread(self._notes.holdings)).get(self._task, self._nothing)
        # Above all that was seen, and above an attempt before that has not noted anything yet: epochs only grow.
        self._generation = earlier.generation + self._ledger.claim.epoch
        self._noted = earlier
        await self._note(self._spent)

    async def reserve(self, model: str, price: Decimal) -> None:
        """
        Set aside the highest price of a call; waits while other calls of the run may turn out cheaper.

        :param model: model id
        :param price: USD
        :raises ImageRouterBudgetError: if the call could pass the limit, whatever those cost
        :raises ImageRouterStorageError: if nothing can be noted, or read: then nothing may be sent
        """
        self._queued += price
        try:
            async with self._asking:
                while self._used + price > self._allowed:
                    await self._ask(model, price)
                self._in_flight += price
        finally:
            self._queued -= price

    async def settle(self, price: Decimal, cost: Decimal) -> None:
        """
        Replace what was set aside by what the call cost.

        :param price: USD, what was set aside
        :param cost: USD, what counts as spent
        """
        self._in_flight -= price
        self._spent += cost
        has_asked_once_and_is_done = self._ahead == 1 and not self._in_flight
        if (self._used > self._allowed or has_asked_once_and_is_done) and not self._asking.locked():
            await self.release()

    async def release(self) -> None:
        """Hold no more than what was spent and is in flight; others may have the rest."""
        try:
            async with self._asking:
                used = self._used
                await self._note(used)
                self._allowed = used
        except ImageRouterError as error:
            log.warning("%s. More than was spent counts for max_run_cost_usd, until the task is tried again", error)

    @property
    def _used(self) -> Decimal:
        return self._spent + self._in_flight

    async def _ask(self, model: str, price: Decimal) -> None:
        """Note what is wished for, look what the others hold, and be allowed what they leave of it."""
        wish = self._queued + self._ahead * price
        dead = _Dead(self._notes)
        while True:
            noted = self._used + wish
            await self._note(noted)
            others = await self._look()
            if self._used + price <= self._left_by(others):
                return await self._allow(noted, self._left_by(others))
            await self._wait_for_turn(model, price, others, dead)
            wish = price

    async def _wait_for_turn(self, model: str, price: Decimal, others: Collection[Holding], dead: _Dead) -> None:
        """Take back what was asked for, but say that it is wanted; return once those who come first leave enough."""
        seconds = POLL_SECONDS
        while True:
            alive = await dead.without(others)
            first = sum(other.wanted for other in alive if other.task < self._task)
            may_be_released = self._in_flight + sum(other.open for other in alive)
            if self._used + price - may_be_released > self._left_by(others):
                await self._note(self._used)
                raise ImageRouterBudgetError(self._refusal(model, price, others))
            if self._noted and self._noted.wanted and self._used + price + first <= self._left_by(others):
                return
            if seconds == POLL_SECONDS:
                log.info("Waiting for other calls of this Dag run, which may leave some of max_run_cost_usd")
            await self._note(self._used, wanted=price)
            await asyncio.sleep(seconds)
            seconds = min(1.5 * seconds, MOST_POLL_SECONDS)
            others = await self._look()

    def _left_by(self, others: Collection[Holding]) -> Decimal:
        return self._limit - sum(other.amount for other in others)

    async def _allow(self, noted: Decimal, left: Decimal) -> None:
        """
        Take what was asked for, and of what was asked for ahead no more than a share of what is left.

        :param noted: USD, what was noted before others were looked at
        :param left: USD, what they leave
        """
        needed = min(noted, self._used + self._queued, left)
        allowed = min(noted, needed + (left - needed) / SHARE_AHEAD)
        await self._note(allowed)
        self._allowed = allowed
        self._ahead = min(2 * self._ahead + 1, MOST_AHEAD)

    async def _note(self, amount: Decimal, wanted: Decimal = NOTHING) -> None:
        """Note that this task holds an amount. If it is less than was allowed, no more is allowed from now on."""
        self._allowed = min(self._allowed, amount)
        async with self._noting:
            amounts = self._spent, max(amount - self._spent, NOTHING), wanted
            if self._noted and self._noted.amounts == amounts:
                return
            self._number += 1  # never again, even if this one fails: it may be there all the same
            holding = Holding(self._task, self._generation, self._number, *amounts)
            self._noted = None
            await in_thread(self._notes.add, holding, self._ledger.claim)
            self._noted = holding

    async def _look(self) -> Collection[Holding]:
        """
        Return what the other tasks of the run hold.

        :raises ImageRouterStorageError: if the storage does not list what this attempt has just written
        """
        holdings = await in_thread(self._notes.holdings)
        if holdings.pop(self._task, self._nothing) != self._noted:
            raise ImageRouterStorageError(
                "What this attempt has noted of the run's budget is not there: the storage does not list what was "
                "just written, or another attempt has taken over",
                billed="no",
            )
        return holdings.values()

    def _refusal(self, model: str, price: Decimal, others: Collection[Holding]) -> str:
        amount = sum(other.amount for other in others)
        return (
            f"max_run_cost_usd is ${self._limit}; of this Dag run's other tasks ${amount} are spent or set aside, "
            f"${self._used} are of this task, and {model} may cost ${price} more"
        )


class _Dead:
    """
    Finds out which attempts have died, now and then: what they set aside nobody will release.

    :param notes: what all tasks of the run hold
    """

    def __init__(self, notes: RunNotes) -> None:
        self._notes = notes
        self._names: set[str] = set()
        self._next = time.monotonic() + lease_seconds() / 3

    async def without(self, holdings: Collection[Holding]) -> list[Holding]:
        """
        Return those that have something set aside, or want something, and have not died.

        :param holdings: what tasks hold
        """
        open_ = [
            holding for holding in holdings if (holding.open or holding.wanted) and holding.name not in self._names
        ]
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + lease_seconds() / 3
            alive = await asyncio.gather(*(in_thread(self._notes.is_alive, holding) for holding in open_))
            self._names.update(holding.name for holding, is_alive in zip(open_, alive, strict=True) if not is_alive)
        return [holding for holding in open_ if holding.name not in self._names]
