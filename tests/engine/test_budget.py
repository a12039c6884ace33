"""The budget by itself, and what an estimate says."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_imagerouter.api.catalogue import Catalogue, Model
from airflow_provider_imagerouter.engine.budget import Budget
from airflow_provider_imagerouter.exceptions import ImageRouterBudgetError, ImageRouterInputError
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook, ImageRouterHook


def catalogue(**prices: str | None) -> Catalogue:
    """Models, as far as the budget looks at them."""
    return Catalogue(
        Model(id=name, aliases=(f"{name}-alias",), max_price=None if price is None else Decimal(price))
        for name, price in prices.items()
    )


def budget(limit: str, *spent: str) -> Budget:
    models = catalogue(cheap="0.01", dear="0.3", free="0", unpriced=None)
    return Budget(Decimal(limit), models, sum(map(Decimal, spent), Decimal(0)))


async def test_the_last_cent_may_be_spent_and_not_more():
    budget_ = budget("0.05", "0.02", "0.01")
    for _ in range(2):
        await (await budget_.reserve("cheap")).settle(Decimal("0.01"))
    with pytest.raises(
        ImageRouterBudgetError, match=r"max_cost_usd is \$0.05; \$0.05 are spent, and cheap may cost \$0.01"
    ):
        await budget_.reserve("cheap")
    assert (await budget_.reserve("free")).price == 0


async def test_calls_in_flight_count_with_their_highest_price_until_they_end_cheaper():
    budget_ = budget("0.025")
    first, second = await budget_.reserve("cheap"), await budget_.reserve("cheap")
    third = asyncio.create_task(budget_.reserve("cheap"))
    await asyncio.sleep(0)
    assert not third.done()
    await first.settle(Decimal("0.004"))
    await first.settle(Decimal("0.004"))  # which counts once
    assert (await third).price == Decimal("0.01")
    await second.settle(None)
    fourth = asyncio.create_task(budget_.reserve("cheap"))
    await (await third).settle(Decimal("0.01"))
    with pytest.raises(ImageRouterBudgetError):
        await asyncio.wait_for(fourth, 5)


async def test_a_dear_call_waits_for_others_only_while_that_may_help():
    budget_ = budget("0.3")
    first = await budget_.reserve("cheap")
    dear = asyncio.create_task(budget_.reserve("dear"))
    await asyncio.sleep(0)
    await first.settle(Decimal(0))
    assert (await dear).price == Decimal("0.3")


def test_a_price_is_what_the_bill_rounds_it_up_to():
    assert Budget(Decimal(1), catalogue(odd="0.00121"), Decimal(0)).price("odd") == Decimal("0.0013")


async def test_a_model_without_a_known_price_is_not_paid_for_under_a_budget():
    with pytest.raises(ImageRouterInputError, match=r"no model 'chaep'. Near it: cheap"):
        await budget("1").reserve("chaep")
    with pytest.raises(ImageRouterInputError, match="does not say what unpriced costs"):
        await budget("1").reserve("unpriced")


def test_an_alias_costs_what_its_model_costs():
    assert budget("1").price("dear-alias") == Decimal("0.3")


@pytest.mark.parametrize("hook_class", [ImageRouterHook, ImageRouterAsyncHook])
def test_estimates(imagerouter_connection, monkeypatch, hook_class):
    def estimate(requests: list[Any], **extra: Any) -> Any:
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", connection.replace('"password"', _extra(extra)))
        result = hook_class().estimate_cost(requests)
        return asyncio.run(result) if asyncio.iscoroutine(result) else result

    connection = imagerouter_connection.connection_uri()
    slow = {"prompt": "a cat", "model": "sandbox/slow"}
    one = estimate([slow])
    assert 0 < one.min <= one.average <= one.max == Decimal("0.01")
    many = estimate([slow, {**slow, "n": 4}, {**slow, "n": "2"}, {"model": "test/test"}])
    assert (many.min, many.average, many.max) == (7 * one.min, 7 * one.average, 7 * one.max)
    assert estimate(["a cat", "a dog"], default_model="sandbox/slow").max == Decimal("0.02")
    assert estimate([]).max == 0
    with pytest.raises(ImageRouterInputError, match="No model"):
        estimate(["a cat"])
    with pytest.raises(ImageRouterInputError, match="no/such"):
        estimate([{"model": "no/such"}])
    with pytest.raises(ImageRouterInputError, match="n must be"):
        estimate([{**slow, "n": 0}])
    assert imagerouter_connection.ledger()["totals"]["calls"] == 0


def _extra(fields: dict[str, Any]) -> str:
    import json

    return f'"extra": {json.dumps(fields)}, "password"'
