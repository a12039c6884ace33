"""Parameters that this package does not know reach the API, whoever sends them."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, task
from support.dags import Runs
from support.pictures import picture

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator

MODEL = "sandbox/slow-0"
VIDEO_MODEL = "bytedance/seedance-1-pro-fast"
EXTRA = {"seed": 7, "style": "{{ dag_run.conf['style'] }}", "quality": "high"}


def test_each_operator_and_the_decorator_send_them_as_they_are(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    image = str(tmp_path / "in.png")
    Path(image).write_bytes(picture())
    common = {"prompt": "A", "model": MODEL, "quality": "low", "extra_body": EXTRA}

    @task.imagerouter(model=MODEL, extra_body=EXTRA)
    def from_decorator() -> str:
        return "A"

    @task.imagerouter(model=MODEL)
    def from_function() -> dict:
        return {"prompt": "A", "image": image, "extra_body": {**EXTRA, "style": "woodcut"}}

    ImageRouterGenerateOperator(task_id="generated", **common)
    ImageRouterEditOperator(task_id="edited", image=image, **common)
    ImageRouterVideoOperator(task_id="filmed", **{**common, "model": VIDEO_MODEL})
    ImageRouterVideoOperator(task_id="set_in_motion", image=image, **{**common, "model": VIDEO_MODEL})
    ImageRouterBatchOperator(task_id="batch", requests=[common, {**common, "image": image}], result_path=str(tmp_path))
    from_decorator()
    from_function()
    runs(dag, style="woodcut")

    assert len(runs.calls) == 8
    for call in runs.calls:
        seed = "7" if call["images"] else 7  # a form has texts only
        assert call["parameters"] == {"seed": seed, "style": "woodcut", "quality": "high"}, call
