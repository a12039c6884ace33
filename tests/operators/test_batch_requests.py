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
        (["ok", 5], r"requests\[1\]: it must be a prompt or a dict, not int"),
        (["ok", None], r"requests\[1\]: it must be a prompt or a dict, not NoneType"),
        (["ok", ["nested"]], r"requests\[1\]: it must be a prompt or a dict, not list"),
        ([{"prompt": "ok", "sise": "1x1"}], r"requests\[0\]: unknown parameters \['sise'\]; allowed: prompt, model"),
        ([{"prompt": "ok", 1: 2}], r"unknown parameters \['1'\]"),
        ([{"prompt": "ok", "size": "large"}], r"requests\[0\]: size must be 'auto' or like '1024x768', not 'large'"),
        ([{"prompt": "ok", "quality": "best"}], r"requests\[0\]: quality must be one of auto, low, medium, high"),
        ([{"prompt": "ok", "output_format": "gif"}], r"requests\[0\]: output_format must be one of"),
        ([{"prompt": "ok", "n": 0}], r"requests\[0\]: n must be a whole number from 1 to 100, not 0"),
        ([{"prompt": "ok", "n": "many"}], r"requests\[0\]: n must be"),
        (["ok", " "], r"requests\[1\]: prompt is empty"),
        ([{"prompt": "x" * 20_001}], r"requests\[0\]: prompt has 20001 characters"),
        ([{}], r"requests\[0\]: it needs an image, or else a prompt and no mask"),
        ([{"prompt": "hat", "mask": "mask.png"}], r"requests\[0\]: it needs an image"),
        (["{{ ds }}", {"prompt": "ok", "n": 0}], r"requests\[1\]: n must be"),
        ([{"prompt": "ok", "image": None}], r"requests\[0\]: image is None; leave it out"),
        ([{"prompt": "ok", "model": ""}], r"requests\[0\]: model is empty"),
        ([{"prompt": "ok", "extra_body": ["seed"]}], r"requests\[0\]: extra_body must be a dict"),
        ([{"extra_body": {"seed": 1}}], r"requests\[0\]: it needs an image, or else a prompt"),
        ([{"prompt": "ok", "fallback_models": [""]}], r"requests\[0\]: fallback_models\[0\] must be a model id"),
        ([{"prompt": "ok", "filename": "/"}], r"requests\[0\]: filename must have a letter"),
        ([{"prompt": "ok", "metadata": "sku"}], r"requests\[0\]: metadata must be a dict"),
        ([{"prompt": "ok", "metadata": {1: 2}}], r"requests\[0\]: metadata must be a dict"),
        ([{"prompt": "ok", "metadata": {"tags": ["a"]}}], r"requests\[0\]: metadata 'tags' must be text, a number"),
        ([{"prompt": "ok", "metadata": {"x": float("nan")}}], r"requests\[0\]: metadata 'x' must be"),
        (
            [{"prompt": "a", "metadata": {"sku": 1}}, {"prompt": "b", "metadata": {"sku": "1"}}],
            r"requests\[1\]: metadata 'sku' is text here and a number in a request before",
        ),
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
                [{"prompt": prompt(), "metadata": {"sku": prompt()}, "filename": prompt(), "extra_body": prompts()}],
                [{"prompt": "ok", "metadata": prompts()}, {"extra_body": {"prompt": prompt()}}],
                [{"prompt": "a", "metadata": {"n": 1, "x": None}}, {"prompt": "b", "metadata": {"n": 0.5, "x": "x"}}],
                [],
                ("a", "tuple"),
            ]
        ):
            ImageRouterBatchOperator(task_id=f"batch_{number}", requests=requests, result_path="/tmp/out")
        ImageRouterBatchOperator.partial(task_id="mapped", result_path="/tmp/out").expand(requests=[["a"], ["b"]])
