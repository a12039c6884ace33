"""What Airflow resolves before a task runs is not judged when the Dag is parsed, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, setup, task, task_group
from airflow.sdk import dag as dag_decorator
from airflow.sdk.definitions._internal.templater import LiteralValue
from support.dags import Runs

from airflow_provider_imagerouter.decorators.imagerouter import ImageRouterDecoratedOperator
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator
from airflow_provider_imagerouter.sensors.credits import ImageRouterCreditsSensor

MODEL = "black-forest-labs/FLUX-1-schnell"

NEEDED: dict[Any, dict[str, Any]] = {
    ImageRouterGenerateOperator: {"prompt": "a cat"},
    ImageRouterEditOperator: {"image": "a.png"},
    ImageRouterVideoOperator: {"prompt": "a cat"},
    ImageRouterBatchOperator: {"requests": ["a cat"], "result_path": "/data"},
    ImageRouterDownloadOperator: {"image": "a.png", "output_path": "/data"},
    ImageRouterDecoratedOperator: {"python_callable": lambda: "a cat"},
    ImageRouterCreditsSensor: {"min_usd": 1},
}
FIELDS = [
    pytest.param(operator, name, id=f"{operator.__name__}-{name}")
    for operator in NEEDED
    for name in operator.template_fields
    if name not in ("op_args", "op_kwargs", "templates_dict")
]


def lazy_values(dag: DAG, in_group: Any) -> dict[str, Any]:
    """Return each kind of value that Airflow resolves later."""

    @task
    def upstream() -> list[str]:
        return ["a"]

    @setup
    def prepare() -> str:
        return "a"

    values = upstream()
    return {
        "output": values,
        "key of an output": values["key"],
        "map": values.map(str),
        "zip": values.zip(values),
        "concat": values.concat(values),
        "argument of a mapped task group": in_group,
        "parameter of the Dag": dag.param("name", "a"),
        "setup task": prepare(),
        "literal": LiteralValue("a"),
        "template": "{{ params.name }}",
        "function": lambda context, jinja_env: "a",
    }


@pytest.mark.parametrize(("operator", "name"), FIELDS)
def test_every_kind_in_every_templated_parameter(operator: Any, name: str) -> None:
    with DAG("lazy", schedule=None) as dag:
        arguments: list[Any] = []

        @task_group
        def group(value: str) -> None:
            arguments.append(value)

        group.expand(value=["a", "b"])
        kinds = lazy_values(dag, arguments[0])
        for number, value in enumerate(kinds.values()):
            for inside, lazy in {"bare": value, "list": [value], "dict": {"x": [value]}}.items():
                made = operator(task_id=f"task_{inside}_{number}", **{**NEEDED[operator], name: lazy})
                assert getattr(made, name) is lazy


def test_every_kind_in_the_requests_of_a_batch() -> None:
    with DAG("lazy", schedule=None) as dag:
        arguments: list[Any] = []

        @task_group
        def group(value: str) -> None:
            arguments.append(value)

        group.expand(value=["a", "b"])
        for number, value in enumerate(lazy_values(dag, arguments[0]).values()):
            in_dict = [{name: value, "image": "a.png"} for name in ("prompt", "model", "size", "n", "mask")]
            requests = [value, *in_dict, {"image": value}, {"image": [value, "a.png"], "prompt": "hat"}]
            ImageRouterBatchOperator(task_id=f"batch_{number}", requests=requests, result_path="/tmp/out")


@pytest.mark.parametrize(("operator", "name"), FIELDS)
def test_what_is_next_to_it_is_judged_all_the_same(operator: Any, name: str) -> None:
    wrong = {"filename": "..", "size": "large", "n": 0, "max_cost_usd": -1, "quality": "best", "min_usd": -1}
    if name in wrong:
        with DAG("lazy", schedule=None) as dag, pytest.raises(Exception, match=name):
            operator(
                task_id="task",
                **{**NEEDED[operator], "imagerouter_conn_id": dag.param("connection", "a"), name: wrong[name]},
            )


def in_group(make: Callable[[Any], Any], values: list[Any]) -> DAG:
    """Return a Dag with a mapped task group that makes an operator of each value."""
    with DAG("mapped_group", schedule=None, default_args={"retries": 0}) as dag:

        @task_group
        def group(value: Any) -> None:
            make(value)

        group.expand(value=values)
    return dag


def test_operators_in_a_mapped_task_group_run(runs: Runs, tmp_path: Path) -> None:
    def make(city: Any) -> None:
        poster = ImageRouterGenerateOperator(
            task_id="poster", prompt=city, model=MODEL, filename=city, output_path=str(tmp_path)
        )
        ImageRouterEditOperator(task_id="night", image=poster.output, prompt=city, model=MODEL)
        ImageRouterDownloadOperator(task_id="copy", image=poster.output, filename=city, output_path=str(tmp_path / "x"))
        ImageRouterBatchOperator(
            task_id="batch", requests=[city, {"prompt": city, "n": 2}], model=MODEL, result_path=str(tmp_path / "batch")
        )

    runs(in_group(make, ["Lisbon", "Turku"]))
    asked = sorted((call["prompt"], len(call["images"])) for call in runs.calls)
    assert asked == [*[("Lisbon", 0)] * 4, ("Lisbon", 1), *[("Turku", 0)] * 4, ("Turku", 1)]


@pytest.mark.parametrize(
    ("values", "parameter"),
    [([1, 0], "n"), (["64x64", "large"], "size"), (["low", "best"], "quality"), ([0.5, -1], "max_cost_usd")],
)
def test_what_comes_is_judged_when_it_is_there(runs: Runs, values: list[Any], parameter: str) -> None:
    def make(value: Any) -> None:
        ImageRouterGenerateOperator(task_id="poster", **{"prompt": "a cat", "model": MODEL, parameter: value})

    run = runs(in_group(make, values), state="failed")
    assert [run.task_state("group.poster", index) for index in (0, 1)] == ["success", "failed"]
    assert len(runs.calls) == 1


def test_arguments_of_a_dag_reach_the_operators(runs: Runs, tmp_path: Path) -> None:
    @dag_decorator(schedule=None)
    def posters(city: str = "Turku", model: str = MODEL, size: str = "64x64", n: int = 2, budget: float = 1) -> None:
        ImageRouterGenerateOperator(task_id="poster", prompt=city, model=model, size=size, n=n, max_cost_usd=budget)
        ImageRouterBatchOperator(
            task_id="batch", requests=[city, {"prompt": "b", "size": size}], model=model, result_path=str(tmp_path)
        )
        ImageRouterCreditsSensor(task_id="enough", min_usd=budget)

        @task.imagerouter(model=model, size=size)
        def decorated(name: str) -> str:
            return f"decorated {name}"

        decorated(city)

    runs(posters(), city="Lisbon")
    asked = sorted((call["prompt"], call["parameters"].get("size", "any")) for call in runs.calls)
    both = [("Lisbon", "64x64")] * 2
    assert asked == [*both, ("Lisbon", "any"), ("b", "64x64"), ("decorated Lisbon", "64x64")]
