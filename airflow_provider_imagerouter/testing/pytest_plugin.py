"""
Fixtures for tests of Dags that use ImageRouter; the entry point ``pytest11``.

pytest loads this module in every project of an environment that has the package. So nothing of Airflow or the sandbox
is imported before a test asks for a fixture, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_imagerouter.sandbox.process import SandboxProcess
    from airflow_provider_imagerouter.testing.runs import DagRunner


@pytest.fixture(scope="session")
def imagerouter_sandbox_process() -> Iterator[SandboxProcess]:
    """Run one sandbox for all tests."""
    from airflow_provider_imagerouter.sandbox.process import SandboxProcess

    with SandboxProcess() as sandbox:
        yield sandbox


@pytest.fixture
def imagerouter_sandbox(imagerouter_sandbox_process: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """
    Hand out the sandbox with full accounts and an empty ledger; ``imagerouter_default`` leads to its rich one.

    So does ``pydanticai_imagerouter_default``, for text models.
    """
    imagerouter_sandbox_process.reset()
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", imagerouter_sandbox_process.connection_uri())
    monkeypatch.setenv("AIRFLOW_CONN_PYDANTICAI_IMAGEROUTER_DEFAULT", "pydanticai-imagerouter://")
    return imagerouter_sandbox_process


@pytest.fixture(scope="session")
def airflow_db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let Airflow use a new metadata database (SQLite) until all tests are over."""
    from airflow_provider_imagerouter.testing.database import throw_away_database

    with throw_away_database(tmp_path_factory.mktemp("airflow")):
        yield


@pytest.fixture
def run_dag(airflow_db: None) -> DagRunner:
    """Hand out a function that runs a Dag in this process: ``run_dag(dag, **conf)`` returns the finished run."""
    from airflow_provider_imagerouter.testing.runs import run_dag

    return run_dag
