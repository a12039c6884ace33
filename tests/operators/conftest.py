from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk import DAG
from support.dags import Runs

from airflow_provider_imagerouter.sandbox.process import SandboxProcess


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is not asked for through a proxy that this machine may have."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def dag(request: pytest.FixtureRequest) -> Iterator[DAG]:
    """An empty Dag, open for operators."""
    name = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    with DAG(name[:200], schedule=None, default_args={"retries": 0}) as dag:
        yield dag


@pytest.fixture
def runs(run_dag: Callable[..., Any], imagerouter_connection: SandboxProcess, caplog: pytest.LogCaptureFixture) -> Runs:
    """Runs Dags against the sandbox."""
    return Runs(run_dag, imagerouter_connection)
