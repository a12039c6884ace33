"""Templates in every field, prompts in files, and what the UI shows of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow.sdk import DAG
from support.dags import Runs
from support.pictures import picture

from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 3.0
    from airflow.models.dagbag import DagBag  # type: ignore[attr-defined,no-redef]

CONF: dict[str, Any] = {
    "prompt": "A lighthouse",
    "model": "openai/gpt-image-1",
    "quality": "high",
    "size": "1024x1536",
    "output_format": "png",
    "response_format": "b64_ephemeral",
    "filename": "summer",
    "imagerouter_conn_id": "imagerouter_default",
}


def test_every_field(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(picture())
    fields = {name: f"{{{{ dag_run.conf['{name}'] }}}}" for name in (*CONF, "output_path")}
    generate = ImageRouterGenerateOperator(task_id="generate", **fields)
    generate >> ImageRouterEditOperator(
        task_id="edit", image="{{ dag_run.conf['image'] }}", **{**fields, "filename": "{{ task.task_id }}"}
    )
    run = runs(dag, **CONF, output_path=str(tmp_path / "out"), image=str(tmp_path / "in.png"))
    first, second = runs.calls
    asked = {name: CONF[name] for name in ("quality", "size", "output_format", "response_format")}
    assert first["parameters"].items() >= asked.items()
    assert second["parameters"].items() >= asked.items()
    assert (first["prompt"], first["model"], len(second["images"])) == ("A lighthouse", "openai/gpt-image-1", 1)
    assert run.xcom("generate")[0]["path"] == f"file://{tmp_path}/out/summer.png"
    assert run.xcom("edit")[0]["path"] == f"file://{tmp_path}/out/edit.png"


def test_values_are_checked_once_they_are_rendered(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    bad = {
        "prompt": "",
        "quality": "best",
        "size": "large",
        "output_format": "gif",
        "response_format": "base64",
        "filename": "../..",
    }
    for name, value in bad.items():
        fields = {"prompt": "A cat", "model": "test/test", "output_path": str(tmp_path / "x")}
        ImageRouterGenerateOperator(task_id=name, retries=3, **{**fields, name: f"{{{{ '{value}' }}}}"})
    ImageRouterGenerateOperator(
        task_id="no_place", prompt="A cat", model="test/test", response_format="{{ 'b64_json' }}", retries=3
    )
    run = runs(dag, state="failed")
    assert {run.task_state(name) for name in (*bad, "no_place")} == {"failed"}
    assert runs.calls == []


DAG_FILE = """
from airflow.sdk import DAG
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

with DAG("prompt_file", schedule=None, params={"city": "Turku"}):
    ImageRouterGenerateOperator(task_id="poster", prompt="posters/summer.prompt", model="test/test")
"""


def test_a_prompt_in_a_file_beside_the_dag(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "posters").mkdir()
    (tmp_path / "posters" / "summer.prompt").write_text("A poster of {{ params.city }}\nin summer, ümläuts 🦊\n")
    (tmp_path / "prompt_file.py").write_text(DAG_FILE)
    bag = DagBag(str(tmp_path / "prompt_file.py"))
    assert bag.import_errors == {}
    runs(bag.dags["prompt_file"])
    assert runs.calls[0]["prompt"].strip() == "A poster of Turku\nin summer, ümläuts 🦊"


def test_rendered_fields_are_json(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    made = ImageRouterGenerateOperator(task_id="made", prompt="A", model="test/test", output_path=str(tmp_path))
    edit = ImageRouterEditOperator(task_id="edit", image=made.output, mask=tmp_path / "mask.png", prompt="B")
    for name in edit.template_fields:
        value = getattr(edit, name)
        if name != "image":
            json.dumps(str(value) if isinstance(value, Path) else value)
    assert edit.template_fields_renderers["image"] == "json"
    assert edit.template_fields_renderers["prompt"] == "md"
