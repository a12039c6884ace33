"""A triggerer that is killed or restarted does not pay again for what is paid."""

from __future__ import annotations

import random
import signal

import pytest
from support.ledgers import count, notes_in_files, notes_in_xcom

# Triggers have XComs, and a cancelled one says why, from Airflow 3.3 on.
pytestmark = pytest.mark.needs_airflow("3.3")


@pytest.mark.parametrize("how", ["kill -9", "restart"])
def test_what_is_paid_is_not_paid_again(how, airflow, counts, tmp_path):
    """At a random moment; only the calls in flight at that moment may be sent again, with "fail" not even those."""
    airflow.keep_spare_triggerer()
    files, batch, failing = tmp_path / "files", tmp_path / "batch", tmp_path / "failing"
    runs = [
        airflow.trigger("generate", prompt="files", n=4, output_path=str(files)),
        airflow.trigger("links", model="sandbox/slow-6", prompt="xcom", n=4),
        airflow.trigger("batch", requests=8, model="sandbox/slow-1", output_path=str(batch)),
        airflow.trigger("batch_fail", requests=6, model="sandbox/slow-2", prefix="fail", output_path=str(failing)),
    ]
    counts.wait_until_sent(random.randint(1, 16))
    airflow.freeze(airflow.triggerer)
    intents = {
        "files": count(notes_in_files(files), "intent"),
        "xcom": count(notes_in_xcom(runs[1]), "intent"),
        "batch": count(notes_in_files(batch), "intent"),
        "fail": count(notes_in_files(failing), "intent"),
    }
    if how == "restart":
        airflow.triggerer.signal(signal.SIGCONT)
        airflow.triggerer.terminate()
        intents = {"files": 4, "xcom": 4, "batch": 2, "fail": None}  # it went on after the look at its ledgers
    else:
        airflow.triggerer.kill()
    airflow.use_spare_triggerer()

    ends = [run.wait_for_end(task) for run, task in zip(runs, ("generate", "generate", "batch", "batch"), strict=True)]
    pictures = [counts.sent_for(f"Picture {number}") for number in range(8)]
    assert 4 <= counts.sent_for("files") <= 4 + intents["files"]
    assert 4 <= counts.sent_for("xcom") <= 4 + intents["xcom"]
    assert min(pictures) == 1
    assert sum(pictures) <= 8 + intents["batch"]
    assert all(counts.sent_for(f"fail {number}") <= 1 for number in range(6))
    assert ends[:3] == ["success"] * 3
    if intents["fail"] is not None:
        assert ends[3] == ("failed" if intents["fail"] else "success")
