"""When a trigger's event comes: in a triggerer not before Airflow can bear it, elsewhere at once."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from airflow_provider_imagerouter import compat
from airflow_provider_imagerouter.sandbox.process import SandboxProcess
from airflow_provider_imagerouter.triggers import moment
from airflow_provider_imagerouter.triggers.credits import ENOUGH, ImageRouterCreditsTrigger


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long triggers wait before their event, without waiting."""
    seconds: list[float] = []

    async def sleep(delay: float) -> None:
        seconds.append(delay)

    monkeypatch.setattr(moment, "asyncio", SimpleNamespace(sleep=sleep))
    return seconds


async def event_of_a_trigger() -> object:
    (event,) = [event.payload async for event in ImageRouterCreditsTrigger("imagerouter_default", "1", 60).run()]
    return event


async def test_in_a_triggerer_it_waits_for_the_worker_that_deferred(
    slept: list[float], monkeypatch: pytest.MonkeyPatch, imagerouter_connection: SandboxProcess
) -> None:
    """A worker may need [workers] min_heartbeat_interval (5 seconds) to notice that its task deferred."""
    monkeypatch.setattr(compat, "_comms", object)
    assert await event_of_a_trigger() == ENOUGH
    (seconds,) = slept
    assert 0 < seconds <= 6
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "0")
    assert await event_of_a_trigger() == ENOUGH
    assert slept[1:] == [0]


async def test_elsewhere_it_does_not(slept: list[float], imagerouter_connection: SandboxProcess) -> None:
    assert await event_of_a_trigger() == ENOUGH
    assert slept == []


async def test_what_took_longer_than_that_ends_at_once(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_comms", object)
    await moment.wait_until_safe(begun=time.monotonic() - 3600)
    assert slept == [0]
