"""A triggerer that is killed or restarted does not pay again for what is paid."""

from __future__ import annotations

import random
import signal
from collections import Counter

import pytest

from deferrable.ledgers import notes_in_files, notes_in_xcom, states


def prompts_sent(sandbox) -> Counter[str]:
    return Counter(call["prompt"] for call in sandbox.ledger()["calls"] if call["status"] != "refused")


@pytest.mark.parametrize("how", ["kill -9", "restart"])
def test_what_is_paid_is_not_paid_again(how, airflow, counts, imagerouter_sandbox, tmp_path):
    """At a random moment; only the calls in flight at that moment may be sent again, with "fail" not even those."""
    airflow.keep_spare_triggerer()
    files, batch, failing = tmp_path / "files", tmp_path / "batch", tmp_path / "failing"
    runs = [
        airflow.trigger("generate", prompt="files", n=4, output_path=str(files)),
        airflow.trigger("generate", prompt="xcom", n=4),
        airflow.trigger("batch", requests=8, model="sandbox/slow-1", output_path=str(batch)),
        airflow.trigger("batch_fail", requests=6, model="sandbox/slow-1", prefix="fail", output_path=str(failing)),
    ]
    counts.wait_until_sent(random.randint(1, 16))
    airflow.triggerer.signal(signal.SIGSTOP)
    intents = {
        "files": states(notes_in_files(files)).count("intent"),
        "xcom": states(notes_in_xcom(runs[1])).count("intent"),
        "batch": states(notes_in_files(batch)).count("intent"),
        "fail": states(notes_in_files(failing)).count("intent"),
    }
    airflow.triggerer.signal(signal.SIGCONT)
    if how == "restart":
        airflow.triggerer.terminate()
    else:
        airflow.triggerer.kill()
    airflow.use_spare_triggerer()

    ends = [run.wait_for_end(task) for run, task in zip(runs, ("generate", "generate", "batch", "batch"), strict=True)]
    sent = prompts_sent(imagerouter_sandbox)
    # Frozen, a task may have left a little more behind than the look at its ledger showed.
    assert 4 <= sent["files"] <= 4 + max(intents["files"], 4)
    assert 4 <= sent["xcom"] <= 4 + max(intents["xcom"], 4)
    assert all(sent[f"Picture {number}"] in (1, 2) for number in range(8))
    assert sum(sent[f"Picture {number}"] for number in range(8)) <= 8 + 2
    assert all(sent[f"fail {number}"] <= 1 for number in range(6))
    assert ends == ["success", "success", "success", "failed" if intents["fail"] else "success"]
