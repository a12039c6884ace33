"""What is found out when a Dag is parsed, and what is left until the task runs."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 3.0
    from airflow.models.dagbag import DagBag  # type: ignore[attr-defined,no-redef]

LINK = "https://pictures.invalid/a.png"

BAD_PARAMETERS: dict[str, dict[str, Any]] = {
    "quality": {"quality": "best"},
    "quality's case": {"quality": "HIGH"},
    "size": {"size": "large"},
    "size with a line break": {"size": "512x512\n"},
    "size as a number": {"size": 512},
    "output_format": {"output_format": "gif"},
    "response_format": {"response_format": "base64"},
    "empty prompt": {"prompt": "  "},
    "long prompt": {"prompt": "x" * 20_001},
    "prompt as a list": {"prompt": ["a", "b"]},
    "empty model": {"model": ""},
    "filename above": {"filename": ".."},
    "filename of nothing": {"filename": "?/…"},
    "empty filename": {"filename": ""},
    "filename as a number": {"filename": 5},
    "b64_json without a place": {"response_format": "b64_json"},
    "b64_ephemeral without a place": {"response_format": "b64_ephemeral"},
}


@pytest.mark.parametrize("parameters", BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_bad_parameters(parameters: dict[str, Any]) -> None:
    with pytest.raises(ImageRouterInputError):
        ImageRouterGenerateOperator(task_id="task", **{"prompt": "a cat", **parameters})
    with pytest.raises(ImageRouterInputError):
        ImageRouterEditOperator(task_id="task", image=LINK, **parameters)


@pytest.mark.parametrize("image", [None, [], [LINK] * 17], ids=["None", "none", "17"])
def test_bad_images(image: Any) -> None:
    with pytest.raises(ImageRouterInputError, match="image"):
        ImageRouterEditOperator(task_id="task", image=image)


@pytest.mark.parametrize("name", ["prompt", "model", "quality", "size", "output_format", "response_format", "filename"])
@pytest.mark.parametrize("template", ["{{ params.x }}", "{% if true %}low{% endif %}"])
def test_templates_are_not_judged_before_they_are_rendered(name: str, template: str) -> None:
    ImageRouterGenerateOperator(task_id="task", **{"prompt": "a cat", name: template})
    ImageRouterEditOperator(task_id="task", image=template, mask=template, **{name: template})
    ImageRouterDownloadOperator(task_id="task", image=template, output_path=template, filename=template)


@pytest.mark.parametrize("name", ["prompt", "model", "quality", "size", "output_format", "response_format", "filename"])
def test_outputs_of_other_tasks_are_not_judged_before_they_are_there(dag: DAG, name: str) -> None:
    upstream = ImageRouterGenerateOperator(task_id="upstream", prompt="a cat")
    arguments = {"prompt": "a cat", name: upstream.output}
    task = ImageRouterGenerateOperator(task_id="task", output_path=upstream.output, **arguments)
    assert task.upstream_task_ids == {"upstream"}
    edit = ImageRouterEditOperator(task_id="edit", image=[upstream.output, LINK], mask=upstream.output)
    assert edit.upstream_task_ids == {"upstream"}


def test_b64_with_a_place() -> None:
    for output_path in ("/data", "{{ params.folder }}", ObjectStoragePath("file:///data"), Path("/data")):
        ImageRouterGenerateOperator(
            task_id="task", prompt="a cat", response_format="b64_ephemeral", output_path=output_path
        )


def test_a_bad_parameter_is_an_import_error_of_the_dag(tmp_path: Path) -> None:
    file = tmp_path / "bad_dag.py"
    file.write_text(
        "from airflow.sdk import DAG\n"
        "from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator\n"
        "with DAG('bad', schedule=None):\n"
        "    ImageRouterGenerateOperator(task_id='poster', prompt='a cat', quality='best')\n"
    )
    [said] = DagBag(str(tmp_path)).import_errors.values()
    assert "quality must be one of auto, low, medium, high, not 'best'" in said


def test_parsing_needs_no_connection_and_does_no_io(dag: DAG, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("network used while parsing")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    folder = str(tmp_path / "folder")
    poster = ImageRouterGenerateOperator(
        task_id="poster", prompt="a cat", output_path=folder, imagerouter_conn_id="no_such_connection"
    )
    ImageRouterEditOperator(task_id="edit", image=[poster.output, "s3://none@none/a.png"], output_path=folder)
    ImageRouterDownloadOperator(task_id="download", image=LINK, output_path="s3://none@none/folder")
    assert not Path(folder).exists()


def test_every_parameter_is_templated() -> None:
    everything = {"prompt", "model", "quality", "size", "output_format", "response_format", "output_path", "filename"}
    everything.add("fallback_models")
    assert everything <= set(ImageRouterGenerateOperator.template_fields)
    assert everything | {"image", "mask"} <= set(ImageRouterEditOperator.template_fields)
    assert {"image", "output_path", "filename"} <= set(ImageRouterDownloadOperator.template_fields)


@pytest.mark.parametrize(
    "operator", [ImageRouterGenerateOperator, ImageRouterEditOperator, ImageRouterDownloadOperator]
)
def test_template_fields_are_attributes_and_renderers_are_template_fields(operator: Any) -> None:
    needed = {"image": LINK, "output_path": "/data"}
    accepted = {"prompt": "a cat"} if operator is ImageRouterGenerateOperator else needed
    task = operator(task_id="task", **accepted)
    for name in operator.template_fields:
        assert hasattr(task, name)
    assert operator.template_ext == (".prompt",)
    shown = set(operator.template_fields_renderers)
    assert shown <= {"prompt", "image", "mask", *operator.template_fields}
