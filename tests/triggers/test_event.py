"""What crosses the database keeps its meaning, and what makes no sense is never a success."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_imagerouter import exceptions
from airflow_provider_imagerouter.exceptions import ImageRouterBatchError, ImageRouterError, ImageRouterRateLimitError
from airflow_provider_imagerouter.triggers.event import error_event, read_event, success_event

CLASSES = [
    value for value in vars(exceptions).values() if isinstance(value, type) and issubclass(value, ImageRouterError)
]
RECORDS = [{"uri": "file:///a.webp", "cost_usd": 0.01}]
MANIFEST = {"results_path": "file:///results.jsonl", "requests": 2, "succeeded": 2, "cost_usd": 0.02}


def through_the_database(event):
    return json.loads(json.dumps(event))


@pytest.mark.parametrize("result", [RECORDS, MANIFEST])
def test_a_result_arrives(result):
    assert read_event(through_the_database(success_event(result))) == result


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_keeps_its_class_and_meaning(kind):
    error = kind("It failed", status_code=418, error_type="teapot_error", billed="yes", cost=Decimal("0.0013"))
    with pytest.raises(ImageRouterError, match="It failed") as caught:
        read_event(through_the_database(error_event(error)))
    arrived = caught.value
    assert type(arrived) is kind
    assert (arrived.status_code, arrived.error_type, arrived.billed, arrived.cost) == (
        418,
        "teapot_error",
        "yes",
        Decimal("0.0013"),
    )
    assert isinstance(arrived, AirflowFailException) == issubclass(kind, AirflowFailException)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_what_is_known_of_the_bill_is_the_class_s_own_where_nothing_was_said(kind):
    with pytest.raises(kind) as caught:
        read_event(through_the_database(error_event(kind("It failed"))))
    assert caught.value.billed == kind.billed
    assert caught.value.cost is None


def test_a_batch_keeps_where_its_results_are():
    error = ImageRouterBatchError("1 of 2 requests failed")
    error.results_path = "s3://bucket/results.jsonl"
    with pytest.raises(ImageRouterBatchError) as caught:
        read_event(through_the_database(error_event(error)))
    assert caught.value.results_path == "s3://bucket/results.jsonl"


def test_a_rate_limit_keeps_how_long_to_wait():
    error = ImageRouterRateLimitError("Slow down", retry_after=17.5, error_type="rate_limit_error")
    with pytest.raises(ImageRouterRateLimitError, match="Slow down") as caught:
        read_event(through_the_database(error_event(error)))
    assert (caught.value.retry_after, caught.value.status_code) == (17.5, 429)
    assert caught.value.error_type == "rate_limit_error"


@pytest.mark.parametrize(
    "event",
    [
        None,
        "",
        "success",
        42,
        [],
        {},
        {"status": "success"},
        {"status": "success", "result": None},
        {"status": "success", "result": []},
        {"status": "success", "result": {}},
        {"status": "success", "result": "a picture"},
        {"status": "success", "result": ["file:///a.webp"]},
        {"status": "success", "result": [{"uri": "file:///a.webp", "cost_usd": 0.1}, {}]},
        {"status": "success", "result": {"pictures": 3}},
        {"status": "SUCCESS", "result": RECORDS},
        {"status": "done", "result": RECORDS},
        {"result": RECORDS},
    ],
)
def test_an_event_that_makes_no_sense_is_an_error(event):
    with pytest.raises(ImageRouterError, match="makes no sense") as caught:
        read_event(event)
    assert caught.value.billed == "unknown"
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize(
    "name", [None, "", "NoSuchError", "ValueError", "AirflowFailException", "Decimal", "Bill", "os"]
)
def test_an_error_of_a_class_that_is_not_ours_is_one_of_ours(name):
    with pytest.raises(ImageRouterError, match="Broken") as caught:
        read_event({"status": "error", "class": name, "message": "Broken", "billed": "perhaps", "cost": "much"})
    assert type(caught.value) is ImageRouterError
    assert (caught.value.billed, caught.value.cost) == ("unknown", None)


def test_a_rate_limit_with_garbage_for_a_time_is_still_one():
    with pytest.raises(ImageRouterRateLimitError) as caught:
        read_event({"status": "error", "class": "ImageRouterRateLimitError", "message": "!", "retry_after": "soon"})
    assert caught.value.retry_after == 0


def test_events_stay_small():
    assert len(json.dumps(error_event(ImageRouterError("x" * 1_000_000)))) < 5_000
    with pytest.raises(ImageRouterError) as caught:
        read_event({"status": "success", "result": "x" * 1_000_000})
    assert len(str(caught.value)) < 500
