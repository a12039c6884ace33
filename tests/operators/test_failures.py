"""Which failures Airflow tries again: those where another try makes sense, and no others."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG
from support.dags import Runs
from support.object_store import ObjectStore

from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

FAIL_AT_ONCE = (
    "no/such",
    "ir/test-video",
    "sandbox/refuses",
    "sandbox/daily-limit",
    "sandbox/blocked",
    "sandbox/redirect",
)
TRIED_AGAIN = ("sandbox/fails", "sandbox/times-out", "sandbox/fails-without-error", "sandbox/server-error")
PAID_BUT_NOT_TO_BE_HAD = ("sandbox/broken-link", "sandbox/not-a-picture", "sandbox/truncated-picture")


def tasks(models: tuple[str, ...], folder: Path | None = None) -> dict[str, str]:
    """Make a task for each model, and return their ids."""
    ids = {model: model.replace("/", "_") for model in models}
    for model, task_id in ids.items():
        ImageRouterGenerateOperator(
            task_id=task_id,
            prompt="A cat",
            model=model,
            output_path=str(folder) if folder else None,
            retries=2,
            retry_delay=timedelta(seconds=0),
        )
    return ids


def calls_by_model(runs: Runs) -> Counter[str]:
    return Counter(call["model"] for call in runs.calls)


def test_what_will_not_get_better_fails_at_once(dag: DAG, runs: Runs) -> None:
    ids = tasks(FAIL_AT_ONCE)
    run = runs(dag, state="failed")
    assert {run.task_state(task_id) for task_id in ids.values()} == {"failed"}
    assert calls_by_model(runs) == dict.fromkeys(FAIL_AT_ONCE, 1)


def test_what_may_get_better_is_tried_again(dag: DAG, runs: Runs) -> None:
    tasks(TRIED_AGAIN)
    runs(dag, state="failed")
    assert calls_by_model(runs) == dict.fromkeys(TRIED_AGAIN, 3)


def test_what_gets_better(dag: DAG, runs: Runs) -> None:
    ids = tasks(("sandbox/flaky", "sandbox/rate-limited"))
    run = runs(dag)
    assert {run.task_state(task_id) for task_id in ids.values()} == {"success"}
    assert calls_by_model(runs) == dict.fromkeys(ids, 2)


def test_a_paid_picture_is_never_made_again_because_it_cannot_be_had(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    tasks(PAID_BUT_NOT_TO_BE_HAD, tmp_path)
    runs(dag, state="failed")
    assert calls_by_model(runs) == dict.fromkeys(PAID_BUT_NOT_TO_BE_HAD, 1)
    assert [path for path in tmp_path.glob("*") if path.is_file()] == []


def test_a_link_that_works_the_second_time(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    tasks(("sandbox/flaky-link",), tmp_path)
    runs(dag)
    assert len(runs.calls) == 1


def test_a_folder_that_cannot_be_written_to_costs_nothing(
    dag: DAG, runs: Runs, tmp_path: Path, object_store: ObjectStore
) -> None:
    (tmp_path / "file").touch()
    no_bucket = "s3://aws_tests@none/x"
    for number, folder in enumerate((str(tmp_path / "file" / "x"), "/proc", "nosuch://bucket/x", no_bucket)):
        ImageRouterGenerateOperator(task_id=f"task{number}", prompt="A cat", model="test/test", output_path=folder)
    runs(dag, state="failed")
    assert runs.calls == []


def test_no_connection(dag: DAG, runs: Runs) -> None:
    ImageRouterGenerateOperator(task_id="task", prompt="A cat", imagerouter_conn_id="no_such_connection")
    runs(dag, state="failed")
    assert runs.calls == []


def test_no_model(dag: DAG, runs: Runs) -> None:
    ImageRouterGenerateOperator(task_id="task", prompt="A cat", retries=3)
    runs(dag, state="failed")
    assert runs.calls == []
