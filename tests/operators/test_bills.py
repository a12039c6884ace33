"""What a failed task says: what was wrong, what it cost, and whether Airflow tries again. Nothing else."""

from __future__ import annotations

import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from airflow.sdk import DAG
from support.dags import Runs

from airflow_provider_imagerouter import exceptions
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator

# Airflow 3.0's `dag.test` tells callbacks of no exception, so how a task fails is seen by executing it.
EITHER_WAY = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
NOT_AGAIN = "it is not tried again, since that would not help."
AGAIN = "it is tried again."
NO_TRY_LEFT = "no try is left."


class TaskInstance:
    """What an operator sees of its task instance, with one retry."""

    def __init__(self, try_number: int = 1) -> None:
        self.dag_id, self.task_id, self.run_id, self.map_index = "dag", "task", "run", -1
        self.try_number, self.max_tries = try_number, 1
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def failure(operator: Any, try_number: int = 1, event: Any = None) -> tuple[exceptions.ImageRouterError, TaskInstance]:
    """Execute an operator, or resume it with a trigger's event, and return how it failed."""
    context = {"ti": TaskInstance(try_number), "task": operator}
    with pytest.raises(exceptions.ImageRouterError) as caught:
        operator.execute_complete(context, event) if event else operator.execute(context)
    return caught.value, context["ti"]


def told(error: exceptions.ImageRouterError) -> str:
    """Return what an error says, on one line, but for its last line: what to do, and where that is explained."""
    what, _, to_do = str(error).rpartition("\n")
    assert to_do.endswith(f": docs/errors.md#{type(error).__name__.lower()}")
    return what.replace("\n", " ")


def generate(model: str, **arguments: Any) -> ImageRouterGenerateOperator:
    return ImageRouterGenerateOperator(task_id="task", prompt="A cat", model=model, **arguments)


@pytest.mark.parametrize(
    ("model", "bill", "then"),
    [
        ("no/such", "Nothing was billed", NOT_AGAIN),
        ("sandbox/refuses", "Nothing was billed", NOT_AGAIN),
        ("sandbox/fails", "Nothing was billed", AGAIN),
        ("sandbox/broken-link", "${cost} were billed", AGAIN),
        ("sandbox/hangs-up", "Whether it was billed is not known", AGAIN),
    ],
)
def test_one_request(runs: Runs, tmp_path: Path, model: str, bill: str, then: str) -> None:
    error, task_instance = failure(generate(model, output_path=str(tmp_path)))
    cost = runs.sandbox.ledger()["calls"][-1]["cost"]
    assert told(error).endswith(f". {bill.format(cost=cost)}; {then}")
    assert ".." not in told(error)
    assert task_instance.xcoms == {
        **({"cost_usd": cost} if "$" in bill else {}),
        "error": {
            "type": type(error).__name__,
            "message": str(error).replace("\n", " "),
            "billed": error.billed,
            "cost_usd": cost if "$" in bill else None,
            "model": model,
            "prompt": "A cat",
            "results_path": None,
        },
    }


def test_candidates_are_billed_together(runs: Runs) -> None:
    price = 0.0013
    budget = generate("black-forest-labs/FLUX-1-schnell", n=4, max_cost_usd=0.0083)  # at $0.007 at most
    error, task_instance = failure(budget)
    assert isinstance(error, exceptions.ImageRouterBudgetError)
    assert told(error).endswith(f"2 of 4 candidates are there, and kept. ${2 * price} were billed; {NOT_AGAIN}")
    assert task_instance.xcoms["cost_usd"] == task_instance.xcoms["error"]["cost_usd"] == 2 * price


def test_a_batch(runs: Runs, tmp_path: Path) -> None:
    requests = ["a cat", {"prompt": "a cat", "model": "sandbox/refuses"}]
    batch = ImageRouterBatchOperator(
        task_id="task", requests=requests, model="black-forest-labs/FLUX-1-schnell", result_path=str(tmp_path)
    )
    error, task_instance = failure(batch)
    assert told(error).endswith(f". $0.0013 were billed; {NOT_AGAIN}")
    assert task_instance.xcoms["cost_usd"] == task_instance.xcoms["error"]["cost_usd"] == 0.0013
    assert task_instance.xcoms["error"]["prompt"] is None


def test_the_last_try_says_so(runs: Runs) -> None:
    error, _ = failure(generate("sandbox/fails"), try_number=2)
    assert told(error).endswith(f". Nothing was billed; {NO_TRY_LEFT}")


def test_storing_what_others_made_costs_nothing(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "no_picture").write_text("no picture")
    image = str(tmp_path / "no_picture")
    error, _ = failure(ImageRouterDownloadOperator(task_id="task", image=image, output_path=str(tmp_path / "x")))
    assert told(error).endswith(f". Nothing was billed; {AGAIN}")


@pytest.mark.parametrize("deferred", [False, True])
def test_a_wrong_key_names_the_connection(runs: Runs, monkeypatch: pytest.MonkeyPatch, deferred: bool) -> None:
    from airflow_provider_imagerouter.triggers.event import error_event

    monkeypatch.setenv("AIRFLOW_CONN_SHOP", runs.sandbox.connection_uri().replace(runs.sandbox.rich_key, "x" * 64))
    event = error_event(exceptions.ImageRouterAuthenticationError("Invalid API key", status_code=401))
    error, _ = failure(generate("test/test", imagerouter_conn_id="shop"), event=event if deferred else None)
    assert "(the connection is 'shop')" in told(error)
    assert type(error) is exceptions.ImageRouterAuthenticationError


@pytest.mark.wrapped_errors
def test_airflows_log_view_shows_it_whole(runs: Runs) -> None:
    """It shows the class before the message, and 95 characters of a line in a window of 1400 pixels."""
    place = "/tmp/imagerouter-abc/1.webp"
    message = f"{'The storage of file:///data is full, ' * 5}and {place} has it.\nSee \xa0there: {'x' * 40}"
    event = {"status": "error", "class": "ImageRouterStorageError", "message": message, "billed": "yes", "cost": "1"}
    error, _ = failure(generate("test/test"), event=event)
    lines = f"{type(error).__name__}: {error}".split("\n")
    assert max(map(len, lines)) <= 95
    assert sum(place in line for line in lines) == 1
    assert lines[-2:] == [f"$1 were billed; {AGAIN}", "What it means: docs/errors.md#imagerouterstorageerror"]


def test_what_to_do_is_said_where_nobody_tries_again(runs: Runs) -> None:
    refused, _ = failure(generate("sandbox/refuses"))
    spent, _ = failure(generate("sandbox/fails"), try_number=2)
    assert str(refused).splitlines()[-1].startswith("Change the prompt or the picture: ")
    assert str(spent).splitlines()[-1].startswith("Clear the task later, or name fallback_models: ")


CLASSES = [
    value
    for value in vars(exceptions).values()
    if isinstance(value, type) and issubclass(value, exceptions.ImageRouterError)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("bill", "said"),
    [
        ({"billed": "no"}, "Nothing was billed"),
        ({"billed": "yes", "cost": 0}, "Nothing was billed"),
        ({"billed": "yes", "cost": 0.25}, "$0.25 were billed"),
        ({"billed": "yes"}, "It was billed, but not said how much"),
        ({"billed": "unknown"}, "Whether it was billed is not known"),
        ({"billed": "unknown", "cost": 0.25}, "$0.25 were billed, and whether more was is not known"),
    ],
)
def test_every_error_of_a_trigger(kind: Any, bill: dict[str, Any], said: str) -> None:
    event = {"status": "error", "class": kind.__name__, "message": "It failed.", "status_code": 418, **bill}
    error, task_instance = failure(generate("test/test", deferrable=True), event=event)
    will_not_help = issubclass(kind, exceptions.AirflowFailException)
    assert (type(error), error.status_code, error.billed) == (kind, 418, bill["billed"])
    assert told(error) == f"It failed. {said}; {NOT_AGAIN if will_not_help else AGAIN}".replace(
        "It failed.",
        "It failed (the connection is 'imagerouter_default')."
        if kind is exceptions.ImageRouterAuthenticationError
        else "It failed.",
    )
    assert task_instance.xcoms.get("cost_usd") == task_instance.xcoms["error"]["cost_usd"] == bill.get("cost")
    assert task_instance.xcoms["error"]["billed"] == bill["billed"]


def test_an_airflow_that_takes_no_xcom_hides_no_error(runs: Runs) -> None:
    class Broken(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            raise RuntimeError("no database")

    event = {"status": "error", "class": "ImageRouterStorageError", "message": "Full", "billed": "yes", "cost": "0.5"}
    with pytest.raises(exceptions.ImageRouterStorageError, match=r"Full.\n\$0.5 were billed"):
        generate("test/test").execute_complete({"ti": Broken()}, event)


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: generate("sandbox/broken-link", output_path=folder),
        lambda folder: ImageRouterEditOperator(task_id="task", image=f"{folder}/none.png", model="test/test"),
        lambda folder: ImageRouterVideoOperator(task_id="task", prompt="A cat", model="no/such"),
        lambda folder: ImageRouterDownloadOperator(task_id="task", image=f"{folder}/none.png", output_path=folder),
    ],
)
def test_the_traceback_begins_and_ends_at_the_operator(runs: Runs, tmp_path: Path, make: Any, caplog: Any) -> None:
    caplog.set_level("DEBUG", logger="airflow_provider_imagerouter")
    error, _ = failure(make(str(tmp_path)))
    ours = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "airflow_provider_imagerouter" in frame.filename
    ]
    assert [frame.name for frame in ours] == ["execute"]
    assert "another exception" not in "".join(traceback.format_exception(error))
    assert "The above exception" not in "".join(traceback.format_exception(error))
    [how] = [record for record in caplog.records if record.getMessage() == "How it came to the error"]
    assert how.exc_info
    assert len(traceback.extract_tb(how.exc_info[2])) > 1


@EITHER_WAY
def test_a_failed_task_leaves_its_cost(dag: DAG, runs: Runs, tmp_path: Path, deferrable: bool) -> None:
    ImageRouterGenerateOperator(
        task_id="task",
        prompt="A cat",
        model="sandbox/broken-link",
        output_path=str(tmp_path),
        deferrable=deferrable,
        retry_delay=timedelta(0),
    )
    run = runs(dag, state="failed")
    assert run.xcom("task", key="cost_usd") == runs.calls[0]["cost"] > 0
    assert run.xcom("task") is None
    assert run.xcom("task", key="error") == {
        "type": "ImageRouterStorageError",
        "message": ANY,
        "billed": "yes",
        "cost_usd": runs.calls[0]["cost"],
        "model": "sandbox/broken-link",
        "prompt": "A cat",
        "results_path": None,
    }


def test_what_goes_into_xcom_is_short_and_tells_no_secret(runs: Runs, tmp_path: Path) -> None:
    """Neither database nor browser chokes on it, whatever an error says."""
    message = "Not \0at\ud800 http://me:pass@host/in.png?signature=hush#hush, nor http://[half?hush " + "x" * 9000
    event = {"status": "error", "class": "ImageRouterStorageError", "message": message, "billed": "no", "model": "a/b"}
    operator = ImageRouterGenerateOperator(task_id="task", prompt="🐈" * 9000, model="test/test")
    _, task_instance = failure(operator, event=event)
    error = task_instance.xcoms["error"]
    assert error["message"].startswith("Not at? http://host/in.png nor … xxx")
    assert (len(error["message"]), len(error["prompt"])) == (2000, 2000)
    assert error["model"] == "a/b"
    assert "hush" not in str(error)
    assert "pass" not in str(error)


def test_the_model_and_prompt_that_were_sent(runs: Runs) -> None:
    """``extra_body`` goes before the others; of several models it is the one whose error it is."""
    extra = generate("test/test", extra_body={"model": "sandbox/refuses", "prompt": "A dog"})
    _, task_instance = failure(extra)
    assert (task_instance.xcoms["error"]["model"], task_instance.xcoms["error"]["prompt"]) == (
        "sandbox/refuses",
        "A dog",
    )
    _, task_instance = failure(generate("sandbox/fails", fallback_models=["sandbox/refuses"]))
    assert task_instance.xcoms["error"]["model"] == "sandbox/refuses"
    bad_extra = generate("test/test")
    bad_extra.extra_body = "no object"  # as a template may render it
    _, task_instance = failure(bad_extra)
    assert task_instance.xcoms["error"]["type"] == "ImageRouterInputError"
