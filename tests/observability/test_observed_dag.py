"""What a whole Airflow, worker and triggerer, tells StatsD, an OpenTelemetry collector and OpenLineage of a Dag run."""

from __future__ import annotations

import pytest
from support.real_airflow import RealAirflow, Run


@pytest.fixture(scope="module")
def run(real_airflow: RealAirflow, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of the Dag; one of its tasks failed."""
    folder = tmp_path_factory.mktemp("pictures")
    run = real_airflow.trigger("observed", folder=str(folder))
    assert run.wait_for_run() == "failed"
    states = {name: run.state(name) for name in ("drawn", "edited", "many", "linked", "stored")}
    assert states == dict.fromkeys(states, "success"), real_airflow.logs(last=50)
    return run


def test_x(run, real_airflow):
    for each in real_airflow.statsd.told():
        print(each)
    for each in real_airflow.collector.spans:
        print(each)
    print(real_airflow.lineage_events.read_text())
    assert 0
