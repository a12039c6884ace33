"""The example with a reviewer, whose answer is given through Airflow's REST API, as the form in its UI does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.browser import Browser
from support.real_airflow import RealAirflow, Run

from airflow_provider_imagerouter.sandbox.process import SandboxProcess

pytestmark = pytest.mark.needs_airflow("3.3")

DAG_ID = "example_imagerouter_review"


def start(airflow: RealAirflow, folder: Path) -> Run:
    """Run the Dag up to the question."""
    run = airflow.trigger(DAG_ID, output_path=str(folder), brief="A lighthouse")
    run.wait_until_worker_left("review")
    return run


def answer(run: Run, choice: str, change: str = "The same in winter") -> None:
    path = f"dags/{DAG_ID}/dagRuns/{run.run_id}/taskInstances/review/-1/hitlDetails"
    run.airflow.ask("PATCH", path, {"chosen_options": [choice], "params_input": {"change": change}})


def calls(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    return list(sandbox.ledger()["calls"])


def test_the_picked_candidate_is_edited_and_stored(
    real_airflow: RealAirflow, imagerouter_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    run = start(real_airflow, tmp_path)
    assert len(calls(imagerouter_sandbox)) == 3
    answer(run, "2")
    assert run.wait_for_run() == "success"
    [record] = run.xcom("finish")
    assert record["prompt"] == "The same in winter"
    assert record["inputs"][0]["sha256"] == run.xcom("draw")[1]["sha256"]
    [stored] = tmp_path.glob("reviewed-*")
    assert Image.open(stored).size == (record["width"], record["height"])
    assert len(calls(imagerouter_sandbox)) == 4


def test_nothing_more_is_paid_if_none_will_do(
    real_airflow: RealAirflow, imagerouter_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    run = start(real_airflow, tmp_path)
    answer(run, "None of them")
    assert run.wait_for_run() == "success"
    assert run.state("finish") == "skipped"
    assert len(calls(imagerouter_sandbox)) == 3


@pytest.mark.needs_chromium
def test_the_form_shows_the_pictures(browser: Browser, real_airflow: RealAirflow, tmp_path: Path) -> None:
    run = start(real_airflow, tmp_path)
    browser.open(f"{real_airflow.url}/dags/{DAG_ID}/runs/{run.run_id}/tasks/review/required_actions")
    browser.wait(
        "return [...document.querySelectorAll('img[alt^=Candidate]')].filter(i => i.naturalWidth == 512).length == 3"
    )
    answer(run, "None of them")
    assert run.wait_for_run() == "success"
