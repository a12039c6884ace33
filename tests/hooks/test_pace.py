"""Slowing down before the API has to say so."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from types import SimpleNamespace

import pytest
from support.clients import Clients
from support.raw_server import RawServer, Script, Visitor, answer

from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
from airflow_provider_imagerouter.hooks.pace import Pace, pace_of


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    """Only the asynchronous hook keeps a pace."""
    return Clients("httpx", monkeypatch)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that passes while somebody sleeps, and no other."""
    clock = SimpleNamespace(now=100.0)

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr("airflow_provider_imagerouter.hooks.pace.time.monotonic", lambda: clock.now)
    monkeypatch.setattr("airflow_provider_imagerouter.hooks.pace.asyncio.sleep", sleep)
    return clock


async def turns(pace: Pace, clock: SimpleNamespace, number: int) -> list[float]:
    """When each call may begin, seconds."""
    start, found = clock.now, []
    for _ in range(number):
        await pace.turn()
        found.append(clock.now - start)
    return found


async def in_a_second(pace: Pace, clock: SimpleNamespace) -> int:
    """How many calls may begin within a second."""
    first, *others = await turns(pace, clock, 31)
    return 1 + sum(turn < first + 1 for turn in others)


def policy(value: str | None) -> Reply:
    return Reply(200, {"ratelimit-policy": value} if value else {}, b"")


async def test_before_the_first_answer_no_more_than_the_poorest_account_may(clock):
    assert await in_a_second(Pace(), clock) <= 6


@pytest.mark.parametrize(("said", "most"), [("6;w=1", 6), ("20;w=1", 20), ("100;w=1", 20), ("1200; w=60", 20)])
async def test_what_an_answer_allows_is_used_and_not_passed(clock, said, most):
    pace = Pace()
    pace.learn(policy(said))
    assert most * 0.8 <= await in_a_second(pace, clock) <= most


@pytest.mark.parametrize("said", [None, "", "many", "0;w=1", "5;w=0", "-3;w=1", "9" * 5000 + ";w=1", "٣;w=1"])
async def test_a_policy_that_makes_no_sense_changes_nothing(clock, said):
    pace = Pace()
    pace.learn(policy(said))
    assert 5 <= await in_a_second(pace, clock) <= 6


@pytest.mark.parametrize("said", ["30;w=60", "1;w=86400", "1;w=999999999"])
async def test_nobody_waits_for_ever(clock, said):
    pace = Pace()
    pace.learn(policy(said))
    assert (await turns(pace, clock, 3))[-1] == pytest.approx(4)


async def test_whoever_waits_already_profits_from_what_is_learnt_meanwhile(clock, monkeypatch):
    pace = Pace()
    pace.learn(policy("1;w=86400"))
    await pace.turn()
    sleep = asyncio.sleep

    async def learn(seconds: float) -> None:
        pace.learn(policy("20;w=1"))
        await sleep(seconds)

    monkeypatch.setattr("airflow_provider_imagerouter.hooks.pace.asyncio.sleep", learn)
    assert (await turns(pace, clock, 1))[0] < 0.1


async def test_what_an_answer_says_goes_before_what_was_expected(clock):
    pace = Pace()
    pace.expect(20)
    assert await in_a_second(pace, clock) >= 17
    pace.learn(policy("6;w=1"))
    pace.expect(100)
    assert await in_a_second(pace, clock) <= 6


async def test_a_listing_does_not_hasten_paying_calls(imagerouter_connection, request):
    """It is limited by other rules, and says so in the same header."""
    hook = ImageRouterAsyncHook()
    await hook.list_models()
    pace = pace_of(await hook.get_settings())
    assert await in_a_second(pace, request.getfixturevalue("clock")) <= 6


BODY = b'{"data": [{"url": "https://pictures.invalid/a.png"}], "cost": 0.004}'
CREDITS = b'{"remaining_credits": "%s", "credit_usage": "0", "total_deposits": "0"}'


def playing(credits_: bytes, held_back: threading.Event) -> Script:
    """Answer paid calls only once the event is set, and questions about credits at once."""

    def play(visitor: Visitor) -> None:
        if visitor.request.startswith(b"GET /v1/credits"):
            visitor.send(credits_)
            return
        held_back.wait(30)
        visitor.send(answer(BODY))

    return play


@pytest.mark.parametrize(("balance", "calls_per_second"), [(b"100", 20), (b"2.5", 10), (b"0.001", 6)])
async def test_what_the_account_may_do_is_asked_before_any_paid_answer_has_come(
    monkeypatch, clients, balance, calls_per_second
):
    held_back = threading.Event()
    with RawServer(playing(answer(CREDITS % balance), held_back)) as server:
        hook = clients(server.url).hook
        pace = pace_of(await hook.get_settings())
        expected = asyncio.Event()
        expect = pace.expect
        monkeypatch.setattr(pace, "expect", lambda rate: (expect(rate), expected.set()))
        calls = [asyncio.create_task(hook.generate("a cat", model="test/test")) for _ in range(3)]
        await asyncio.wait_for(expected.wait(), 20)
        assert pace._interval == pytest.approx(1 / (calls_per_second * 0.95))
        held_back.set()
        await asyncio.gather(*calls)
        assert sum(request.startswith(b"GET") for request in server.requests) == 1


async def test_a_single_picture_asks_nothing(clients):
    with RawServer(answer(BODY)) as server:
        await clients(server.url).hook.generate("a cat", model="test/test")
        assert [request.split()[0] for request in server.requests] == [b"POST"]


@pytest.mark.parametrize(
    "refusal",
    [b"", answer("<html>", "404 Not Found"), answer("[]"), answer(CREDITS % b"lots"), answer(CREDITS % b"NaN")],
)
async def test_an_account_that_is_not_told_of_only_costs_time(clients, refusal):
    held_back = threading.Event()
    held_back.set()
    with RawServer(playing(refusal, held_back)) as server:
        hook = clients(server.url).hook
        answers = await asyncio.gather(*(hook.generate("a cat", model="test/test") for _ in range(3)))
        assert [found.cost for found in answers] == [Decimal("0.004")] * 3


@pytest.mark.parametrize("account", ["rich_key", "nearly_empty_key"])
async def test_forty_calls_at_once_see_hardly_any_429(imagerouter_sandbox, monkeypatch, account):
    key = getattr(imagerouter_sandbox, account)
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", imagerouter_sandbox.connection_uri(key))
    hook = ImageRouterAsyncHook()
    number = 40 if account == "rich_key" else 14
    await asyncio.gather(*(hook.generate(f"cat {index}", model="test/test") for index in range(number)))
    totals = imagerouter_sandbox.ledger()["totals"]
    assert totals["succeeded"] == number
    assert totals["refused"] < number / 5  # on a busy machine some come late, and so together; at once it were half
