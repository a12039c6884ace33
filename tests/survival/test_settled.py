"""
``kill -9`` in the middle of calls, with a management key: what was billed is not asked for again, the rest is made.

Some pictures are just made, some fail at first and are given back, some are refused at first.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress

import psutil
import pytest
from support.ledgers import notes_in_files
from support.waiting import wait_for

from airflow_provider_imagerouter.sandbox.keys import MANAGEMENT_KEY

KILLS = 20
SEED = random.randrange(10**6)
MODELS = ("sandbox/slow-0.5", "sandbox/flaky-0.5", "sandbox/rate-limited")
REQUESTS = [{"prompt": f"cat {number}", "model": MODELS[number % 3]} for number in range(36)]
ORPHANED = "ImageRouterOrphanedIntentError"


def ends_by_prompt(sandbox):
    """How each call of a prompt ended that was accepted, in their order."""
    ends = defaultdict(list)
    for call in sandbox.ledger()["calls"]:
        if call["status"] != "refused":
            ends[call["prompt"]].append(call["status"])
    return ends


def check(sandbox, rows, kills):
    """Nothing that was billed was asked for again; all that was not billed was made."""
    ends = ends_by_prompt(sandbox)
    lost = [row for row in rows if row["status"] != "success"]
    again = [prompt for prompt, calls in ends.items() if "success" in calls[:-1]]
    unmade = [row["prompt"] for row in rows if ends[row["prompt"]].count("success") != 1]
    counts = Counter(len(calls) for calls in ends.values())
    print(f"seed {SEED}: {kills} kills, {len(lost)} billed pictures lost, calls a picture: {dict(counts)}")
    assert again == []
    assert unmade == []
    assert {row["error_type"] for row in lost} <= {ORPHANED}
    assert all(row["billed"] == "yes" and row["cost_usd"] > 0 for row in lost)
    assert len(lost) <= kills


def wait_for_calls(sandbox, name, seconds):
    """Wait until a call was made with a key whose name begins so, and then for a random moment."""
    wait_for(
        f"a call of {name}",
        lambda: any((call["api_key"] or "").startswith(name) for call in sandbox.ledger()["calls"]),
    )
    time.sleep(random.uniform(0, seconds))


def is_in_flight(folder, name):
    """Whether the ledger knows of a call with a key of this name that has not ended."""
    open_ = set()
    for note in notes_in_files(folder):
        if note.get("with") == name:
            open_.add(note["intent"])
        open_.discard(note.get("answered", note.get("ended")))
    return bool(open_)


def test_batches_in_processes(attempts, monkeypatch):
    connection = {**json.loads(attempts.sandbox.connection_uri()), "extra": {"management_api_key": MANAGEMENT_KEY}}
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
    arguments = {"requests": REQUESTS, "max_concurrency": 1, "on_orphaned_intent": "resubmit_unbilled"}
    random.seed(SEED)
    in_flight = number = 0
    while in_flight < KILLS:
        attempt = attempts.start("batch", **arguments)
        number += 1
        wait_for_calls(attempts.sandbox, f"dag/run/task/-1#{number}", 0.6)
        attempt.kill()
        in_flight += is_in_flight(attempts.folder, f"dag/run/task/-1#{number}")
    while attempts.start("batch", **arguments).outcome.get("error") == "ImageRouterBatchError":
        pass  # as Airflow would, since another try may help
    check(attempts.sandbox, attempts.rows, in_flight)


class Killer(threading.Thread):
    """Kills each attempt of a mapped task in the middle of a call, again and again."""

    def __init__(self, run, sandbox, folder, map_index):
        super().__init__()
        self.in_flight = 0
        self._run, self._sandbox, self._folder, self._map_index = run, sandbox, folder, map_index

    def run(self):
        number, tries = 0, 0
        while self.in_flight < KILLS / 4:
            number += 1
            tries, pid = wait_for("another attempt", lambda before=tries: self._running(before))
            name = f"worked_settled/{self._run.run_id}/task/{self._map_index}#{number}"
            wait_for_calls(self._sandbox, name, 0.6)
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
            self.in_flight += is_in_flight(self._folder, name)

    def _running(self, before):
        """The try that is running, and its process, if it is another than before."""
        task = self._run.task("task", self._map_index)
        is_another = task.get("state") == "running" and task["pid"] and task["try_number"] > before
        return (task["try_number"], task["pid"]) if is_another else None


@pytest.mark.needs_airflow("3.3")
def test_four_batches_of_a_real_scheduler(real_airflow, imagerouter_sandbox, tmp_path):
    run = real_airflow.trigger("worked_settled", folder=str(tmp_path))
    killers = [Killer(run, imagerouter_sandbox, tmp_path / str(task), task) for task in range(4)]
    for killer in killers:
        killer.start()
    for killer in killers:
        killer.join()
    kills = sum(killer.in_flight for killer in killers)
    assert kills == KILLS
    rows = []
    for task in range(4):
        run.wait_for_end("task", map_index=task, seconds=300)
        rows += map(json.loads, (tmp_path / str(task) / "results.jsonl").read_text().splitlines())
    assert len(rows) == 48
    check(imagerouter_sandbox, rows, kills)
