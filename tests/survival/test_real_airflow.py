"""Tasks of a real scheduler that are killed, stopped, timed out and cleared."""

from __future__ import annotations

import signal

import psutil
import pytest
from support.waiting import wait_for

# Airflow 3.0's API does not give XComs as values. What a kill does there is in test_killed.py.
pytestmark = pytest.mark.needs_airflow("3.3")


@pytest.fixture
def airflow(real_airflow):
    return real_airflow


@pytest.fixture
def sandbox(imagerouter_sandbox):
    return imagerouter_sandbox


def sent(sandbox):
    totals = sandbox.ledger()["totals"]
    return totals["calls"] - totals["refused"]


def process_of(run):
    """The process of the task's running attempt."""
    return psutil.Process(run.wait_for_state("task", "running")["pid"])


def pictures(folder):
    return [path for path in folder.iterdir() if path.suffix == ".webp"]


def test_a_killed_batch_is_finished_by_the_retry(airflow, sandbox, tmp_path):
    run = airflow.trigger("worked_batch", folder=str(tmp_path))
    wait_for("five calls", lambda: sent(sandbox) >= 5)
    process_of(run).send_signal(signal.SIGKILL)
    assert run.wait_for_end("task") == "success"
    assert run.task("task")["try_number"] == 2
    assert run.xcom("task")["succeeded"] == len(pictures(tmp_path)) == 12
    assert 12 <= sent(sandbox) <= 12 + 3


def test_a_stopped_batch_ends_soon_and_the_retry_goes_on(airflow, sandbox, tmp_path):
    """SIGTERM, as a machine sends it that shuts down."""
    run = airflow.trigger("worked_batch", folder=str(tmp_path))
    wait_for("five calls", lambda: sent(sandbox) >= 5)
    process = process_of(run)
    process.send_signal(signal.SIGTERM)
    psutil.wait_procs([process], timeout=10)
    assert not process.is_running()
    assert run.wait_for_end("task") == "success"
    assert run.task("task")["try_number"] == 2
    assert len(pictures(tmp_path)) == 12
    assert 12 <= sent(sandbox) <= 12 + 3


def test_a_batch_that_is_marked_failed_sends_nothing_more_and_a_clear_goes_on(airflow, sandbox, tmp_path):
    run = airflow.trigger("worked_batch_without_retries", folder=str(tmp_path), model="sandbox/slow-3")
    wait_for("three calls", lambda: sent(sandbox) >= 3)
    process = process_of(run)
    run.mark("task", "failed")
    wait_for("the end of the process", lambda: not process.is_running(), 30)
    assert sent(sandbox) < 12
    assert run.wait_for_run() == "failed"
    run.clear("task")
    assert run.wait_for_end("task") == "success"
    assert len(pictures(tmp_path)) == 12
    assert 12 <= sent(sandbox) <= 12 + 3


def test_a_batch_that_times_out_again_and_again_gets_to_its_end(airflow, sandbox, tmp_path):
    run = airflow.trigger("worked_batch_with_timeout", folder=str(tmp_path), model="sandbox/slow-3")
    assert run.wait_for_end("task") == "success"
    tries = run.task("task")["try_number"]
    assert tries > 1
    assert len(pictures(tmp_path)) == 12
    assert 12 <= sent(sandbox) <= 12 + 3 * (tries - 1)


def test_a_clear_of_a_running_batch_takes_over(airflow, sandbox, tmp_path):
    run = airflow.trigger("worked_batch", folder=str(tmp_path), model="sandbox/slow-3")
    wait_for("five calls", lambda: sent(sandbox) >= 5)
    run.clear("task")
    wait_for("another attempt", lambda: run.task("task").get("try_number") == 2)
    assert run.wait_for_end("task") == "success"
    assert len(pictures(tmp_path)) == 12
    assert 12 <= sent(sandbox) <= 12 + 3


def test_the_task_state_store_survives_a_kill(airflow, sandbox):
    """Four at a time: when the fifth and sixth are sent, two answers are noted at least."""
    run = airflow.trigger("worked_candidates_without_folder", model="sandbox/slow-3")
    wait_for("six calls", lambda: sent(sandbox) >= 6)
    process_of(run).send_signal(signal.SIGKILL)
    assert run.wait_for_end("task") == "success"
    assert run.task("task")["try_number"] == 2
    assert len(run.xcom("task")) == 6
    assert 6 <= sent(sandbox) <= 6 + 4
    assert run.wait_for_run() == "success"
    run.clear("task")
    wait_for("another attempt", lambda: run.task("task").get("try_number") == 3)
    before = sent(sandbox)
    assert run.wait_for_end("task") == "success"
    assert sent(sandbox) - before <= 6 <= sent(sandbox) - 6


def test_the_retry_policy_waits_as_the_server_asked(airflow, sandbox):
    """The server asks for a second; the task's own delay is an hour."""
    run = airflow.trigger("worked_patient")
    assert run.wait_for_end("task") == "success"
    assert run.task("task")["try_number"] == 2
    assert sandbox.ledger()["totals"]["refused"] == 1
