"""What a deferred task leaves in Airflow's database: no bytes, no secrets, nothing large."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from support.waiting import wait_for

from airflow_provider_imagerouter.sandbox.keys import RICH_KEY


def trigger_rows(airflow) -> list[dict[str, Any]]:
    """Return the deferred tasks' triggers, their arguments decrypted, if Airflow encrypted them."""
    fernet = Fernet(airflow.fernet_key)
    rows = airflow.query("SELECT * FROM trigger")
    for row in rows:
        if not row["kwargs"].startswith("{"):
            row["kwargs"] = fernet.decrypt(row["kwargs"].encode()).decode()
    return rows


def test_the_list_of_a_batch_is_not_in_its_trigger(airflow, counts, tmp_path):
    run = airflow.trigger("batch", requests=1000, model="sandbox/slow-20", output_path=str(tmp_path))
    counts.wait_until_sent(2)
    (row,) = trigger_rows(airflow)
    assert "Picture" not in row["kwargs"]
    assert len(row["kwargs"]) < 2000
    run.mark("batch", "failed")
    wait_for("the trigger to go", lambda: not trigger_rows(airflow))


@pytest.mark.needs_airflow("3.3")
def test_triggers_and_events_hold_no_bytes_and_no_secrets(airflow, counts, tmp_path):
    """The scheduler is frozen while the event waits in the database for a worker."""
    runs = [
        airflow.trigger("generate_base64", n=4, model="sandbox/slow-10", output_path=str(tmp_path)),
        airflow.trigger("links", model="sandbox/slow-10", prompt="links"),
    ]
    for run in runs:
        run.wait_until_worker_left("generate")
    triggers = trigger_rows(airflow)
    with airflow.frozen(airflow.scheduler):
        sql = "SELECT run_id, next_kwargs FROM task_instance WHERE next_kwargs LIKE '%success%'"
        wait_for("two events", lambda: len(airflow.query(sql)) == 2)
        events = {row["run_id"]: row["next_kwargs"] for row in airflow.query(sql)}
        ledgers = airflow.query("SELECT * FROM xcom WHERE key = 'imagerouter_ledger'")
    assert [run.wait_for_end("generate") for run in runs] == ["success"] * 2

    pictures = list(tmp_path.glob("*.webp"))
    assert len(pictures) == 4
    assert all(len(row["kwargs"]) < 2000 for row in triggers)
    assert len(events[runs[0].run_id]) < 6000
    assert len(events[runs[1].run_id]) < 2000
    assert len(ledgers) == 1
    assert len(json.dumps(ledgers)) < 4000
    everything = b"".join(file.read_bytes() for file in airflow.home.glob("airflow.db*"))
    assert RICH_KEY.encode() not in everything
    assert not any(RICH_KEY in row["kwargs"] for row in triggers)
    assert RICH_KEY not in airflow.logs()

    # The worker has taken the ledger over into the task state store.
    assert runs[1].xcom("generate", "imagerouter_ledger") is None
    assert len(list(tmp_path.glob(".imagerouter/*/finished-*"))) == 1
    wait_for("the triggers to go", lambda: not trigger_rows(airflow))
