"""The budget: what a task instance may spend, checked before each call."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.exceptions import ImageRouterBudgetError, ImageRouterInputError
from airflow_provider_imagerouter.money import as_billed

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.catalogue import Catalogue


def highest_price(models: Catalogue, model: str) -> Decimal | None:
    """
    Return the most that a call may be billed, USD; None if that is not known.

    :param models: the catalogue
    :param model: model id
    """
    highest = models[model].max_price if model in models else None
    return None if highest is None else as_billed(highest)


class Budget:
    """
    Keeps what was spent, and what the calls in flight may cost, below a limit.

    :param limit: USD
    :param models: the catalogue, for the highest price of each model
    :param spent: USD, what earlier attempts spent
    """

    def __init__(self, limit: Decimal, models: Catalogue, spent: Decimal) -> None:
        self._limit = limit
        self._models = models
        self._spent = spent
        self._in_flight = Decimal(0)
        self._settled = asyncio.Condition()

    @property
    def left(self) -> Decimal:
        """USD, what calls that have ended leave of the limit."""
        return self._limit - self._spent

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
                f"ImageRouter's catalogue does not say what {model} costs, which max_cost_usd has to know"
            )
        return price

    async def settle(self, price: Decimal, cost: Decimal) -> None:
        """
        Replace what was set aside by what the call cost.

        :param price: USD, what was set aside
        :param cost: USD, what counts as spent
        """
        async with self._settled:
            self._in_flight -= price
            self._spent += cost
            self._settled.notify_all()

    def _fits(self, price: Decimal) -> bool:
        return self._spent + self._in_flight + price <= self._limit


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
