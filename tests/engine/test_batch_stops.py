"""A batch stops at what all its further requests would meet, says what was not sent, and keeps what is there."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from support.object_store import BUCKET, URI
from support.raw_server import RawServer, answer
from support.waiting import wait_for

from airflow_provider_imagerouter.exceptions import (
    ImageRouterAccessError,
    ImageRouterAuthenticationError,
    ImageRouterBatchError,
    ImageRouterBatchRefusedError,
    ImageRouterBudgetError,
    ImageRouterConnectionError,
    ImageRouterInputError,
    ImageRouterRateLimitError,
    ImageRouterStorageError,
    ImageRouterUnknownOutcomeError,
)
from airflow_provider_imagerouter.results import read_results

CATS = [f"cat {number}" for number in range(30)]


@pytest.fixture
def connect(monkeypatch):
    """Point the connection to another server."""

    def connect(url, **extra):
        connection = {"conn_type": "imagerouter", "host": url, "password": "x" * 64, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))

    return connect


def statuses(attempts):
    return [row["status"] for row in attempts.rows]


def test_a_blocked_account_stops_the_batch(attempts):
    with pytest.raises(ImageRouterAccessError, match="0 of 30 requests succeeded") as caught:
        attempts.batch(CATS, model="sandbox/blocked", max_concurrency=2)
    assert caught.value.status_code == 403
    assert attempts.totals["calls"] <= 2
    assert set(statuses(attempts)[2:]) == {"not_sent"}
    assert attempts.rows[-1]["error_type"] == "ImageRouterAccessError"
    assert "Access denied" in attempts.rows[-1]["error_message"]


def test_a_budget_that_is_used_up_leaves_the_rest_unsent(attempts):
    with pytest.raises(ImageRouterBudgetError):
        attempts.batch(CATS, model="sandbox/revises", max_cost_usd=0.02)
    assert sorted(set(statuses(attempts))) == ["not_sent", "success"]
    assert statuses(attempts).count("success") == attempts.totals["calls"]
    assert {row["error_type"] for row in attempts.rows if row["status"] == "not_sent"} == {"ImageRouterBudgetError"}


def test_a_daily_limit_stops_its_model_alone(attempts, caplog):
    requests = [
        {"prompt": cat, "model": "sandbox/daily-limit" if number % 2 else None} for number, cat in enumerate(CATS)
    ]
    with pytest.raises(ImageRouterBatchRefusedError, match=r"1 of 30 requests failed .*, 14 were not sent") as caught:
        attempts.batch(requests, max_concurrency=1)
    assert statuses(attempts) == ["success", "error"] + ["success", "not_sent"] * 14
    assert {row["error_type"] for row in attempts.rows[1::2]} == {"ImageRouterDailyLimitError"}
    assert attempts.totals["refused"] == 1
    assert float(caught.value.cost) == attempts.totals["billed_usd"]
    assert "No more requests of sandbox/daily-limit are sent" in caplog.text


def test_a_model_that_is_free_on_the_website_only_stops_no_other(attempts, connect):
    """The API's 403 for a free model is about the model; that of a blocked account has other models, too."""
    refusal = answer(
        '{"error": {"message": "Free models are only available on the website", "type": "access_denied"}}',
        "403 Forbidden",
    )
    with RawServer(refusal) as server:
        connect(server.url)
        with pytest.raises(ImageRouterBatchRefusedError):
            attempts.batch([{"prompt": cat, "model": "a/b:free"} for cat in CATS], max_concurrency=1)
        assert server.posts == 1


def test_an_api_that_is_away_is_given_up_soon(attempts, connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    connect(f"http://127.0.0.1:{port}", retry_timeout=0)
    with pytest.raises(ImageRouterConnectionError, match="27 not sent"):
        attempts.batch(CATS, max_concurrency=1)
    assert statuses(attempts) == ["error"] * 3 + ["not_sent"] * 27


def test_connections_that_keep_breaking_stop_the_batch(attempts, connect):
    """What breaks at once may be one cable; the next ones, too, and each may be billed."""
    with RawServer(lambda visitor: visitor.reset()) as server:
        connect(server.url)
        with pytest.raises(ImageRouterUnknownOutcomeError):
            attempts.batch(CATS, max_concurrency=4)
        assert 7 <= server.posts <= 10
    assert {row["billed"] for row in attempts.rows if row["status"] == "error"} == {"unknown"}


def test_one_broken_line_stops_nothing(attempts):
    requests = [{"prompt": cat, "model": "sandbox/hangs-up" if number < 4 else None} for number, cat in enumerate(CATS)]
    with pytest.raises(ImageRouterBatchError, match="4 of 30 requests failed"):
        attempts.batch(requests, max_concurrency=4)


def test_limits_that_do_not_end_stop_the_batch(attempts, set_extra):
    set_extra(retry_timeout=0)
    with pytest.raises(ImageRouterRateLimitError):
        attempts.batch(CATS, model="sandbox/always-rate-limited", max_concurrency=1)
    assert attempts.totals["calls"] == 3


def test_inputs_that_are_gone_are_their_requests_fault(attempts, monkeypatch):
    monkeypatch.setattr("airflow_provider_imagerouter.engine.stopping.IN_A_ROW", 0)
    links = [{"prompt": cat, "image": "http://127.0.0.1:9/gone.png"} for cat in CATS[:2]]
    files = [{"prompt": cat, "image": "/no/such.png"} for cat in CATS[2:10]]
    with pytest.raises(ImageRouterBatchError, match=r"10 of 11 requests failed"):
        attempts.batch([*links, *files, "cat"], max_concurrency=1)
    assert attempts.rows[-1]["status"] == "success"


def test_links_that_lead_nowhere_stop_the_batch(attempts):
    """Each picture is paid for, and cannot be had."""
    with pytest.raises(ImageRouterStorageError):
        attempts.batch(CATS, model="sandbox/not-a-picture", max_concurrency=2)
    assert 5 <= attempts.totals["billed_calls"] <= 7


@pytest.mark.parametrize("response_format", ["url", "b64_ephemeral"])
def test_a_disk_that_takes_nothing_stops_the_batch(attempts, small_disk, tmp_path, monkeypatch, response_format):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", str(tmp_path / "ledger"))
    attempts.folder = small_disk.folder / "pictures"
    attempts.folder.mkdir()
    requests = [{"prompt": cat, "response_format": response_format, "size": "512x512"} for cat in CATS]
    full = threading.Thread(target=lambda: _fill_after(attempts, small_disk, 3))
    full.start()
    with pytest.raises(ImageRouterStorageError):
        attempts.batch(requests, model="sandbox/slow-0.5", max_concurrency=1)
    full.join()
    assert attempts.totals["calls"] <= 9
    assert {row["status"] for row in attempts.rows[:3]} == {"success"}
    small_disk.make_larger()
    manifest = attempts.batch(requests, model="sandbox/slow-0.5")
    assert (manifest["succeeded"], len(attempts.rows)) == (30, 30)
    assert attempts.calls == dict.fromkeys(CATS, 1)


def _fill_after(attempts, disk, number):
    wait_for("pictures", lambda: len(attempts.pictures) >= number)
    disk.fill(free=0)


def test_an_object_store_that_takes_nothing_stops_the_batch(attempts, object_store, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", str(tmp_path / "ledger"))
    gone = threading.Thread(target=lambda: _remove_bucket_after(attempts, object_store, 3))
    gone.start()
    with pytest.raises(ImageRouterStorageError) as caught:
        attempts.batch(CATS, model="sandbox/slow-0.5", max_concurrency=1, result_path=f"{URI}/out")
    gone.join()
    object_store._client.create_bucket(Bucket=BUCKET)
    assert "could not be written" in str(caught.value)
    assert attempts.totals["calls"] <= 6
    manifest = attempts.batch(CATS, result_path=f"{URI}/out")
    assert (manifest["succeeded"], len(list(read_results(manifest)))) == (30, 30)


def _remove_bucket_after(attempts, object_store, number):
    wait_for("pictures", lambda: attempts.totals["succeeded"] >= number)
    object_store.clear()
    object_store._client.delete_bucket(Bucket=BUCKET)


def test_a_budget_needs_all_prices_before_the_first_call(attempts):
    requests = [*CATS, {"prompt": "a", "model": "no/such"}, {"prompt": "b", "model": "another/one"}]
    with pytest.raises(ImageRouterInputError, match=r"nothing was sent.* 'another/one'.* 'no/such'"):
        attempts.batch(requests, model="sandbox/revises", max_cost_usd=1)
    assert attempts.totals["calls"] == 0


def test_the_connections_budget_needs_them_too(attempts, set_extra):
    set_extra(max_cost_usd="1")
    with pytest.raises(ImageRouterInputError, match="'no/such'"):
        attempts.batch([*CATS, {"extra_body": {"model": "no/such", "prompt": "a"}}], model="sandbox/revises")
    assert attempts.totals["calls"] == 0


def test_a_retry_that_stops_at_once_keeps_all_rows(attempts, monkeypatch):
    requests = [*CATS[:5], {"prompt": "broken", "model": "sandbox/fails"}]
    with pytest.raises(ImageRouterBatchError):
        attempts.batch(requests)
    before = attempts.rows
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", attempts.sandbox.connection_uri("x" * 64))
    for _ in range(2):
        with pytest.raises(ImageRouterAuthenticationError):
            attempts.batch([{"prompt": "first of all"}, *requests[1:], *CATS[5:9]], max_concurrency=1)
        after = attempts.rows
        assert after[1:6] == before[1:]
        assert [row["status"] for row in after] == ["error", *["success"] * 4, "error", *["not_sent"] * 4]
        assert {row["error_type"] for row in after[6:]} == {"ImageRouterAuthenticationError"}
