"""Attempts of one task at the same time, as a cleared task or a lost heartbeat brings them about."""

from __future__ import annotations

import os
import signal
import time

import pytest
from support.object_store import URI
from support.waiting import wait_for

from airflow_provider_imagerouter.exceptions import ImageRouterUnknownOutcomeError

CATS = [f"cat {number}" for number in range(12)]


def test_two_that_begin_in_the_same_moment(attempts):
    for number in range(6):
        both = [attempts.start("generate", run_id=f"run {number}") for _ in range(2)]
        first, second = (attempt.result for attempt in both)
        assert first == second
    assert attempts.totals["calls"] == 6


@pytest.fixture(params=["local", "s3"])
def folder(request, attempts, object_store):
    return str(attempts.folder) if request.param == "local" else f"{URI}/overlap"


def test_one_of_two_sends_and_both_return_its_picture(attempts, folder):
    both = [attempts.start("generate", model="sandbox/slow-1", output_path=folder) for _ in range(2)]
    first, second = (attempt.result for attempt in both)
    assert first == second
    assert first[0]["path"].startswith(folder if "://" in folder else f"file://{folder}")
    assert attempts.totals["calls"] == 1


def test_two_batches_share_the_work(attempts, folder):
    arguments = {"requests": CATS, "result_path": folder, "model": "sandbox/slow-0.3", "max_concurrency": 3}
    both = [attempts.start("batch", **arguments) for _ in range(2)]
    manifests = [attempt.result for attempt in both]
    assert [manifest["succeeded"] for manifest in manifests] == [12, 12]
    assert attempts.calls == dict.fromkeys(CATS, 1)


def test_a_live_attempt_is_waited_for_and_a_dead_one_is_not(attempts, monkeypatch):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "1")
    first = attempts.start("generate", model="sandbox/slow-3")
    wait_for("the first call", lambda: attempts.totals["in_flight"])
    second = attempts.start("generate", model="sandbox/slow-3")
    assert first.result == second.result
    assert attempts.totals["calls"] == 1  # the lease was renewed for three times as long as it is
    killed = attempts.start("generate", model="sandbox/slow-3", prompt="a dog")
    wait_for("the call of the one that is killed", lambda: attempts.calls["a dog"])
    killed.kill()
    assert attempts.start("generate", model="sandbox/slow-3", prompt="a dog").result
    assert attempts.calls["a dog"] == 2


def test_after_a_kill_and_a_retry_a_clear_generates_anew(attempts, monkeypatch):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "2")
    with pytest.raises(ImageRouterUnknownOutcomeError):
        attempts.generate(model="sandbox/hangs-up", run_id="other")
    killed = attempts.start("batch", requests=[*CATS[:3], {"prompt": "slow", "model": "sandbox/slow-30"}])
    wait_for("three pictures", lambda: sum("stored" in note for note in attempts.notes) == 3)
    killed.kill()
    attempts.batch(CATS[:3])
    assert attempts.calls["cat 0"] == 1
    attempts.batch(CATS[:3], max_tries=1)
    assert attempts.calls["cat 0"] == 2


def test_the_budget_holds_over_attempts_that_overlap(attempts):
    """Each of them alone could afford what it asks for; together they could not."""
    arguments = {"model": "sandbox/slow-0.5", "max_cost_usd": 0.03, "max_concurrency": 2}
    both = [
        attempts.start("batch", requests=[f"{kind} {number}" for number in range(6)], **arguments)
        for kind in ("cat", "dog")
    ]
    for attempt in both:
        assert attempt.wait(60)
    assert 0 < attempts.totals["billed_usd"] <= 0.03


def test_one_that_was_frozen_and_woken_again_sends_no_more(attempts, monkeypatch):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "2")
    arguments = {"requests": CATS, "model": "sandbox/slow-0.3", "max_concurrency": 1}
    frozen = attempts.start("batch", **arguments)
    wait_for("the first pictures", lambda: attempts.totals["succeeded"] >= 2)
    os.kill(frozen.pid, signal.SIGSTOP)
    manifest = attempts.start("batch", **arguments).result
    calls = attempts.totals["calls"]
    os.kill(frozen.pid, signal.SIGCONT)
    assert "error" in frozen.outcome, frozen.outcome
    assert manifest["succeeded"] == 12
    assert attempts.totals["calls"] == calls
    assert sum(count - 1 for count in attempts.calls.values()) <= 1  # the one that was in flight


def test_one_that_was_frozen_while_nobody_else_came_goes_on(attempts, monkeypatch):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "1")
    frozen = attempts.start("batch", requests=CATS, model="sandbox/slow-0.3", max_concurrency=1)
    wait_for("the first pictures", lambda: attempts.totals["succeeded"] >= 2)
    os.kill(frozen.pid, signal.SIGSTOP)
    time.sleep(1.5)  # longer than the lease
    os.kill(frozen.pid, signal.SIGCONT)
    assert frozen.result["succeeded"] == 12
    assert attempts.calls == dict.fromkeys(CATS, 1)
