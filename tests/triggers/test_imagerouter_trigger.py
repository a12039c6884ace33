"""The trigger itself, in this process: its arguments, its event, its end, and many of it in one event loop."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_imagerouter.engine.work import BatchWork, SingleWork, Work, work_from_json
from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterInputError
from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.ledger import where
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.triggers.event import read_event
from airflow_provider_imagerouter.triggers.imagerouter import ImageRouterTrigger

pytestmark = pytest.mark.usefixtures("imagerouter_connection")


def single(folder: Any, *, model: str = "test/test", number: int = -1, n: int = 1, **parameters: Any) -> SingleWork:
    identity = Identity("dag", "run", "task", number)
    return SingleWork(
        identity=identity,
        max_tries=0,
        imagerouter_conn_id="imagerouter_default",
        folder=None if folder is None else str(folder),
        max_cost_usd=None,
        on_orphaned_intent="resubmit",
        parameters={"prompt": f"Picture {number}", "model": model, "size": "64x64", **parameters},
        n=n,
        stem=identity.file_stem,
        output="image",
    )


def batch(folder: Any, requests: list[dict[str, Any]]) -> BatchWork:
    return BatchWork(
        identity=Identity("dag", "run", "batch", -1),
        max_tries=0,
        imagerouter_conn_id="imagerouter_default",
        folder=str(folder),
        max_cost_usd=None,
        on_orphaned_intent="resubmit",
        requests=requests,
        max_concurrency=4,
        fail_on_partial_error=True,
    )


def through_the_database(work: Work) -> ImageRouterTrigger:
    """As the operators do: what is long is put aside, the rest crosses the database."""
    place = where.in_files(work.identity, work.folder)
    if place:
        work = work.put_aside(place)
    path, arguments = ImageRouterTrigger(work.to_json()).serialize()
    assert path == "airflow_provider_imagerouter.triggers.imagerouter.ImageRouterTrigger"
    return ImageRouterTrigger(**json.loads(json.dumps(arguments)))


async def event_of(trigger: ImageRouterTrigger) -> dict[str, Any]:
    events = [event.payload async for event in trigger.run()]
    assert len(events) == 1
    return dict(json.loads(json.dumps(events[0])))


@pytest.fixture
def totals(imagerouter_connection):
    return lambda: imagerouter_connection.ledger()["totals"]


async def test_a_trigger_brings_records(tmp_path, totals):
    records = read_event(await event_of(through_the_database(single(tmp_path, n=3))))
    assert {record["path"] for record in records} == {file.as_uri() for file in tmp_path.glob("task*")}
    assert len(records) == totals()["succeeded"] == 3


async def test_run_anew_it_pays_nothing_and_brings_the_same(tmp_path, totals):
    trigger = through_the_database(single(tmp_path))
    assert await event_of(trigger) == await event_of(through_the_database(single(tmp_path)))
    assert totals()["calls"] == 1


async def test_with_a_ledger_path_links_are_not_paid_again_either(tmp_path, totals, monkeypatch):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", str(tmp_path))
    first = read_event(await event_of(through_the_database(single(None, n=2))))
    again = read_event(await event_of(through_the_database(single(None, n=3))))
    assert [record["url"] for record in again[:2]] == [record["url"] for record in first]
    assert totals()["calls"] == 3


async def test_a_batch_brings_a_manifest_and_leaves_its_list_in_its_folder(tmp_path, totals):
    requests = [{"prompt": f"Picture {number}", "model": "test/test", "size": "64x64"} for number in range(12)]
    trigger = through_the_database(batch(tmp_path, requests))
    assert len(json.dumps(trigger.serialize())) < 1500
    manifest = read_event(await event_of(trigger))
    assert (manifest["succeeded"], totals()["succeeded"]) == (12, 12)


async def test_a_batch_whose_list_is_lost_is_no_success(tmp_path, totals):
    trigger = through_the_database(batch(tmp_path, [{"prompt": "A fox", "model": "test/test"}]))
    for file in tmp_path.glob(".imagerouter/*/requests"):
        file.unlink()
    with pytest.raises(ImageRouterError, match="is gone"):
        read_event(await event_of(trigger))
    assert totals()["calls"] == 0


@pytest.mark.parametrize(
    "value", [b"bytes", bytearray(b"bytes"), [b"bytes"], ["DATA:image/png;base64,AAAA"], {"url": "data:,A"}]
)
@pytest.mark.parametrize("name", ["image", "mask", "extra_body"])
def test_bytes_do_not_get_into_the_database(value, name, tmp_path):
    with pytest.raises(ImageRouterInputError, match="not as bytes"):
        single(tmp_path, **{name: {"image": value} if name == "extra_body" else value}).to_json()


def test_a_text_may_begin_like_a_data_uri(tmp_path):
    given = {"prompt": "data:image/png;base64,AAAA", "extra_body": {"style": "data: bars, no lines"}}
    assert single(tmp_path, **given).to_json()["parameters"].items() >= given.items()


def test_work_is_the_same_after_its_way_through_the_database(tmp_path):
    for work in (single(tmp_path, n=2, image=[tmp_path / "a.png"]), batch(tmp_path, [])):
        given = work.to_json()
        assert work_from_json(json.loads(json.dumps(given))).to_json() == given


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("sandbox/refuses", "ImageRouterContentPolicyError"),
        ("sandbox/blocked", "ImageRouterAccessError"),
        ("sandbox/daily-limit", "ImageRouterDailyLimitError"),
        ("sandbox/fails", "ImageRouterProviderError"),
        ("sandbox/server-error", "ImageRouterServerError"),
        ("sandbox/hangs-up", "ImageRouterUnknownOutcomeError"),
        ("sandbox/broken-link", "ImageRouterStorageError"),
        ("no/such-model", "ImageRouterInvalidRequestError"),
    ],
)
async def test_errors_are_events(model, name, tmp_path):
    event = await event_of(through_the_database(single(tmp_path, model=model)))
    assert (event["status"], event["class"]) == ("error", name)


async def test_a_rate_limit_is_an_event_with_the_time_to_wait(tmp_path, imagerouter_connection, monkeypatch):
    impatient = {**json.loads(imagerouter_connection.connection_uri()), "extra": {"retry_timeout": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(impatient))
    event = await event_of(through_the_database(single(tmp_path, model="sandbox/always-rate-limited")))
    assert (event["class"], event["retry_after"]) == ("ImageRouterRateLimitError", 1.0)


async def test_stopped_it_waits_for_calls_in_flight_and_sends_no_more(tmp_path, imagerouter_connection, totals):
    """As Airflow stops a trigger whose task was cleared: 4 of 6 candidates are under way."""

    async def sent(number: int) -> None:
        while (await asyncio.to_thread(totals))["calls"] < number:
            await asyncio.sleep(0.02)

    first = asyncio.create_task(event_of(through_the_database(single(tmp_path, model="sandbox/slow-2", n=6))))
    await sent(4)
    first.cancel("__airflow_user_action__")
    with pytest.raises(asyncio.CancelledError):
        await first

    records = read_event(await event_of(through_the_database(single(tmp_path, model="sandbox/slow-2", n=6))))
    assert len(records) == 6
    assert (totals()["calls"], totals()["clients_left"]) == (6, 0)


async def test_sixty_at_once_share_one_pace_and_little_memory(tmp_path, totals):
    """Each has a hook and a ledger of its own; the API takes 20 calls a second of all of them."""
    await event_of(through_the_database(single(tmp_path, number=100)))
    tracemalloc.start()
    triggers = [through_the_database(single(tmp_path, model="sandbox/slow-3", number=n)) for n in range(60)]
    events = await asyncio.gather(*map(event_of, triggers))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [event["status"] for event in events] == ["success"] * 60
    assert totals()["succeeded"] == 61
    assert totals()["refused"] < 12  # on a busy machine some come late, and so together; at once it were 40
    assert peak / 60 < 300_000


def test_dag_test_runs_deferrable_tasks(run_dag, tmp_path, totals):
    common = {"model": "test/test", "deferrable": True, "output_path": str(tmp_path)}
    with DAG("deferred_in_process", schedule=None) as dag:
        made = ImageRouterGenerateOperator(task_id="made", prompt="A fox", size="64x64", **common)
        ImageRouterEditOperator(task_id="edited", prompt="In autumn", image=made.output, **common)
        ImageRouterBatchOperator(
            task_id="batch", requests=["A hen", "A cow"], model="test/test", result_path=str(tmp_path), deferrable=True
        )
    run = run_dag(dag)
    assert run.state == "success"
    assert run.xcom("batch")["succeeded"] == 2
    assert totals()["succeeded"] == 4


@pytest.mark.needs_airflow("3.3")
def test_errors_fail_at_once_or_are_retried_as_they_would_be_in_a_worker(run_dag, tmp_path, imagerouter_connection):
    from airflow_provider_imagerouter.retry_policy import ImageRouterRetryPolicy

    impatient = {**json.loads(imagerouter_connection.connection_uri()), "extra": {"retry_timeout": 0}}
    calls = {"refuses": 1, "blocked": 1, "daily-limit": 1, "fails": 2, "rate-limited": 2}
    with pytest.MonkeyPatch.context() as patch, DAG("deferred_errors", schedule=None) as dag:
        patch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(impatient))
        for model in calls:
            ImageRouterGenerateOperator(
                task_id=model,
                prompt=model,
                model=f"sandbox/{model}",
                output_path=str(tmp_path),
                retries=1,
                retry_delay=timedelta(0),
                retry_policy=ImageRouterRetryPolicy(),
                deferrable=True,
            )
        run = run_dag(dag)
    seen = Counter(call["prompt"] for call in imagerouter_connection.ledger()["calls"])
    assert seen == calls
    states = {model: run.task_state(model) for model in calls}
    assert states == {**dict.fromkeys(calls, "failed"), "rate-limited": "success"}


@pytest.mark.needs_airflow("3.3")
def test_dag_test_runs_deferrable_tasks_without_files(run_dag, totals):
    with DAG("deferred_in_process_links", schedule=None) as dag:
        ImageRouterGenerateOperator(task_id="made", prompt="A fox", model="test/test", n=2, deferrable=True)
    run = run_dag(dag)
    assert run.state == "success"
    assert len(run.xcom("made")) == totals()["succeeded"] == 2
    assert run.xcom("made", key="imagerouter_ledger") is None


@pytest.mark.needs_airflow("3.3")
def test_without_files_a_retry_sends_only_what_is_missing(run_dag, totals):
    """Airflow removes the XCom that the ledger is in; the task state store keeps it meanwhile."""
    with DAG("deferred_flaky_links", schedule=None) as dag:
        ImageRouterGenerateOperator(
            task_id="made",
            prompt="A fox",
            model="sandbox/flaky",
            n=3,
            retries=1,
            retry_delay=timedelta(0),
            deferrable=True,
        )
    run = run_dag(dag)
    assert run.state == "success"
    assert len(run.xcom("made")) == 3
    assert (totals()["failed"], totals()["succeeded"]) == (1, 3)
    assert run.xcom("made", key="imagerouter_ledger") is None
