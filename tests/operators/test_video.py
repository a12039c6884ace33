"""Videos: the same records, storing, ledger and budget as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from support.pictures import picture

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator

VIDEO_MODEL = "bytedance/seedance-1-pro-fast"
IMAGE_MODEL = "black-forest-labs/FLUX-1-schnell"


def test_text_to_video_is_stored_with_its_length(imagerouter_connection: Any, run_dag: Any, tmp_path: Path) -> None:
    with DAG("text_to_video") as dag:
        ImageRouterVideoOperator(
            task_id="video", prompt="Waves", model=VIDEO_MODEL, seconds="{{ 1 + 1 }}", output_path=str(tmp_path)
        )
    run = run_dag(dag)

    [record] = run.xcom("video")
    assert record["content_type"] == "video/mp4"
    assert record["duration_seconds"] == 2
    assert record["width"] > 0
    assert Path(record["path"].removeprefix("file://")).stat().st_size == record["size_bytes"]
    assert record["path"].endswith(".mp4")
    assert run.xcom("video", key="cost_usd") == record["cost_usd"] > 0


def test_image_to_video_uploads_the_picture(imagerouter_connection: Any, run_dag: Any, tmp_path: Path) -> None:
    with DAG("image_to_video") as dag:
        rock = ImageRouterGenerateOperator(task_id="picture", prompt="A rock", model=IMAGE_MODEL, size="64x64")
        ImageRouterVideoOperator(
            task_id="video", image=rock.output, prompt="Waves", model=VIDEO_MODEL, output_path=str(tmp_path)
        )
    run = run_dag(dag)

    assert run.task_state("video") == "success"
    calls = imagerouter_connection.ledger()["calls"]
    assert calls[-1]["path"] == "/v1/openai/videos/generations"
    assert len(calls[-1]["images"]) == 1


def test_a_video_is_not_made_over_budget(imagerouter_connection: Any, run_dag: Any, tmp_path: Path) -> None:
    with DAG("video_budget") as dag:
        ImageRouterVideoOperator(
            task_id="video", prompt="Waves", model=VIDEO_MODEL, max_cost_usd=0.01, output_path=str(tmp_path), retries=3
        )
    run = run_dag(dag)

    assert run.task_state("video") == "failed"
    assert imagerouter_connection.ledger()["totals"]["calls"] == 0


def test_a_picture_or_prompt_that_came_to_nothing_is_not_left_out(imagerouter_connection: Any, run_dag: Any) -> None:
    with DAG("nothing") as dag:

        @task
        def nothing() -> None:
            return None

        ImageRouterVideoOperator(task_id="no_picture", image=nothing(), prompt="Waves", model="ir/test-video")
        ImageRouterVideoOperator(task_id="no_prompt", prompt=nothing(), model="ir/test-video")
    run = run_dag(dag)

    assert {run.task_state("no_picture"), run.task_state("no_prompt")} == {"failed"}
    assert imagerouter_connection.ledger()["totals"]["calls"] == 0


def test_links_are_passed_on_without_an_output_path(imagerouter_connection: Any, run_dag: Any) -> None:
    with DAG("video_link") as dag:
        ImageRouterVideoOperator(task_id="video", prompt="Waves", model="ir/test-video")
    [record] = run_dag(dag).xcom("video")

    assert record["url"].endswith(".mp4")
    assert record["path"] is None
    assert record["duration_seconds"] is None


@pytest.mark.parametrize("seconds", [0, 61, "long", True, "nan"])
def test_a_bad_length_is_found_when_the_dag_is_parsed(seconds: Any) -> None:
    with pytest.raises(ImageRouterInputError, match="seconds must be 'auto' or a number from 1 to 60"):
        ImageRouterVideoOperator(task_id="video", prompt="Waves", seconds=seconds)


def test_several_pictures(imagerouter_connection: Any, run_dag: Any, tmp_path: Path) -> None:
    path = tmp_path / "rock.png"
    path.write_bytes(picture())
    with DAG("pictures") as dag:
        ImageRouterVideoOperator(task_id="video", image=[str(path)] * 2, prompt="Waves", model=VIDEO_MODEL)
    run = run_dag(dag)

    assert run.task_state("video") == "success"
    assert imagerouter_connection.ledger()["totals"]["calls"] == 1


@pytest.mark.parametrize("arguments", [{"image": []}, {"image": ["a.png"] * 17}, {}, {"prompt": ""}, {"image": " "}])
def test_too_few_or_too_many_are_found_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    with pytest.raises(ImageRouterInputError, match=r"image|prompt"):
        ImageRouterVideoOperator(task_id="video", **arguments)


def test_another_model_makes_the_video(imagerouter_connection: Any, run_dag: Any) -> None:
    with DAG("another") as dag:
        ImageRouterVideoOperator(task_id="video", prompt="Waves", model="no/longer", fallback_models=[VIDEO_MODEL])
    [record] = run_dag(dag).xcom("video")
    assert record["model"] == VIDEO_MODEL
