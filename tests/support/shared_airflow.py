"""One real Airflow for all tests that need one: to start another costs as much as ten tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_imagerouter.sandbox.keys import MANAGEMENT_KEY
from airflow_provider_imagerouter.sandbox.process import SandboxProcess
from support.real_airflow import RealAirflow
from support.receivers import Collector, Receivers, StatsD

TESTS = Path(__file__).parents[1]
EXAMPLES = [TESTS.parent / "example_dags" / f"example_imagerouter_{name}.py" for name in ("assets", "review", "studio")]
"""Those that need a scheduler."""
LEASE_SECONDS = 6


@pytest.fixture(scope="session")
def receivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receivers]:
    """Receive what the real Airflow tells of its runs."""
    with StatsD() as statsd, Collector() as collector:
        yield Receivers(statsd, collector, tmp_path_factory.mktemp("lineage") / "events.jsonl")


@pytest.fixture(scope="session")
def real_airflow(
    tmp_path_factory: pytest.TempPathFactory, imagerouter_sandbox_process: SandboxProcess, receivers: Receivers
) -> Iterator[RealAirflow]:
    """Run a real Airflow with the Dags beside the tests that ask for it, connected to the sandbox."""
    dags = tmp_path_factory.mktemp("dags")
    for folder in TESTS.glob("*/dags"):
        (dags / folder.parent.name).symlink_to(folder)
    for example in EXAMPLES:
        (dags / example.name).symlink_to(example)
    connection = imagerouter_sandbox_process.connection_uri()
    home = tmp_path_factory.mktemp("airflow")
    environ = {
        "AIRFLOW__IMAGEROUTER__GALLERY_ROOTS": str(home / "pictures"),
        "AIRFLOW_CONN_IMAGEROUTER_DEFAULT": connection,
        "AIRFLOW_CONN_PYDANTICAI_IMAGEROUTER_DEFAULT": "pydanticai-imagerouter://",
        "AIRFLOW_CONN_IMAGEROUTER_IMPATIENT": json.dumps({**json.loads(connection), "extra": {"retry_timeout": 0}}),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW_CONN_IMAGEROUTER_MANAGED": json.dumps(
            {**json.loads(connection), "extra": {"management_api_key": MANAGEMENT_KEY}}
        ),
        "AIRFLOW__IMAGEROUTER__LEASE_SECONDS": str(LEASE_SECONDS),
        "NO_PROXY": "*",
        **receivers.environ,
    }
    with RealAirflow(home, dags, environ) as airflow:
        yield airflow
