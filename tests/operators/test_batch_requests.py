"""Which requests a batch takes, and what it says about others, when the Dag is parsed."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator


def batch(requests: Any, **arguments: Any) -> ImageRouterBatchOperator:
    with DAG("batch"):
        return ImageRouterBatchOperator(task_id="batch", requests=requests, result_path="/tmp/out", **arguments)


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ("A red chair", "requests must be a list of prompts and dicts, not str"),
        (b"A red chair", "not bytes"),
        ({"prompt": "A red chair"}, "not dict"),
        (None, "not NoneType"),
        (iter(["A red chair"]), "not list_iterator"),
        (["ok", 5], "request 2 must be a prompt or a dict, not int"),
        (["ok", None], "request 2 must be a prompt or a dict, not NoneType"),
        (["ok", ["nested"]], "request 2 must be a prompt or a dict, not list"),
        ([{"prompt": "ok", "sise": "1x1"}], r"request 1 has unknown parameters \['sise'\]; allowed: prompt, model"),
        ([{"prompt": "ok", 1: 2}], r"unknown parameters \['1'\]"),
        ([{"prompt": "ok", "size": "large"}], "request 1: size must be 'auto' or like '1024x768', not 'large'"),
        ([{"prompt": "ok", "quality": "best"}], "request 1: quality must be one of auto, low, medium, high"),
        ([{"prompt": "ok", "output_format": "gif"}], "request 1: output_format must be one of"),
        ([{"prompt": "ok", "n": 0}], "request 1: n must be a whole number from 1 to 100, not 0"),
        ([{"prompt": "ok", "n": "many"}], "request 1: n must be"),
        (["ok", " "], "request 2: prompt is empty"),
        ([{"prompt": "x" * 20_001}], "request 1: prompt has 20001 characters"),
        ([{}], "request 1 needs an image, or else a prompt and no mask"),
        ([{"prompt": "hat", "mask": "mask.png"}], "request 1 needs an image"),
        (["{{ ds }}", {"prompt": "ok", "n": 0}], "request 2: n must be"),
    ],
)
def test_a_bad_request_is_found_when_the_dag_is_parsed(requests, message):
    with pytest.raises(ImageRouterInputError, match=message):
        batch(requests)


@pytest.mark.parametrize("value", [0, -1, 1.5, "8", True, None])
def test_a_bad_concurrency_is_found_when_the_dag_is_parsed(value):
    with pytest.raises(ImageRouterInputError, match="max_concurrency must be a whole number from 1"):
        batch(["ok"], max_concurrency=value)


def test_what_is_known_only_later_is_taken():
    @task
    def prompts() -> list[str]:
        return ["a cat"]

    @task
    def prompt() -> str:
        return "a cat"

    with DAG("later"):
        for number, requests in enumerate(
            [
                prompts(),
                "{{ params.requests }}",
                ["{{ ds }}", {"prompt": "{{ ds }}", "size": "{{ params.size }}", "n": "{{ params.n }}"}],
                [prompt(), {"image": prompts(), "prompt": "hat"}],
                [],
                ("a", "tuple"),
            ]
        ):
            ImageRouterBatchOperator(task_id=f"batch_{number}", requests=requests, result_path="/tmp/out")
        ImageRouterBatchOperator.partial(task_id="mapped", result_path="/tmp/out").expand(requests=[["a"], ["b"]])
