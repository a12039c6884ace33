"""What was given and comes to nothing is an error, before anything is paid: another call would be made without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from support.dags import Runs
from support.pictures import picture

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator

MODEL = "black-forest-labs/FLUX-1-schnell"
NOTHING = ["", " \n", "None"]

CASES = [
    pytest.param(operator, name, id=f"{operator.__name__}-{name}")
    for operator, names in {
        ImageRouterGenerateOperator: ("prompt", "max_cost_usd", "model", "output_path"),
        ImageRouterEditOperator: ("image", "prompt", "mask", "max_cost_usd"),
        ImageRouterVideoOperator: ("image", "prompt", "max_cost_usd"),
        ImageRouterBatchOperator: ("requests", "max_cost_usd"),
        ImageRouterDownloadOperator: ("image", "output_path"),
    }.items()
    for name in names
]


@pytest.fixture
def good(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What makes each operator work, by class."""
    (tmp_path / "in.png").write_bytes(picture())
    image = str(tmp_path / "in.png")
    arguments: dict[Any, dict[str, Any]] = {
        ImageRouterGenerateOperator: {"prompt": "a cat", "model": MODEL},
        ImageRouterEditOperator: {"prompt": "a cat", "model": "test/test", "image": image},
        ImageRouterVideoOperator: {"prompt": "a cat", "model": "ir/test-video", "image": image},
        ImageRouterBatchOperator: {"requests": ["a cat"], "model": MODEL, "result_path": str(tmp_path / "b")},
        ImageRouterDownloadOperator: {"image": image, "output_path": str(tmp_path / "d")},
    }
    return lambda operator, *without: {key: value for key, value in arguments[operator].items() if key not in without}


@pytest.mark.parametrize(("operator", "name"), CASES)
@pytest.mark.parametrize("value", NOTHING, ids=repr)
def test_when_the_dag_is_parsed(operator: Any, name: str, value: str, good: Any) -> None:
    with pytest.raises(ImageRouterInputError, match=name):
        operator(task_id="task", **{**good(operator), name: value})


@pytest.mark.parametrize(("operator", "name"), CASES)
def test_from_templates_and_upstream_tasks(dag: DAG, runs: Runs, good: Any, operator: Any, name: str) -> None:
    @task
    def nothing() -> None: ...

    ids = [f"from_template_{number}" for number in range(len(NOTHING))]
    for task_id, value in zip(ids, NOTHING, strict=True):
        operator(task_id=task_id, **{**good(operator), name: f"{{{{ {value!r} }}}}"})
    operator(task_id="from_output", **{**good(operator), name: nothing()})
    run = runs(dag, state="failed")
    assert {run.task_state(task_id) for task_id in [*ids, "from_output"]} == {"failed"}
    assert runs.calls == []


@pytest.mark.parametrize(("operator", "name"), CASES)
def test_in_mapped_tasks(dag: DAG, runs: Runs, good: Any, operator: Any, name: str) -> None:
    @task
    def nothings() -> list[Any]:
        return [None, *NOTHING]

    @task
    def dicts() -> list[dict[str, Any]]:
        return [{name: None}]

    partial = good(operator, name)
    operator.partial(task_id="mapped", **partial).expand(**{name: [None, *NOTHING]})
    operator.partial(task_id="mapped_over_output", **partial).expand(**{name: nothings()})
    operator.partial(task_id="kwargs", **partial).expand_kwargs([{name: None}])
    operator.partial(task_id="kwargs_of_output", **partial).expand_kwargs(dicts())
    run = runs(dag, state="failed")
    many = [(task_id, index) for task_id in ("mapped", "mapped_over_output") for index in range(4)]
    states = {run.task_state(*one) for one in [*many, ("kwargs", 0), ("kwargs_of_output", 0)]}
    assert states == {"failed"}
    assert runs.calls == []


def test_a_generation_without_a_prompt_must_be_meant(dag: DAG, runs: Runs) -> None:
    with pytest.raises(TypeError, match="prompt"):
        ImageRouterGenerateOperator(task_id="left_out", model="test/test")
    ImageRouterGenerateOperator(task_id="meant", prompt=None, model="test/test")
    ImageRouterGenerateOperator.partial(task_id="mapped", prompt=None, model="test/test").expand(size=["64x64", "auto"])
    run = runs(dag)
    assert run.task_state("meant") == "success"
    assert len(runs.calls) == 3


def test_what_a_mapped_task_leaves_out_is_left_out(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(picture())
    kwargs = [{"prompt": "a"}, {"prompt": "b", "image": str(tmp_path / "in.png")}]
    ImageRouterVideoOperator.partial(task_id="video", model="ir/test-video").expand_kwargs(kwargs)
    ImageRouterEditOperator.partial(task_id="edit", model="test/test", mask=None, max_cost_usd=None).expand_kwargs(
        kwargs[1:]
    )
    runs(dag)
    assert sorted((call["prompt"], len(call["images"])) for call in runs.calls) == [("a", 0), ("b", 1), ("b", 1)]


@pytest.mark.parametrize(
    ("operator", "unknown"),
    [
        (ImageRouterBatchOperator, {"output_path": "/data"}),
        (ImageRouterDownloadOperator, {"max_cost_usd": 1}),
        (ImageRouterVideoOperator, {"mask": "a.png"}),
        (ImageRouterGenerateOperator, {"sise": "64x64"}),
    ],
)
def test_parameters_of_others_are_refused(good: Any, operator: Any, unknown: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(unknown))):
        operator(task_id="task", **good(operator), **unknown)
