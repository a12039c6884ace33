"""The budget: what a task instance may spend, checked before each call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.engine.run_budget import RunBudget
from airflow_provider_imagerouter.exceptions import ImageRouterBudgetError, ImageRouterInputError
from airflow_provider_imagerouter.money import as_billed

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.catalogue import Catalogue
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.ledger.ledger import Ledger


def highest_price(models: Catalogue, model: str) -> Decimal | None:
    """
    Return the most that a call may be billed, USD; None if that is not known.

    :param models: the catalogue
    :param model: model id
    """
    highest = models[model].max_price if model in models else None
    return None if highest is None else as_billed(highest)


@dataclass(frozen=True)
class Limits:
    """
    What may be spent at most, USD; None for no limit.

    :param task: by all attempts of the task instance together
    :param run: by all tasks of its Dag run together
    """

    task: Decimal | None = None
    run: Decimal | None = None

    def __bool__(self) -> bool:
        """Return whether there is a limit."""
        return self != NO_LIMITS

    def or_those_of(self, connection: ConnectionSettings) -> Limits:
        """
        Return these, and the connection's where there are none.

        :param connection: the connection
        """
        return Limits(
            connection.max_cost_usd if self.task is None else self.task,
            connection.max_run_cost_usd if self.run is None else self.run,
        )


NO_LIMITS = Limits()


class Budget:
    """
    Keeps what was spent, and what the calls in flight may cost, below a limit; and below that of the Dag run, too.

    :param limit: USD; None for no limit but that of the run
    :param models: the catalogue, for the highest price of each model
    :param spent: USD, what earlier attempts spent
    :param run: the task's part in the budget of its Dag run, if that has one
    """

    def __init__(self, limit: Decimal | None, models: Catalogue, spent: Decimal, run: RunBudget | None = None) -> None:
        self._limit = limit
        self._models = models
        self._spent = spent
        self._run = run
        self._in_flight = Decimal(0)
        self._settled = asyncio.Condition()

    @classmethod
    async def open(cls, limits: Limits, models: Catalogue, identity: Identity, ledger: Ledger) -> Budget:
        """
        Return an attempt's budget.

        :param limits: what may be spent
        :param models: the catalogue
        :param identity: the task instance
        :param ledger: its ledger, open
        :raises ImageRouterInputError: if there is a limit for the run, but no place that its tasks share
        :raises ImageRouterStorageError: if that cannot be read or written
        """
        run = None if limits.run is None else await RunBudget.open(limits.run, identity, ledger)
        return cls(limits.task, models, ledger.spent, run)

    @property
    def left(self) -> Decimal | None:
        """USD, what calls that have ended leave of the limit; None if there is none."""
        return None if self._limit is None else self._limit - self._spent

    async def reserve(self, model: str) -> Reservation:
        """
        Set aside the highest price of a call; waits for calls in flight that may turn out cheaper.

        :param model: model id
        :raises ImageRouterBudgetError: if the call could pass the limit
        :raises ImageRouterInputError: if the model's price is not known
        """
        price = self.price(model)
        async with self._settled:
            await self._settled.wait_for(lambda: self._fits(price) or not self._in_flight)
            if not self._fits(price):
                raise ImageRouterBudgetError(
                    f"max_cost_usd is ${self._limit}; ${self._spent} are spent, and {model} may cost ${price} more"
                )
            self._in_flight += price
        if self._run:
            try:
                await self._run.reserve(model, price)
            except BaseException:
                await self._settle(price, Decimal(0))
                raise
        return Reservation(self, price)

    def price(self, model: str) -> Decimal:
        """
        Return the most that a call may be billed, USD.

        :param model: model id
        :raises ImageRouterInputError: if that is not known
        """
        self._models.find(model)
        price = highest_price(self._models, model)
        if price is None:
            raise ImageRouterInputError(
                f"ImageRouter's catalogue does not say what {model} costs, which a budget has to know"
            )
        return price

    async def settle(self, price: Decimal, cost: Decimal) -> None:
        """
        Replace what was set aside by what the call cost.

        :param price: USD, what was set aside
        :param cost: USD, what counts as spent
        """
        await self._settle(price, cost)
        if self._run:
            await self._run.settle(price, cost)

    async def close(self) -> None:
        """Release what nothing will be spent of any more."""
        if self._run:
            await self._run.release()

    async def _settle(self, price: Decimal, cost: Decimal) -> None:
        async with self._settled:
            self._in_flight -= price
            self._spent += cost
            self._settled.notify_all()

    def _fits(self, price: Decimal) -> bool:
        return self._limit is None or self._spent + self._in_flight + price <= self._limit


class Reservation:
    """
    What is set aside for one call, until it is settled.

    :param budget: what it is a part of; None if there is no limit
    :param price: USD; None if it is not known
    """

    def __init__(self, budget: Budget | None, price: Decimal | None) -> None:
        self._budget = budget
        self.price = price

    async def settle(self, cost: Decimal | None) -> None:
        """
        Count a call as what it cost; only the first time.

        :param cost: USD; None counts as the highest price
        """
        budget, self._budget = self._budget, None
        if budget and self.price is not None:
            await budget.settle(self.price, self.price if cost is None else cost)
