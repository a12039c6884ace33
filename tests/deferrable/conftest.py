"""One real Airflow for all of these tests, and a sandbox that counts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from support.real_airflow import RealAirflow
from support.waiting import wait_for

from airflow_provider_imagerouter.sandbox.process import SandboxProcess

log = logging.getLogger(__name__)


@pytest.fixture
def airflow(real_airflow: RealAirflow) -> RealAirflow:
    return real_airflow


@pytest.fixture(autouse=True)
def say_what_airflow_said(request: pytest.FixtureRequest, airflow: RealAirflow) -> Iterator[None]:
    """Show Airflow's logs where a test failed."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        log.error("%s", airflow.logs(last=50))


class Counts:
    """What the sandbox counted."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self._sandbox = sandbox

    @property
    def totals(self) -> dict[str, Any]:
        totals: dict[str, Any] = self._sandbox.ledger()["totals"]
        return totals

    @property
    def sent(self) -> int:
        """How many paying calls came in, refused ones not counted."""
        totals = self.totals
        return int(totals["calls"] - totals["refused"])

    def sent_for(self, prompt: str) -> int:
        """How many of these had this prompt."""
        calls = self._sandbox.ledger()["calls"]
        return sum(call["prompt"] == prompt and call["status"] != "refused" for call in calls)

    @property
    def finished(self) -> int:
        return int(self.totals["succeeded"])

    def wait_until_sent(self, number: int) -> None:
        wait_for(f"{number} calls", lambda: self.sent >= number)

    def wait_until_finished(self, number: int) -> None:
        wait_for(f"{number} finished calls", lambda: self.finished >= number)


@pytest.fixture
def counts(imagerouter_sandbox: SandboxProcess) -> Counts:
    """Return the sandbox's counts, all of them zero."""
    return Counts(imagerouter_sandbox)
