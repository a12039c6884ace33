"""What a process that makes calls tells a real StatsD server, and OpenTelemetry's SDK."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

FLUX = "black-forest-labs_FLUX-1-schnell"


@pytest.fixture(scope="module")
def told(tell):
    """What all kinds of calls tell."""
    return tell("all_kinds")


def test_each_call_is_counted_by_outcome_and_model_with_what_it_cost_and_took(told):
    assert [name for name, _ in told.metrics if name.startswith("airflow.imagerouter.calls.")] == [
        f"airflow.imagerouter.calls.{FLUX}.success",
        "airflow.imagerouter.calls.sandbox_flaky.ImageRouterProviderError",
        "airflow.imagerouter.calls.sandbox_fails.ImageRouterProviderError",
        "airflow.imagerouter.calls.sandbox_fails-and-bills.ImageRouterProviderError",
        "airflow.imagerouter.calls.sandbox_null-cost.success",
        "airflow.imagerouter.calls.sandbox_rate-limited.success",
        "airflow.imagerouter.calls.sandbox_refuses.ImageRouterContentPolicyError",
        "airflow.imagerouter.calls.a_b_c_d___.ImageRouterInvalidRequestError",
    ]
    assert told.values("calls") == ["1|c"] * 8
    [drawn] = [call for call in told.calls if call["model"] == "black-forest-labs/FLUX-1-schnell"]
    assert told.values(f"cost_micro_usd.{FLUX}.success") == [f"{round(drawn['cost'] * 1_000_000)}|c"]
    assert told.values("cost_micro_usd.sandbox_fails-and-bills.ImageRouterProviderError")
    assert told.values("cost_micro_usd.sandbox_null-cost.success") == []  # nobody knows
    took = told.values("call_duration")
    assert len(took) == 8
    assert all(re.fullmatch(r"\d+\.\d+\|ms", value) for value in took)
    assert float(told.values("call_duration.sandbox_rate-limited.success")[0].split("|")[0]) >= 1000
    assert told.values("retries") == told.values("retries.ImageRouterRateLimitError") == ["1|c"]


def test_stored_bytes_and_orphans_are_counted_by_model(tell):
    told = tell("engine")
    assert told.values(f"stored_bytes.{FLUX}") == [f"{told.got[0]}|c"]
    assert told.values(f"orphans.{FLUX}.unknown") == told.values("orphans") == ["1|c"]


def test_tags_are_those_of_influxdb_where_airflow_writes_these(tell):
    told = tell(
        "all_kinds", AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED="True", AIRFLOW__METRICS__LEGACY_NAMES_ON="False"
    )
    names = [name for name, _ in told.metrics]
    assert "airflow.imagerouter.calls,model=black-forest-labs/FLUX-1-schnell,outcome=success" in names
    assert "airflow.imagerouter.calls,model=a_b_c_d___,outcome=ImageRouterInvalidRequestError" in names
    assert "airflow.imagerouter.retries,reason=ImageRouterRateLimitError" in names
    assert all("," in name for name in names)
    assert len([name for name in names if ".calls," in name]) == 8


def test_each_call_is_a_span_below_the_current_one_by_the_genai_conventions(told, imagerouter_sandbox_process):
    *calls, task = told.spans
    assert task["name"] == "the task"
    assert {span["parent_id"] for span in calls} == {task["context"]["span_id"]}
    drawn, flaky, _, billed, unknown, limited, *_ = calls
    cost = drawn["attributes"].pop("imagerouter.cost_usd")
    assert cost == told.calls[0]["cost"]
    assert drawn["attributes"].pop("imagerouter.latency_ms") > 0
    address = urlsplit(imagerouter_sandbox_process.url)
    assert (drawn["name"], drawn["kind"]) == ("generate_content black-forest-labs/FLUX-1-schnell", "SpanKind.CLIENT")
    assert drawn["attributes"] == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "imagerouter",
        "gen_ai.request.model": "black-forest-labs/FLUX-1-schnell",
        "gen_ai.output.type": "image",
        "server.address": address.hostname,
        "server.port": address.port,
        "imagerouter.pictures": 1,
    }
    assert drawn["status"]["status_code"] == "UNSET"
    assert flaky["status"] == {"status_code": "ERROR"}
    assert flaky["attributes"]["error.type"] == "ImageRouterProviderError"
    assert flaky["attributes"]["imagerouter.billed"] == "no"
    assert billed["attributes"]["imagerouter.billed"] == "yes"
    assert billed["attributes"]["imagerouter.cost_usd"] > 0
    assert "imagerouter.cost_usd" not in unknown["attributes"]
    assert [event["name"] for event in limited["events"]] == ["resent"]


def test_neither_says_a_prompt_or_a_key(told, imagerouter_sandbox_process):
    said = f"{told.spans}{told.metrics}"
    assert "lighthouse" not in said
    assert imagerouter_sandbox_process.rich_key not in said


def test_calls_side_by_side_in_an_event_loop_are_all_below_the_span_around_them(tell):
    told = tell("side_by_side")
    *calls, task = told.spans
    assert len(calls) == 3
    assert {span["parent_id"] for span in calls} == {task["context"]["span_id"]}
    assert told.values("calls.sandbox_slow-0_5.success") == ["1|c"] * 3


def test_a_call_that_is_given_up_is_told_of(tell):
    told = tell("cancelled")
    [span] = told.spans
    assert span["attributes"]["error.type"] == "CancelledError"
    assert told.values("calls.sandbox_slow-8.CancelledError") == ["1|c"]


def test_a_call_goes_on_where_no_metric_and_no_span_can_be_had(tell):
    told = tell("broken", AIRFLOW__METRICS__STATSD_CUSTOM_CLIENT_PATH="told_calls.RaisingStatsClient")
    assert told.got[0].startswith("1 result for $")
    assert told.log.count("Metrics or spans of calls are missing: RuntimeError: no span begins") == 1
    assert told.log.count("Metrics or spans of calls are missing: RuntimeError: no counter counts") == 1


@pytest.mark.parametrize("name", ["untraced", "one"])
def test_nothing_is_told_where_airflow_has_metrics_off(tell: Callable, name: str):
    told = tell(name, AIRFLOW__METRICS__STATSD_ON="False")
    assert told.got[0].startswith("1 result for $")
    assert told.metrics == []
    assert len(told.spans) == (name == "one")
