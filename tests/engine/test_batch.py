"""What a batch leaves: results, manifest, log, and what the sandbox saw of it."""

from __future__ import annotations

import json
import logging
import threading
from itertools import pairwise

import pytest

from airflow_provider_imagerouter.exceptions import (
    ImageRouterAuthenticationError,
    ImageRouterBatchError,
    ImageRouterBatchRefusedError,
    ImageRouterInputError,
    ImageRouterInsufficientCreditsError,
)
from airflow_provider_imagerouter.results import read_results

CATS = [f"cat {number}" for number in range(20)]


def test_results_are_in_order_whoever_finishes_first(attempts):
    requests = [
        {"prompt": "slow", "model": "sandbox/slow-1"},
        "quick",
        {"prompt": "three", "n": 3, "size": "64x64", "output_format": "png"},
        {"prompt": "many", "model": "sandbox/three-pictures"},
        {"prompt": "refused", "model": "sandbox/refuses"},
    ]
    manifest = attempts.batch(requests, fail_on_partial_error=False)
    rows = attempts.rows
    assert [row["index"] for row in rows] == [0, 1, 2, 3, 4]
    assert [[record["prompt"] for record in row["records"]] for row in rows] == [
        ["slow"], ["quick"], ["three"] * 3, ["many"] * 3, [],
    ]  # fmt: skip
    assert [row["status"] for row in rows] == ["success"] * 4 + ["error"]
    assert (rows[4]["error_type"], rows[4]["billed"]) == ("ImageRouterContentPolicyError", "no")
    assert [row["prompt"] for row in rows] == ["slow", "quick", "three", "many", "refused"]
    paths = [record["path"] for row in rows for record in row["records"]]
    assert sorted(paths) == [path.as_uri() for path in attempts.pictures]
    assert len(set(paths)) == 8
    assert [path.rpartition("/")[2][:5] for path in paths] == ["00000", "00001", *["00002"] * 3, *["00003"] * 3]
    expected = {"requests": 5, "succeeded": 4, "failed": 1, "not_sent": 0, "pictures": 8}
    assert {key: manifest[key] for key in expected} == expected
    assert manifest["errors"] == {"ImageRouterContentPolicyError": 1}
    assert manifest["cost_usd"] == attempts.totals["billed_usd"]
    assert manifest["results_path"] == (attempts.folder / "results.jsonl").as_uri()


def test_generations_and_edits_together(attempts):
    (red,) = attempts.generate(prompt="red", run_id="other", size="64x64")
    attempts.batch(
        ["a", {"prompt": "b", "image": red}, {"prompt": "c", "image": [red["path"], red], "mask": red["url"]}]
    )
    assert [len(call["images"]) for call in attempts.sandbox.ledger()["calls"][1:]] == [0, 1, 2]
    assert attempts.totals["succeeded"] == 4


def test_a_retry_sends_only_what_failed(attempts):
    requests = [
        *CATS[:5],
        {"prompt": "flaky", "model": "sandbox/flaky"},
        {"prompt": "broken", "model": "sandbox/fails"},
    ]
    with pytest.raises(
        ImageRouterBatchError, match=r"2 of 7 requests failed \(2 ImageRouterProviderError\); see file:"
    ):
        attempts.batch(requests)
    assert [row["status"] for row in attempts.rows] == ["success"] * 5 + ["error"] * 2
    with pytest.raises(ImageRouterBatchError, match=r"1 of 7 requests failed"):
        attempts.batch(requests)
    assert [row["status"] for row in attempts.rows] == ["success"] * 6 + ["error"]
    assert attempts.calls == {**dict.fromkeys(CATS[:5], 1), "flaky": 2, "broken": 2}


def test_a_batch_that_another_try_cannot_help_fails_at_once(attempts):
    with pytest.raises(ImageRouterBatchRefusedError):
        attempts.batch(["a", {"prompt": "b", "model": "sandbox/refuses"}, {"prompt": "c", "image": "/no/such.png"}])
    assert [row["status"] for row in attempts.rows] == ["success", "error", "error"]


def test_errors_may_be_part_of_the_result(attempts):
    manifest = attempts.batch(["a", {"prompt": "b", "model": "sandbox/fails"}], fail_on_partial_error=False)
    assert (manifest["succeeded"], manifest["failed"]) == (1, 1)


def test_candidates_that_succeeded_are_told_though_another_failed(attempts):
    with pytest.raises(ImageRouterBatchError):
        attempts.batch([{"prompt": "a", "n": 3, "model": "sandbox/flaky"}])
    (row,) = attempts.rows
    assert (row["status"], len(row["records"])) == ("error", 2)


def test_a_bad_key_stops_the_batch(attempts, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", attempts.sandbox.connection_uri("x" * 64))
    with pytest.raises(ImageRouterAuthenticationError, match="0 of 20 requests succeeded") as caught:
        attempts.batch(CATS, max_concurrency=4)
    assert caught.value.status_code == 401
    assert attempts.totals["refused"] == attempts.totals["calls"] <= 4
    assert {row["status"] for row in attempts.rows} == {"error", "not_sent"}


def test_an_empty_account_stops_the_batch_and_what_is_paid_is_kept(attempts, monkeypatch):
    poor = attempts.sandbox.connection_uri(attempts.sandbox.nearly_empty_key)
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", poor)
    (picture,) = attempts.generate(model="test/test", run_id="other")
    edits = [{"image": picture, "model": "bria/remove-background"} for _ in range(10)]
    for _ in range(2):
        with pytest.raises(ImageRouterInsufficientCreditsError, match="1 of 10 requests succeeded"):
            attempts.batch(edits, max_concurrency=2)
        assert [row["status"] for row in attempts.rows].count("success") == 1
    assert attempts.totals["billed_usd"] == 0.0006


def test_a_failure_nobody_foresaw_lets_paid_calls_finish(attempts, monkeypatch):
    from airflow_provider_imagerouter.engine.request_keys import RequestKeys

    def fail_for_odd(keys, base_url, request, images, masks, number):
        if request.prompt == "odd":
            raise ZeroDivisionError
        return request.prompt

    monkeypatch.setattr(RequestKeys, "key", fail_for_odd)
    with pytest.raises(ZeroDivisionError):
        attempts.batch([{"prompt": "slow", "model": "sandbox/slow-1"}, "odd", *CATS], max_concurrency=2)
    assert attempts.rows[0]["status"] == "success"
    assert len(attempts.pictures) < 10


def test_the_same_request_twice_makes_two_pictures_in_every_attempt(attempts):
    (red,) = attempts.generate(prompt="red", run_id="other", size="64x64")
    requests = ["a", {"prompt": "e", "image": red}, "a", {"prompt": "e", "image": red["path"]}, "a"]
    with pytest.raises(ImageRouterBatchError):
        attempts.batch([*requests, {"prompt": "x", "model": "sandbox/flaky"}])
    first = attempts.rows
    attempts.batch([*requests, {"prompt": "x", "model": "sandbox/flaky"}])
    assert first[:5] == attempts.rows[:5]
    assert len({row["records"][0]["path"] for row in first[:5]}) == 5
    assert attempts.calls["a"] == 3
    assert attempts.calls["e"] == 2


def test_mapped_batches_share_a_folder_and_nothing_else(attempts):
    manifests = [attempts.batch(["a", "b"], map_index=index) for index in range(2)]
    assert len({manifest["results_path"] for manifest in manifests}) == 2
    assert len(list(attempts.folder.glob("*/*.webp"))) == 4
    assert attempts.totals["calls"] == 4


def test_no_more_at_a_time_than_was_asked_for(attempts):
    most = 0
    over = threading.Event()

    def look():
        nonlocal most
        while not over.is_set():
            most = max(most, attempts.totals["in_flight"])

    looking = threading.Thread(target=look)
    looking.start()
    attempts.batch([*CATS[:10], {"prompt": "many", "n": 6}], model="sandbox/slow-0.5", max_concurrency=3)
    over.set()
    looking.join()
    assert most == 3


def test_an_account_with_a_low_limit_sees_hardly_any_429(attempts, monkeypatch):
    """The nearly empty account may make six calls a second."""
    poor = attempts.sandbox.connection_uri(attempts.sandbox.nearly_empty_key)
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", poor)
    attempts.batch(CATS, model="test/test", max_concurrency=16)
    assert attempts.totals["succeeded"] == 20
    assert attempts.totals["refused"] < 5  # on a busy machine some come late, and so together; at once it were 10


def test_progress_is_told(attempts, caplog, monkeypatch):
    monkeypatch.setattr("airflow_provider_imagerouter.engine.batch.PROGRESS_SECONDS", 0.3)
    caplog.set_level(logging.INFO)
    with pytest.raises(ImageRouterBatchError):
        attempts.batch(
            [*CATS[:6], {"prompt": "x", "model": "sandbox/fails"}], model="sandbox/slow-0.5", max_concurrency=2
        )
    lines = [record.getMessage() for record in caplog.records if " in flight, $" in record.getMessage()]
    assert len(lines) >= 4
    assert any("0.0 requests/s" not in line and "s left" in line for line in lines)
    assert lines[-1].startswith("6 of 7 requests succeeded, 1 failed, 0 in flight, $0.024 spent, 0 not sent; results: ")
    done = [int(line.split()[0]) for line in lines]
    assert all(before <= after for before, after in pairwise(done))


def test_an_empty_list_is_done_at_once(attempts):
    manifest = attempts.batch([])
    assert (manifest["requests"], manifest["pictures"], manifest["cost_usd"]) == (0, 0, 0)
    assert attempts.rows == []


def test_two_thousand_requests(attempts):
    """The manifest is as small as for two."""
    small = attempts.batch(CATS[:2], model="test/test", run_id="small")
    with pytest.raises(ImageRouterInputError, match=r"requests\[1999\]"):
        attempts.batch(["cat"] * 1999 + [{}])
    manifest = attempts.batch(
        [{"prompt": f"cat {number}", "image": "/no/such"} for number in range(2000)], fail_on_partial_error=False
    )
    assert (manifest["failed"], len(list(read_results(manifest)))) == (2000, 2000)
    assert len(json.dumps(manifest)) < len(json.dumps(small)) + 100
