"""A triggerer that dies at the wrong moment, and two that hold a trigger at once."""

from __future__ import annotations

import signal

import pytest
from support.ledgers import count, notes_in_files
from support.waiting import wait_for

# Triggers have XComs, and a cancelled one says why, from Airflow 3.3 on.
pytestmark = pytest.mark.needs_airflow("3.3")


def wait_until_stored(folder, number: int) -> None:
    wait_for(f"{number} stored pictures", lambda: count(notes_in_files(folder), "stored") == number)


def wait_for_another_triggerer(airflow, run) -> None:
    """Wait until the run's trigger has changed hands."""
    sql = "SELECT triggerer_id FROM trigger WHERE id IN (SELECT trigger_id FROM task_instance WHERE run_id = ?)"
    before = airflow.query(sql, run.run_id)
    wait_for("a takeover", lambda: airflow.query(sql, run.run_id) != before)


def test_killed_when_the_work_is_done_but_airflow_does_not_know_yet(airflow, counts, tmp_path):
    """The process that talks to the database is frozen first, so that the event goes nowhere."""
    airflow.keep_spare_triggerer()
    run = airflow.trigger("generate", n=3, output_path=str(tmp_path))
    counts.wait_until_sent(3)
    airflow.freeze(airflow.triggerer, with_children=False)
    wait_until_stored(tmp_path, 3)
    airflow.triggerer.kill()
    assert run.state("generate") == "deferred"

    airflow.use_spare_triggerer()
    assert run.wait_for_end("generate") == "success"
    assert len(run.xcom("generate")) == 3
    assert counts.sent == 3


def test_of_two_triggerers_one_waits_for_the_other_s_answer(airflow, counts, tmp_path):
    """The first freezes until the second has taken over, and wakes before its lease is over."""
    airflow.keep_spare_triggerer()
    airflow.triggerer.kill()
    airflow.triggerer = first = airflow.start_triggerer(AIRFLOW__IMAGEROUTER__LEASE_SECONDS="120")
    run = airflow.trigger("batch", model="sandbox/slow-10", requests=4, output_path=str(tmp_path))
    counts.wait_until_sent(2)
    with airflow.frozen(first):
        airflow.use_spare_triggerer()
        wait_for_another_triggerer(airflow, run)
    assert run.wait_for_end("batch") == "success"
    assert (counts.sent, counts.totals["clients_left"]) == (4, 0)
    first.kill()


def test_a_triggerer_frozen_for_longer_than_its_lease_may_be_paid_twice_but_sends_nothing_more(
    airflow, counts, tmp_path
):
    airflow.keep_spare_triggerer()
    run = airflow.trigger("batch", model="sandbox/slow-3", requests=6, output_path=str(tmp_path))
    counts.wait_until_sent(2)
    first = airflow.triggerer
    with airflow.frozen(first):
        in_flight = count(notes_in_files(tmp_path), "intent")
        airflow.use_spare_triggerer()
        assert run.wait_for_end("batch") == "success"
    sent = counts.sent
    assert sent <= 6 + in_flight
    wait_for("the trigger to go", lambda: not airflow.query("SELECT id FROM trigger"))
    first.signal(signal.SIGTERM)
    wait_for("the first triggerer to end", lambda: not first.is_running)
    assert counts.sent == sent
