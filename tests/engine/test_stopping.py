"""Attempts that are stopped from outside: they end soon, and keep what they have."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
from support.attempts import RunningTask
from support.waiting import wait_for

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator

try:
    from airflow.sdk.exceptions import AirflowTaskTimeout
except ImportError:  # Airflow 3.0
    from airflow.exceptions import AirflowTaskTimeout

SLOW = {"prompt": "slow", "model": "sandbox/slow-60"}


def test_a_timeout_ends_an_attempt_though_airflows_own_signal_is_lost(attempts):
    """No signal comes here: nobody runs the operator as a task."""
    with pytest.raises(AirflowTaskTimeout, match="Timed out after 0:00:02"):
        attempts.batch([SLOW], execution_timeout=timedelta(seconds=2))
    assert attempts.batch(["a"])["succeeded"] == 1


def test_on_kill_ends_an_attempt(attempts):
    """Two at a time: when both slow ones are sent, the first two are done."""
    slow = [SLOW, {**SLOW, "prompt": "too"}]
    operator = ImageRouterBatchOperator(
        task_id="task",
        requests=["a", "b", *slow],
        model="sandbox/slow-0",
        max_concurrency=2,
        result_path=str(attempts.folder),
    )

    def stop():
        wait_for("the slow ones", lambda: (attempts.totals["succeeded"], attempts.totals["in_flight"]) == (2, 2))
        operator.on_kill()

    stopping = threading.Thread(target=stop)
    stopping.start()
    with pytest.raises(asyncio.CancelledError):
        operator.execute({"ti": RunningTask("task")})
    stopping.join()
    operator.on_kill()  # once more, when nothing is left to stop
    assert [row["status"] for row in attempts.rows] == ["success", "success", "in_flight", "in_flight"]
    assert attempts.totals["in_flight"] == 2
    assert sum("intent" in note for note in attempts.notes) == 4
    assert sum("answered" in note for note in attempts.notes) == 2
    attempts.batch(["a", "b", "other"])
    assert attempts.calls == {"a": 1, "b": 1, "slow": 1, "too": 1, "other": 1}
