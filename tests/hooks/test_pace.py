"""Slowing down before the API has to say so."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.hooks.imagerouter_async import ImageRouterAsyncHook
from airflow_provider_imagerouter.hooks.pace import Pace, pace_of


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each turn is waited for; time stands still."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("airflow_provider_imagerouter.hooks.pace.time.monotonic", lambda: 100.0)
    monkeypatch.setattr("airflow_provider_imagerouter.hooks.pace.asyncio.sleep", sleep)
    return waits


async def turns(pace: Pace, number: int) -> None:
    for _ in range(number):
        await pace.turn()


async def in_a_second(pace: Pace, waits: list[float]) -> int:
    """How many calls may begin within a second."""
    await turns(pace, 1)
    start = waits[-1]
    await turns(pace, 30)
    return sum(start <= wait < start + 1 for wait in waits)


async def test_before_the_first_answer_no_more_than_the_poorest_account_may(waits):
    assert await in_a_second(Pace(), waits) <= 6


@pytest.mark.parametrize(("policy", "most"), [("6;w=1", 6), ("20;w=1", 20), ("100;w=1", 20), ("30;w=60", 1)])
async def test_what_an_answer_allows_is_not_passed(waits, policy, most):
    pace = Pace()
    pace.learn(Reply(200, {"ratelimit-policy": policy}, b""))
    assert most / 2 <= await in_a_second(pace, waits) <= most


@pytest.mark.parametrize("policy", [None, "", "many", "0;w=1", "5;w=0", "-3;w=1"])
async def test_a_policy_that_makes_no_sense_changes_nothing(waits, policy):
    pace = Pace()
    pace.learn(Reply(200, {"RateLimit-Policy": policy} if policy else {}, b""))
    assert 3 <= await in_a_second(pace, waits) <= 6


async def test_a_listing_does_not_hasten_paying_calls(imagerouter_connection, request):
    """It is limited by other rules, and says so in the same header."""
    hook = ImageRouterAsyncHook()
    await hook.list_models()
    pace = pace_of(await hook.get_settings())
    assert await in_a_second(pace, request.getfixturevalue("waits")) <= 6


@pytest.mark.parametrize("account", ["rich_key", "nearly_empty_key"])
async def test_forty_calls_at_once_see_no_429(imagerouter_sandbox, monkeypatch, account):
    key = getattr(imagerouter_sandbox, account)
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", imagerouter_sandbox.connection_uri(key))
    hook = ImageRouterAsyncHook()
    number = 40 if account == "rich_key" else 14
    await asyncio.gather(*(hook.generate(f"cat {index}", model="test/test") for index in range(number)))
    totals = imagerouter_sandbox.ledger()["totals"]
    assert (totals["succeeded"], totals["refused"]) == (number, 0)
