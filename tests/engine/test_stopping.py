"""Attempts that are stopped from outside: they end soon, and keep what they have."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

import httpx
import pytest
from support.attempts import RunningTask
from support.waiting import wait_for

from airflow_provider_imagerouter.api.call import Call
from airflow_provider_imagerouter.hooks import async_calls
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

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


@pytest.mark.parametrize("where", ["while its connection is closed", "while it is read"])
def test_an_answer_that_is_here_is_noted_though_the_attempt_is_stopped(attempts, monkeypatch, where):
    operator = ImageRouterGenerateOperator(
        task_id="task", prompt="a cat", model="sandbox/slow-0", output_path=str(attempts.folder)
    )
    if where == "while it is read":
        result = Call.result

        def stop_and_read(call, reply):
            if call.method == "POST":
                operator.on_kill()
                time.sleep(0.2)
            return result(call, reply)

        monkeypatch.setattr(async_calls, "LARGE_BYTES", 0)
        monkeypatch.setattr(Call, "result", stop_and_read)
    else:
        aclose = httpx.Response.aclose

        async def stop_and_close(response):
            operator.on_kill()
            await asyncio.sleep(0.2)
            await aclose(response)

        monkeypatch.setattr(httpx.Response, "aclose", stop_and_close)
    with pytest.raises(asyncio.CancelledError):
        operator.execute({"ti": RunningTask("task")})
    monkeypatch.undo()
    assert [next(iter(note)) for note in attempts.notes] == ["intent", "answered"]
