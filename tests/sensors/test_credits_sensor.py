"""The credits sensor, against the sandbox and a server that plays what an account goes through."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from airflow.sdk import DAG
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.exceptions import (
    ImageRouterAuthenticationError,
    ImageRouterError,
    ImageRouterInputError,
)
from airflow_provider_imagerouter.sensors.credits import ImageRouterCreditsSensor
from airflow_provider_imagerouter.triggers.credits import ImageRouterCreditsTrigger
from airflow_provider_imagerouter.triggers.event import error_event

WAYS = pytest.mark.parametrize(
    "way",
    [
        {"mode": "poke"},
        # Airflow 3.0's `dag.test` fails to go on with a rescheduled sensor.
        pytest.param({"mode": "reschedule"}, marks=pytest.mark.needs_airflow("3.1")),
        {"deferrable": True},
    ],
    ids=str,
)


def holding(usd: str) -> bytes:
    return answer(json.dumps({"remaining_credits": usd, "credit_usage": "1.0000", "total_deposits": "9.0000"}))


def sensor_dag(**parameters) -> DAG:
    with DAG("waits_for_credits") as dag:
        ImageRouterCreditsSensor(task_id="enough", **{"poke_interval": 0, "timeout": 60, **parameters})
    return dag


@pytest.fixture
def connect(monkeypatch):
    """Point the connection to a server, without retries inside the hook."""

    def point(url: str, key: str = "k" * 64) -> None:
        connection = {"conn_type": "imagerouter", "host": url, "password": key, "extra": {"retry_timeout": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))

    return point


@WAYS
def test_an_account_that_holds_exactly_enough_passes(way, run_dag, imagerouter_connection):
    assert run_dag(sensor_dag(min_usd=100, **way)).state == "success"


@WAYS
def test_it_waits_until_there_is_enough(way, run_dag, connect, caplog):
    caplog.set_level(logging.INFO)
    with RawServer(holding("0.9999"), holding("4.9999"), holding("5.0000")) as server:
        connect(server.url)
        assert run_dag(sensor_dag(min_usd=5, **way)).state == "success"
        assert len(server.requests) == 3
    assert "The account holds $0.9999, less than $5" in caplog.text
    assert "The account holds $5.0000, at least $5" in caplog.text


@WAYS
def test_broken_connections_and_server_errors_are_tried_again(way, run_dag, connect):
    trouble = [lambda visitor: visitor.reset(), answer("Bad gateway", "502 Bad Gateway", content_type="text/html")]
    with RawServer(*trouble, answer('{"remaining_credits": "lots"}'), holding("5.0000")) as server:
        connect(server.url)
        assert run_dag(sensor_dag(min_usd=5, **way)).state == "success"
        assert len(server.requests) == 4


@WAYS
def test_a_bad_key_fails_at_once_without_retries(way, run_dag, connect):
    refusal = answer('{"error": {"message": "Invalid API key", "type": "unauthorized"}}', "401 Unauthorized")
    with RawServer(refusal) as server:
        connect(server.url)
        run = run_dag(sensor_dag(min_usd=5, retries=3, retry_delay=timedelta(0), **way))
        assert run.task_state("enough") == "failed"
        assert len(server.requests) == 1


END_OF_A_BAD_KEY = (
    r"Invalid\sAPI\skey\s\(the\sconnection\sis\s'imagerouter_default'\)\.\n"
    r"Nothing was billed; it is not tried again, since that would not help\.\n"
    r"Correct the connection's API key: \S+$"
)


def test_a_bad_key_is_the_error_with_its_connection_and_bill(connect, imagerouter_sandbox):
    connect(imagerouter_sandbox.url, key="x" * 64)
    with pytest.raises(ImageRouterAuthenticationError, match=END_OF_A_BAD_KEY):
        ImageRouterCreditsSensor(task_id="enough", min_usd=5).execute({})


def test_too_little_for_too_long_times_out_without_retries(run_dag, connect):
    with RawServer(holding("1.0000")) as server:
        connect(server.url)
        run = run_dag(sensor_dag(min_usd=5, timeout=0, retries=3, retry_delay=timedelta(0)))
        assert run.task_state("enough") == "failed"
        assert len(server.requests) == 1
        with pytest.raises(AirflowSensorTimeout):
            ImageRouterCreditsSensor(task_id="enough", min_usd=5, timeout=0).execute({})


def test_min_usd_can_come_from_the_run(run_dag, connect):
    with RawServer(holding("1.0000"), holding("7.0000")) as server:
        connect(server.url)
        assert run_dag(sensor_dag(min_usd="{{ params.least }}", params={"least": None}), least=5).state == "success"
        assert len(server.requests) == 2


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("rendered", ["nothing", "", "-1", "nan"])
def test_a_template_that_is_no_amount_fails_before_anything_is_asked(rendered, deferrable, connect):
    sensor = ImageRouterCreditsSensor(task_id="enough", min_usd="{{ least }}", deferrable=deferrable)
    with RawServer(holding("7.0000")) as server:
        connect(server.url)
        sensor.render_template_fields({"least": rendered})
        with pytest.raises(ImageRouterInputError, match="min_usd"):
            sensor.execute({})
        assert server.requests == []


@pytest.mark.parametrize("amount", [-1, "much", True, None, "", float("nan")])
def test_a_bad_amount_is_found_when_the_dag_is_parsed(amount):
    with pytest.raises(ImageRouterInputError, match="min_usd"):
        ImageRouterCreditsSensor(task_id="enough", min_usd=amount)


def deferral(**parameters) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        ImageRouterCreditsSensor(task_id="enough", min_usd="2.50", deferrable=True, **parameters).execute({})
    return deferred.value


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"timeout": 90}, 90),
        ({"timeout": 90, "execution_timeout": timedelta(seconds=30)}, 30),
        ({"timeout": 30, "execution_timeout": timedelta(seconds=90)}, 30),
    ],
)
def test_deferred_it_waits_no_longer_than_its_timeouts(limits, expected):
    assert deferral(**limits).timeout == timedelta(seconds=expected)


def test_the_trigger_crosses_the_database_whole():
    path, arguments = deferral(poke_interval=7, imagerouter_conn_id="shop").trigger.serialize()

    assert path == f"{ImageRouterCreditsTrigger.__module__}.ImageRouterCreditsTrigger"
    assert json.loads(json.dumps(arguments)) == {"imagerouter_conn_id": "shop", "min_usd": "2.50", "poke_interval": 7}
    assert ImageRouterCreditsTrigger(**arguments).serialize() == (path, arguments)


def resume(sensor: ImageRouterCreditsSensor, method: str, **arguments):
    return sensor.resume_execution(method, arguments, {})


def test_a_deferral_that_timed_out_is_a_sensors_timeout():
    sensor = ImageRouterCreditsSensor(task_id="enough", min_usd=5, deferrable=True)
    with pytest.raises(AirflowSensorTimeout):
        resume(sensor, "__fail__", error="Trigger timeout")


@pytest.mark.parametrize("event", [None, {}, "success", {"status": "success"}, {"status": "enough", "more": 1}])
def test_an_event_that_makes_no_sense_is_no_success(event):
    sensor = ImageRouterCreditsSensor(task_id="enough", min_usd=5, deferrable=True)
    with pytest.raises(ImageRouterError, match="makes no sense"):
        resume(sensor, "execute_complete", event=event)


def test_the_triggers_own_event_is_the_end_of_the_waiting():
    sensor = ImageRouterCreditsSensor(task_id="enough", min_usd=5, deferrable=True)
    assert resume(sensor, "execute_complete", event={"status": "enough"}) is None


def test_an_error_keeps_its_class_across_the_trigger():
    sensor = ImageRouterCreditsSensor(task_id="enough", min_usd=5, deferrable=True)
    with pytest.raises(ImageRouterAuthenticationError, match=END_OF_A_BAD_KEY):
        resume(sensor, "execute_complete", event=error_event(ImageRouterAuthenticationError("Invalid API key")))


def test_soft_fail_skips_when_the_trigger_fails():
    sensor = ImageRouterCreditsSensor(task_id="enough", min_usd=5, deferrable=True, soft_fail=True)
    with pytest.raises(AirflowSkipException):
        resume(sensor, "execute_complete", event=error_event(ImageRouterAuthenticationError("Invalid API key")))


@pytest.mark.parametrize("default", [True, False])
def test_deferrable_follows_airflows_default(default, monkeypatch):
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", str(default))
    assert ImageRouterCreditsSensor(task_id="enough", min_usd=5).deferrable is default
