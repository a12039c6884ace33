"""Retries that Airflow makes: none where they make no sense, and as late as the server asked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.sandbox.process import SandboxProcess

Tries = Callable[..., tuple[int, str]]


@pytest.fixture
def tries(
    run_dag: Callable[..., Any], imagerouter_connection: SandboxProcess, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Tries:
    """Run one generate, and say how often Airflow tried it and how that ended."""

    def run(
        model: str, *, retries: int | None = 2, extra: dict[str, Any] | None = None, key: str = "", **arguments: Any
    ) -> tuple[int, str]:
        connection = json.loads(imagerouter_connection.connection_uri(key or imagerouter_connection.rich_key))
        connection["extra"] = {"retry_timeout": 0, **(extra or {})}
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
        given = {"prompt": "a cat", "output_path": str(tmp_path), "retry_delay": timedelta(0), **arguments}
        if retries is not None:
            given["retries"] = retries
        name = os.environ["PYTEST_CURRENT_TEST"].split("::")[1].split(" ")[0]
        with DAG("".join(letter if letter.isalnum() else "_" for letter in name)) as dag:
            ImageRouterGenerateOperator(task_id="task", model=model, **given)
        task = run_dag(dag)._task_instance("task", -1)
        return task.try_number, str(task.state)

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "sandbox/slow", "key": "x" * 64},
        {"model": "sandbox/blocked"},
        {"model": "no/such"},
        {"model": "openai/dall-e-3", "key": "empty"},
        {"model": "sandbox/refuses"},
        {"model": "sandbox/daily-limit"},
        {"model": "sandbox/slow", "max_cost_usd": 0.001},
        {"model": "sandbox/slow", "extra": {"max_cost_usd": 0.001}},
        {"model": "{{ 'sandbox/slow' }}", "size": "{{ 'huge' }}"},
    ],
    ids=["key", "access", "parameter", "credits", "policy", "day", "budget", "connection's budget", "template"],
)
def test_what_cannot_work_fails_at_once(tries, imagerouter_sandbox, arguments):
    if arguments.get("key") == "empty":
        arguments = {**arguments, "key": imagerouter_sandbox.empty_key}
    assert tries(**arguments) == (1, "failed")
    assert imagerouter_sandbox.ledger()["totals"]["billed_calls"] == 0


@pytest.mark.parametrize(
    ("model", "end"),
    [
        ("sandbox/flaky", (2, "success")),
        ("sandbox/rate-limited", (2, "success")),
        ("sandbox/server-error", (3, "failed")),
    ],
)
def test_what_may_work_is_tried_again(tries, model, end):
    assert tries(model) == end


def test_a_broken_connection_is_tried_again_and_may_be_paid_again(tries, imagerouter_sandbox):
    assert tries("sandbox/hangs-up", retries=1) == (2, "failed")
    assert imagerouter_sandbox.ledger()["totals"]["billed_calls"] == 2


def test_a_broken_connection_is_not_paid_again_if_that_is_not_wanted(tries, imagerouter_sandbox):
    assert tries("sandbox/hangs-up", retries=5, on_orphaned_intent="fail") == (2, "failed")
    assert imagerouter_sandbox.ledger()["totals"]["billed_calls"] == 1


def test_without_retries_the_hook_still_waits_out_a_rate_limit(tries, imagerouter_sandbox):
    assert tries("sandbox/rate-limited", retries=None, extra={"retry_timeout": 30}) == (1, "success")
    assert imagerouter_sandbox.ledger()["totals"]["refused"] == 1


def test_without_retries_one_failure_is_the_end(tries, imagerouter_sandbox):
    assert tries("sandbox/flaky", retries=None) == (1, "failed")
    assert imagerouter_sandbox.ledger()["totals"]["calls"] == 1


@pytest.mark.needs_airflow("3.3")
def test_the_policy_waits_as_the_server_asked_and_leaves_the_rest_to_the_task(tries):
    from airflow_provider_imagerouter.exceptions import ImageRouterProviderError, ImageRouterRateLimitError
    from airflow_provider_imagerouter.retry_policy import ImageRouterRetryPolicy

    policy = ImageRouterRetryPolicy()
    limited = policy.evaluate(ImageRouterRateLimitError("wait", retry_after=90), 1, 3)
    other = policy.evaluate(ImageRouterProviderError("broken"), 1, 3)
    assert (limited.action.value, limited.retry_delay) == ("retry", timedelta(seconds=90))
    assert other.action.value == "default"
    assert tries("sandbox/rate-limited", retry_policy=policy) == (2, "success")
    assert tries("sandbox/refuses", retry_policy=policy)[1] == "failed"


def test_older_airflows_say_what_the_policy_needs(monkeypatch):
    import builtins
    import sys

    from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

    real_import = builtins.__import__

    def without_policies(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "airflow.sdk" and args[2] and "RetryPolicy" in args[2]:
            raise ImportError("cannot import name 'RetryPolicy'")
        return real_import(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "airflow_provider_imagerouter.retry_policy", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_policies)
    with pytest.raises(AirflowOptionalProviderFeatureException, match=r"Airflow 3\.3"):
        import airflow_provider_imagerouter.retry_policy  # noqa: F401
