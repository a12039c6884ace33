"""Clearing, marking and timing out a deferred task."""

from __future__ import annotations

import pytest
from support.waiting import wait_for

# Triggers have XComs, and a cancelled one says why, from Airflow 3.3 on.
pytestmark = pytest.mark.needs_airflow("3.3")


def test_the_next_attempt_of_a_cleared_task_gets_the_answer_of_the_call_in_flight(airflow, counts, tmp_path):
    """With files; an XCom ledger is gone then, and the next attempt pays again."""
    run = airflow.trigger("generate", model="sandbox/slow-8", prompt="files", n=2, output_path=str(tmp_path))
    forgetful = airflow.trigger("links", model="sandbox/slow-8", prompt="xcom")
    counts.wait_until_sent(3)
    run.clear("generate")
    forgetful.clear("generate")
    assert run.wait_for_end("generate") == forgetful.wait_for_end("generate") == "success"
    assert run.task("generate")["try_number"] >= 2
    assert len(run.xcom("generate")) == 2
    assert counts.sent_for("files") == 2
    assert counts.sent_for("xcom") <= 2
    assert counts.totals["clients_left"] == 0


def test_a_task_marked_failed_sends_nothing_more(airflow, counts, tmp_path):
    """Of eight candidates, four at a time are under way: these are waited for, and kept."""
    run = airflow.trigger("generate", model="sandbox/slow-8", n=8, output_path=str(tmp_path))
    counts.wait_until_sent(4)
    run.mark("generate", "failed")
    assert run.wait_for_run() == "failed"
    counts.wait_until_finished(4)
    wait_for("the trigger to go", lambda: not airflow.query("SELECT id FROM trigger"))
    assert (counts.sent, counts.totals["clients_left"]) == (4, 0)

    run.clear("generate")
    assert run.wait_for_end("generate") == "success"
    assert len(run.xcom("generate")) == 8
    assert counts.sent == 8


def test_a_timeout_holds_while_deferred_and_the_retry_gets_the_answer(airflow, counts, tmp_path):
    run = airflow.trigger("generate_timeout", model="sandbox/slow-15", output_path=str(tmp_path))
    run.wait_for_state("generate", "up_for_retry", "queued", "running", "success", "failed")
    wait_for("the second attempt", lambda: run.task("generate").get("try_number") == 2)
    assert counts.sent == 1
    assert run.wait_for_end("generate") == "success"
    assert (counts.sent, counts.totals["clients_left"]) == (1, 0)


def test_another_task_has_the_slot_meanwhile(airflow, counts, tmp_path):
    airflow.ask("POST", "pools", {"name": "one_slot", "slots": 1})
    run = airflow.trigger("slot", model="sandbox/slow-30", output_path=str(tmp_path))
    counts.wait_until_sent(1)
    assert run.wait_for_end("other") == "success"
    assert run.state("generate") == "deferred"
    assert counts.totals["in_flight"] == 1
    run.mark("generate", "success")
