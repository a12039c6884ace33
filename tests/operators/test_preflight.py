"""``validate_model=True``: what the catalogue knows to be wrong is never sent."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG
from support.logs import logged, says
from support.pictures import picture

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator

IMAGE_MODEL = "black-forest-labs/FLUX-1-schnell"


def no_edits(path: str) -> Any:
    return ImageRouterEditOperator(
        task_id="task", image=path, prompt="x", model=f"{IMAGE_MODEL}:free", validate_model=True
    )


def no_mask(path: str) -> Any:
    return ImageRouterEditOperator(
        task_id="task", image=path, mask=path, prompt="x", model="openai/gpt-image-1", validate_model=True
    )


def wrong_size(path: str) -> Any:
    return ImageRouterGenerateOperator(
        task_id="task", prompt="x", model="openai/gpt-image-1", size="640*480", validate_model=True
    )


def wrong_kind(path: str) -> Any:
    return ImageRouterGenerateOperator(task_id="task", prompt="x", model="ir/test-video", validate_model=True)


def wrong_length(path: str) -> Any:
    return ImageRouterVideoOperator(task_id="task", prompt="x", model="ir/test-video", seconds=7, validate_model=True)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_edits, "takes no input picture; models that do:"),
        (no_mask, "takes no mask; models that do:"),
        (wrong_size, "takes size auto, 1024x1024,"),
        (wrong_kind, "ir/test-video makes video, not image; models that do:"),
        (wrong_length, "makes videos of 5 seconds; not 7"),
    ],
)
def test_what_the_catalogue_knows_is_not_sent(
    make: Any, reason: str, imagerouter_connection: Any, run_dag: Any, tmp_path: Any, capfd: Any, caplog: Any
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(picture())
    with DAG("preflight") as dag:
        make(str(path))
    run = run_dag(dag)

    assert run.task_state("task") == "failed"
    assert imagerouter_connection.ledger()["totals"]["calls"] == 0
    assert says(logged(capfd, caplog), reason)


def test_another_name_of_a_model_is_that_model(
    imagerouter_connection: Any, run_dag: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with DAG("alias") as dag:
        ImageRouterGenerateOperator(
            task_id="task", prompt="x", model="google/gemini-2.5-flash-image", validate_model=True
        )
    run = run_dag(dag)

    assert run.task_state("task") == "success"
    assert "catalogue has no model" not in caplog.text


@pytest.mark.parametrize("options", [{}, {"validate_model": True}, {"max_cost_usd": 1}], ids=str)
def test_a_mistyped_model_is_refused_with_its_near_matches(
    options: dict[str, Any], imagerouter_connection: Any, run_dag: Any, capfd: Any, caplog: Any
) -> None:
    with DAG("mistyped") as dag:
        ImageRouterGenerateOperator(task_id="task", prompt="x", model="openai/gpt-image-l", **options)
    run = run_dag(dag)

    assert run.task_state("task") == "failed"
    assert imagerouter_connection.ledger()["totals"]["billed_calls"] == 0
    near = "Near it: openai/gpt-image-2, openai/gpt-image-1, openai/gpt-image-1-mini"
    assert says(logged(capfd, caplog), near)


def test_a_batch_asks_for_the_catalogue_once(imagerouter_connection: Any, run_dag: Any, tmp_path: Any) -> None:
    with DAG("preflight_batch") as dag:
        ImageRouterBatchOperator(
            task_id="task",
            requests=[{"prompt": "a", "size": "64x64"}, {"prompt": "b", "model": "ir/test-video"}],
            model=IMAGE_MODEL,
            result_path=str(tmp_path),
            validate_model=True,
            max_cost_usd=1,
            fail_on_partial_error=False,
        )
    manifest = run_dag(dag).xcom("task")

    assert (manifest["succeeded"], manifest["errors"]) == (1, {"ImageRouterInputError": 1})
