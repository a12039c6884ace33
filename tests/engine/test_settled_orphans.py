"""What a later attempt does about a call without an end, once ImageRouter's books have told what became of it."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from support.raw_server import RawServer, answer
from support.waiting import wait_for

from airflow_provider_imagerouter.engine import settling
from airflow_provider_imagerouter.exceptions import (
    ImageRouterError,
    ImageRouterOrphanedIntentError,
    ImageRouterUnknownOutcomeError,
)
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
from airflow_provider_imagerouter.sandbox.keys import MANAGEMENT_KEY

POLICIES = ["resubmit", "resubmit_unbilled", "fail"]


@pytest.fixture(autouse=True)
def management_key(set_extra, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "1")
    set_extra(management_api_key=MANAGEMENT_KEY, retry_timeout=0)


def failure(attempt, **arguments):
    with pytest.raises(ImageRouterError) as caught:
        attempt(**arguments)
    return caught.value


def change_model(monkeypatch, attempts, really, **arguments):
    """Make one attempt that really asks another model than it says."""
    send = ImageRouterAsyncHook.send

    async def send_to_model(self, request, **options):
        return await send(self, replace(request, model=really), **options)

    with monkeypatch.context() as patch:
        patch.setattr(ImageRouterAsyncHook, "send", send_to_model)
        return failure(attempts.generate, **arguments)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("model", ["sandbox/proxy-503", "sandbox/proxy-empty"])
def test_a_call_that_was_not_accepted_is_sent_again_under_any_policy(attempts, caplog, monkeypatch, policy, model):
    error = change_model(monkeypatch, attempts, model)
    assert isinstance(error, ImageRouterUnknownOutcomeError)
    caplog.clear()
    assert len(attempts.generate(on_orphaned_intent=policy)) == 1
    assert attempts.totals["billed_calls"] == 1
    assert "was not accepted, or given back" in caplog.text
    assert "paid twice" not in caplog.text


@pytest.mark.parametrize("model", ["sandbox/hangs-up", "sandbox/cut-short", "sandbox/proxy-504"])
def test_a_call_that_was_billed_is_what_the_policy_says_and_its_price_is_named(attempts, caplog, model):
    failure(attempts.generate, model=model)
    for policy in ("fail", "resubmit_unbilled"):
        error = failure(attempts.generate, model=model, on_orphaned_intent=policy)
        assert isinstance(error, ImageRouterOrphanedIntentError)
        assert (error.billed, error.cost) == ("yes", Decimal("0.0040"))
        assert "$0.0040 were billed for it" in str(error)
        assert f"on_orphaned_intent is '{policy}': it is not sent again" in str(error)
    assert attempts.totals["calls"] == 1
    failure(attempts.generate, model=model)
    assert attempts.totals["calls"] == 2
    assert "$0.0040 were billed for it. It is sent again, and is paid twice" in caplog.text


@pytest.fixture
def killed(attempts):
    """Kill an attempt in the middle of its calls."""

    def kill(number=1, kind="generate", **arguments):
        running = attempts.start(kind, **arguments)
        wait_for("the calls", lambda: attempts.totals["in_flight"] == number)
        running.kill()

    return kill


@pytest.mark.parametrize("policy", POLICIES)
def test_a_call_at_work_is_waited_for_and_made_again_if_it_was_given_back(attempts, killed, caplog, policy):
    killed(model="sandbox/flaky-4")
    assert len(attempts.generate(model="sandbox/flaky-4", on_orphaned_intent=policy)) == 1
    assert "their end is waited for" in caplog.text
    assert (attempts.totals["calls"], attempts.totals["billed_calls"]) == (2, 1)


def test_a_call_at_work_is_waited_for_and_its_true_price_told(attempts, killed, caplog):
    killed(model="sandbox/slow-4")
    error = failure(attempts.generate, model="sandbox/slow-4", on_orphaned_intent="resubmit_unbilled")
    assert (error.billed, error.cost) == ("yes", Decimal("0.0040"))
    assert attempts.totals["in_flight"] == 0
    assert "their end is waited for" in caplog.text


def test_it_is_waited_for_no_longer_than_a_call_can_take(attempts, killed, monkeypatch):
    killed(model="sandbox/slow-4")
    monkeypatch.setattr(settling, "LONGEST_PICTURE_SECONDS", 0.0)
    error = failure(attempts.generate, model="sandbox/slow-4", on_orphaned_intent="resubmit_unbilled")
    assert "$0.0100 were billed for it, or are taken for it as long as it is at work" in str(error)
    assert attempts.totals["in_flight"] == 1


def test_what_is_sent_again_anyway_is_not_waited_for_long(attempts, killed, monkeypatch, caplog):
    killed(model="sandbox/slow-4")
    monkeypatch.setattr(settling, "PATIENCE_SECONDS", 0.0)
    attempts.generate(model="sandbox/slow-4")
    assert "as long as it is at work. It is sent again, and is paid twice" in caplog.text


def test_of_several_calls_only_what_is_unknown_is_not_sent_again(attempts, killed, monkeypatch):
    """Of 0.012 together, three may have been billed, or two that cost more."""
    requests = [f"cat {number}" for number in range(3)]
    killed(3, "batch", requests=requests, model="sandbox/slow-0.5")
    wait_for("the end of the calls", lambda: not attempts.totals["in_flight"])
    error = failure(
        attempts.batch, requests=[*requests, "a dog"], model="sandbox/slow-0.5", on_orphaned_intent="resubmit_unbilled"
    )
    assert "3 ImageRouterOrphanedIntentError" in str(error)
    assert attempts.calls == {**dict.fromkeys(requests, 1), "a dog": 1}
    message = attempts.rows[0]["error_message"]
    assert "3 calls were in flight, 3 of them accepted, $0.0120 billed for all together; which" in message
    assert [row["billed"] for row in attempts.rows] == ["unknown"] * 3 + ["yes"]


def test_all_that_were_given_back_are_sent_again(attempts, killed):
    requests = [f"cat {number}" for number in range(4)]
    killed(4, "batch", requests=requests, model="sandbox/flaky-4")
    manifest = attempts.batch(requests, model="sandbox/flaky-4", on_orphaned_intent="resubmit_unbilled")
    assert manifest["succeeded"] == 4
    assert attempts.totals["billed_calls"] == 4


def test_what_is_settled_counts_as_what_it_cost(attempts, monkeypatch):
    """Not accepted: nothing; billed: its true price. Each would count as 0.01 otherwise."""
    listed = "sandbox/revises"
    change_model(monkeypatch, attempts, "sandbox/proxy-503", model=listed, max_cost_usd=0.018)
    change_model(monkeypatch, attempts, "sandbox/hangs-up", model=listed, max_cost_usd=0.018)
    attempts.generate(model=listed, max_cost_usd=0.018)
    assert attempts.totals["billed_usd"] == pytest.approx(0.008)


def test_that_it_was_not_billed_is_noted_so_that_nobody_asks_again(attempts, monkeypatch):
    change_model(monkeypatch, attempts, "sandbox/proxy-503")
    change_model(monkeypatch, attempts, "sandbox/fails", on_orphaned_intent="fail")
    asked = []
    monkeypatch.setattr(settling.Settling, "_read", asked.append)
    change_model(monkeypatch, attempts, "sandbox/fails", on_orphaned_intent="fail")
    assert asked == []


BAD_BOOKS = {
    "no books": answer("{}"),
    "a proxy": answer("<html>", "502 Bad Gateway"),
    "refused": answer('{"error": {"message": "no", "type": "unauthorized"}}', "401 Unauthorized"),
    "not whole": answer('{"usage_by_api_key": [5]}'),
    "no amount": answer('{"usage_by_api_key": [{"api_key_name": "dag/run/task/-1#1", "credit_usage": null}]}'),
    "hidden": answer('{"usage_by_api_key": [], "credit_usage": "0.0040"}'),
    "negative": answer('{"usage_by_api_key": [{"api_key_name": "dag/run/task/-1#1", "credit_usage": "-1"}]}'),
}


@pytest.fixture
def read_books_of(monkeypatch):
    """Have the books read from another server than the calls go to."""
    get_books = ImageRouterAsyncHook.get_books

    def read(url):
        connection = {"conn_type": "imagerouter", "host": url, "password": "x" * 64, "extra": {"retry_timeout": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps(connection))
        monkeypatch.setattr(ImageRouterAsyncHook, "get_books", lambda _: get_books(ImageRouterAsyncHook("elsewhere")))

    return read


@pytest.mark.parametrize("books", BAD_BOOKS.values(), ids=BAD_BOOKS)
def test_books_that_tell_nothing_leave_it_as_it_is_without_them(attempts, read_books_of, caplog, books):
    failure(attempts.generate, model="sandbox/hangs-up")
    with RawServer(books) as server:
        read_books_of(server.url)
        for policy in ("fail", "resubmit_unbilled"):
            error = failure(attempts.generate, model="sandbox/hangs-up", on_orphaned_intent=policy)
            assert isinstance(error, ImageRouterUnknownOutcomeError)
            assert (error.billed, attempts.totals["calls"]) == ("unknown", 1)
        failure(attempts.generate, model="sandbox/hangs-up")
    assert attempts.totals["calls"] == 2
    assert "may be paid twice" in caplog.text


def test_books_that_cannot_be_read_now_are_a_reason_to_try_again(attempts, monkeypatch):
    failure(attempts.generate, model="sandbox/hangs-up")

    async def fail(self):
        raise ImageRouterError("away")

    monkeypatch.setattr(ImageRouterAsyncHook, "get_books", fail)
    error = failure(attempts.generate, model="sandbox/hangs-up", on_orphaned_intent="resubmit_unbilled", max_tries=2)
    assert type(error) is ImageRouterUnknownOutcomeError
    assert "ImageRouter's books could not be read (away)" in str(error)
    error = failure(attempts.generate, model="sandbox/hangs-up", on_orphaned_intent="fail")
    assert type(error) is ImageRouterOrphanedIntentError


def test_a_call_of_an_attempt_without_a_key_of_its_own_is_as_before(attempts, set_extra):
    set_extra()
    failure(attempts.generate, model="sandbox/hangs-up")
    set_extra(management_api_key=MANAGEMENT_KEY)
    error = failure(attempts.generate, model="sandbox/hangs-up", on_orphaned_intent="resubmit_unbilled")
    assert (type(error), error.billed) == (ImageRouterOrphanedIntentError, "unknown")
    set_extra()
    failure(attempts.generate, model="sandbox/hangs-up")
    assert attempts.totals["calls"] == 2


def test_a_call_may_be_accepted_a_moment_after_its_attempt_died(attempts, monkeypatch):
    """The books are not believed before a while has passed in which nothing came."""
    change_model(monkeypatch, attempts, "sandbox/proxy-503")
    looks = []
    get_books = ImageRouterAsyncHook.get_books

    async def look(self):
        looks.append(time.monotonic())
        return await get_books(self)

    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "6")
    monkeypatch.setattr(ImageRouterAsyncHook, "get_books", look)
    attempts.generate(on_orphaned_intent="fail")
    assert looks[-1] - looks[0] >= 6 / 3 - 0.2
