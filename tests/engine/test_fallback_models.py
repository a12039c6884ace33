"""``fallback_models``: who is asked when the provider of a model failed, and what later attempts make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.pictures import picture
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.exceptions import (
    ImageRouterBudgetError,
    ImageRouterContentPolicyError,
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterInvalidRequestError,
    ImageRouterOrphanedIntentError,
    ImageRouterProviderError,
    ImageRouterServerError,
    ImageRouterStorageError,
    ImageRouterUnknownOutcomeError,
)
from airflow_provider_imagerouter.sandbox.process import SandboxProcess

FAILS, WORKS, GONE = "sandbox/fails", "sandbox/revises", "no/longer-there"


def models(sandbox: SandboxProcess) -> list[str]:
    """The models that were asked, in order; the sandbox does not enter what it refused as 400."""
    return [call["model"] for call in sandbox.ledger()["calls"]]


@pytest.mark.parametrize("budget", [None, 1])
@pytest.mark.parametrize("model", [FAILS, "sandbox/times-out", "sandbox/fails-with-status", GONE])
def test_the_next_model_is_asked_where_nothing_was_billed(attempts, caplog, model, budget):
    (record,) = attempts.generate(model=model, fallback_models=[WORKS, "test/test"], max_cost_usd=budget)
    assert record["model"] == WORKS
    assert models(attempts.sandbox)[-1] == WORKS
    assert attempts.totals["billed_calls"] == 1
    assert f"{model} could not make it, and nothing was billed" in caplog.text
    assert f"{WORKS} is asked" in caplog.text


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("sandbox/refuses", ImageRouterContentPolicyError),
        ("sandbox/hangs-up", ImageRouterUnknownOutcomeError),
        ("sandbox/unbooked-lost", ImageRouterServerError),
        ("sandbox/fails-and-bills", ImageRouterProviderError),
        ("sandbox/no-data", ImageRouterProviderError),
        ("sandbox/not-a-picture", ImageRouterStorageError),
        ("ir/test-video", ImageRouterInputError),
    ],
)
def test_nobody_else_is_asked_where_that_would_not_help_or_pay_twice(attempts, model, error):
    with pytest.raises(error):
        attempts.generate(model=model, fallback_models=[WORKS], validate_model=True)
    assert WORKS not in models(attempts.sandbox)


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found"])
@pytest.mark.parametrize(
    ("message", "is_gone"),
    [
        ("model 'a/b' is not available", True),
        ("The model 'a/b' does not exist.", True),
        ("Model a/b was removed on 2026-10-01", True),
        ("This model is no longer available. Available alternative 'c/d'.", True),
        ("The free trial is over for this model. Please switch to 'c/d' (paid) or use other models instead.", True),
        ("model 'a/b' does not support size 64x64", False),
        ("size 64x64 is not available for model 'a/b'", False),
        ("Your prompt was flagged", False),
    ],
)
def test_a_model_is_gone_in_whichever_words(attempts, monkeypatch, status, message, is_gone):
    refused = answer(json.dumps({"error": {"message": message, "type": "invalid_request_error"}}), status)
    made = answer(json.dumps({"data": [{"url": "http://127.0.0.1:9/a.png"}], "cost": 0.01}))
    with RawServer(refused, made) as server:
        connection = {"conn_type": "imagerouter", "host": server.url, "password": "k" * 64}
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
        given = {"model": "a/b", "fallback_models": ["c/d"], "output_path": None}
        if is_gone:
            (record,) = attempts.generate(**given)
            assert record["model"] == "c/d"
        else:
            with pytest.raises(ImageRouterInvalidRequestError):
                attempts.generate(**given)
        asked = [
            json.loads(request.partition(b"\r\n\r\n")[2])["model"] for request in server.requests if b"POST" in request
        ]
        assert asked == ["a/b", "c/d"][: 1 + is_gone]


def test_a_parameter_that_the_api_refuses_is_no_reason(attempts):
    with pytest.raises(ImageRouterInvalidRequestError):
        attempts.generate(model=WORKS, extra_body={"size": "huge"}, fallback_models=["test/test"])
    assert attempts.totals["billed_calls"] == 0


def test_the_model_of_extra_body_is_the_first_one(attempts):
    (record,) = attempts.generate(extra_body={"model": FAILS, "seed": 1}, fallback_models=[FAILS, WORKS])
    assert record["model"] == WORKS
    assert models(attempts.sandbox) == [FAILS, WORKS]
    assert attempts.sandbox.ledger()["calls"][-1]["parameters"] == {"seed": 1}


def test_what_all_of_them_said_is_told_and_what_may_pass_is_tried_again(attempts):
    with pytest.raises(ImageRouterProviderError) as caught:
        attempts.generate(model="sandbox/times-out", fallback_models=[FAILS, GONE])
    message = str(caught.value)
    assert "timed out" in message
    assert "failed to generate" in message
    assert f"model '{GONE}' is not available" in message
    assert caught.value.billed == "no"


def test_a_retry_returns_what_another_model_made_and_asks_nobody(attempts):
    given = {"model": "sandbox/flaky", "fallback_models": [WORKS], "n": 2}
    records = attempts.generate(**given)
    assert sorted(record["model"] for record in records) == ["sandbox/flaky", WORKS]
    asked = models(attempts.sandbox)
    assert attempts.generate(**given) == records
    assert models(attempts.sandbox) == asked


def test_a_retry_stores_what_another_model_was_paid_for_and_asks_nobody(attempts):
    for _ in range(2):
        with pytest.raises(ImageRouterStorageError):
            attempts.generate(model=FAILS, fallback_models=["sandbox/not-a-picture"])
    assert models(attempts.sandbox) == [FAILS, "sandbox/not-a-picture"]


def test_an_orphan_of_whichever_model_is_heeded_before_anything_is_sent(attempts):
    given: dict[str, Any] = {"model": FAILS, "fallback_models": ["sandbox/hangs-up", WORKS]}
    with pytest.raises(ImageRouterUnknownOutcomeError):
        attempts.generate(**given)
    with pytest.raises(ImageRouterOrphanedIntentError):
        attempts.generate(**given, on_orphaned_intent="fail")
    assert models(attempts.sandbox) == [FAILS, "sandbox/hangs-up"]
    with pytest.raises(ImageRouterUnknownOutcomeError):
        attempts.generate(**given)
    assert models(attempts.sandbox) == [FAILS, "sandbox/hangs-up", "sandbox/hangs-up"]


def test_an_orphan_of_the_first_model_keeps_all_others_waiting(attempts):
    given: dict[str, Any] = {"model": "sandbox/cut-short", "fallback_models": [WORKS]}
    with pytest.raises(ImageRouterUnknownOutcomeError):
        attempts.generate(**given)
    with pytest.raises(ImageRouterOrphanedIntentError):
        attempts.generate(**given, on_orphaned_intent="fail")
    assert models(attempts.sandbox) == ["sandbox/cut-short"]


def test_each_model_must_fit_into_the_budget_by_its_own_price(attempts):
    dear = "openai/gpt-image-1"
    with pytest.raises(ImageRouterBudgetError, match=f"{dear} may cost"):
        attempts.generate(model=FAILS, fallback_models=[dear], max_cost_usd=0.02)
    assert models(attempts.sandbox) == [FAILS]


def test_each_model_is_checked_before_it_is_asked(attempts):
    with pytest.raises(ImageRouterProviderError, match="makes video, not image"):
        attempts.generate(model=FAILS, fallback_models=["ir/test-video"], validate_model=True)
    assert models(attempts.sandbox) == [FAILS]


def test_an_edit_goes_to_the_next_model_with_its_pictures(attempts, tmp_path):
    (tmp_path / "in.png").write_bytes(picture())
    (record,) = attempts.edit(str(tmp_path / "in.png"), model=FAILS, fallback_models=[WORKS])
    assert record["model"] == WORKS
    first, second = attempts.sandbox.ledger()["calls"]
    assert first["images"] == second["images"] != []


def test_requests_of_a_batch_have_models_of_their_own_or_the_batch_s(attempts):
    requests = [
        "a",
        {"prompt": "b", "fallback_models": ["test/test"]},
        {"prompt": "c", "fallback_models": []},
        {"prompt": "d", "model": GONE},
    ]
    manifest = attempts.batch(
        requests, model=FAILS, fallback_models=[WORKS], max_cost_usd=1, fail_on_partial_error=False
    )
    assert manifest["errors"] == {"ImageRouterProviderError": 1}
    made = [[record["model"] for record in row["records"]] for row in attempts.rows]
    assert made == [[WORKS], ["test/test"], [], [WORKS]]


def test_the_daily_limit_of_another_model_does_not_stop_the_first(attempts):
    given: dict[str, Any] = {"fallback_models": ["sandbox/daily-limit"], "fail_on_partial_error": False}
    manifest = attempts.batch(
        [f"cat {number}" for number in range(4)], model="sandbox/flaky", max_concurrency=1, **given
    )
    assert manifest["not_sent"] == 0
    assert manifest["succeeded"] + manifest["failed"] == 4


@pytest.mark.parametrize("wrong", [7, [""], ["a", None], {"a": 1}, "[1"])
def test_what_names_no_models_is_refused(attempts, wrong):
    for attempt in (
        lambda: attempts.generate(fallback_models=wrong),
        lambda: attempts.batch(["a"], fallback_models=wrong),
        lambda: attempts.batch([{"prompt": "a", "fallback_models": wrong}]),
    ):
        with pytest.raises(ImageRouterInputError, match="fallback_models"):
            attempt()
    assert attempts.totals["calls"] == 0


def test_an_error_says_whose_it_is(attempts):
    with pytest.raises(ImageRouterError) as caught:
        attempts.generate(model=FAILS, fallback_models=["sandbox/refuses"])
    assert caught.value.model == "sandbox/refuses"
    assert FAILS in str(caught.value)
