"""Editing, in a real Airflow against the sandbox: the pictures' bytes arrive, wherever they were."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath, task
from support.dags import Runs
from support.logs import logged
from support.object_store import URI, ObjectStore
from support.pictures import picture
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

MODEL = "test/test"
"""Takes several images and a mask."""


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def edit(task_id: str = "edit", **parameters: Any) -> ImageRouterEditOperator:
    return ImageRouterEditOperator(task_id=task_id, **{"prompt": "In winter", "model": MODEL, **parameters})


def test_generate_then_edit(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    folder = str(tmp_path)
    stored = ImageRouterGenerateOperator(task_id="stored", prompt="A", model=MODEL, output_path=folder)
    linked = ImageRouterGenerateOperator(task_id="linked", prompt="B", model="sandbox/url")
    edit(image=[stored.output, linked.output], model="qwen/qwen-image", output_path=folder, filename="edited")
    run = runs(dag)
    [record] = run.xcom("edit")
    [call] = [call for call in runs.calls if call["path"].endswith("/edits")]
    sha256 = run.xcom("stored")[0]["sha256"]
    assert call["images"][0] == sha256
    assert len(call["images"]) == 2
    assert record["prompt"] == "In winter"
    assert record["sha256"] not in call["images"]
    assert Path(record["path"].removeprefix("file://")).is_file()


def test_every_kind_of_place(dag: DAG, runs: Runs, tmp_path: Path, object_store: ObjectStore) -> None:
    """Links above all: the API ignores those, and bills the call as text to image."""
    contents = [picture(color=(number, 0, 0)) for number in range(7)]
    for number in (1, 2):
        (tmp_path / f"{number}.png").write_bytes(contents[number])
    for number in (3, 4):
        object_store.put(f"{number}.png", contents[number])
    with RawServer(answer(contents[0])) as server, RawServer(answer(contents[5])) as other:
        edit(
            image=[
                server.url + "/a.png",
                str(tmp_path / "1.png"),
                f"file://{tmp_path}/2.png",
                f"{URI}/3.png",
                ObjectStoragePath(f"{URI}/4.png"),
                f"data:image/png;base64,{b64encode(contents[6]).decode()}",
            ],
            mask={"url": other.url},
        )
        runs(dag)
    [call] = runs.calls
    assert call["images"] == [digest(content) for content in (*contents[:5], contents[6])]
    assert call["mask"] == digest(contents[5])
    assert call["path"] == "/v1/openai/images/edits"


def test_expand_over_the_records_of_one_task(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    made = ImageRouterGenerateOperator(
        task_id="made", prompt="A", model="sandbox/three-pictures", output_path=str(tmp_path)
    )
    ImageRouterEditOperator.partial(task_id="edit", prompt="In winter", model=MODEL, output_path=str(tmp_path)).expand(
        image=made.output
    )
    run = runs(dag)
    sha256s = [record["sha256"] for record in run.xcom("made")]
    assert sorted(call["images"][0] for call in runs.calls[1:]) == sorted(sha256s)
    assert len({run.xcom("edit", map_index=index)[0]["path"] for index in range(3)}) == 3


def test_all_records_of_a_mapped_task_in_one_edit(dag: DAG, runs: Runs) -> None:
    made = ImageRouterGenerateOperator.partial(task_id="made", model=MODEL, response_format="url").expand(
        prompt=["one", "two"]
    )
    edit(image=made.output)
    runs(dag)
    assert len(runs.calls[-1]["images"]) == 2


@pytest.mark.parametrize(
    "template",
    [
        "{{ ti.xcom_pull('made') }}",
        "{{ ti.xcom_pull('made') | tojson }}",
        "{{ ti.xcom_pull('made')[0] }}",
        "{{ ti.xcom_pull('made')[0].path }}",
        "{{ ti.xcom_pull('made')[0].url }}",
    ],
)
def test_records_in_templates(dag: DAG, runs: Runs, tmp_path: Path, template: str) -> None:
    made = ImageRouterGenerateOperator(
        task_id="made", prompt='It\'s a "cat"\n{in braces}', model=MODEL, output_path=str(tmp_path)
    )
    made >> edit(image=template)
    run = runs(dag)
    assert runs.calls[-1]["images"] == [run.xcom("made")[0]["sha256"]]


def test_an_image_that_renders_to_nothing(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    """An edit without a picture would be billed as text to image."""

    @task
    def nothing() -> None:
        return None

    (tmp_path / "good.png").write_bytes(picture())
    edit("none", image=nothing())
    edit("no_mask", image=str(tmp_path / "good.png"), mask=nothing())
    edit("empty", image="{{ [] }}")
    edit("rendered_none", image="{{ ti.xcom_pull('no_such_task') }}")
    edit("blank", image="{{ '' }}")
    run = runs(dag, state="failed")
    names = ("none", "no_mask", "empty", "rendered_none", "blank")
    assert [run.task_state(name) for name in names] == ["failed"] * 5
    assert runs.calls == []


def test_what_is_no_picture_is_never_sent(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    good.write_bytes(picture())
    bad = {"empty": b"", "text": b"Once upon", "cut": picture()[:-60], "large": picture() + b"\0" * 26_214_400}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        edit(f"{name}_image", image=[good, tmp_path / name], retries=3)
        edit(f"{name}_mask", image=str(good), mask=tmp_path / name, retries=3)
    edit("missing", image=str(tmp_path / "missing.png"), retries=3)
    edit("folder", image=str(tmp_path), retries=3)
    with RawServer(answer("", "404 Not Found")) as server:
        edit("link", image=server.url, retries=3)
        run = runs(dag, state="failed")
        assert len(server.requests) == 1
    assert {run.task_state(name) for name in dag.task_dict} == {"failed"}
    assert runs.calls == []


def test_one_of_several_pictures_by_a_template(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    made = ImageRouterGenerateOperator(
        task_id="made", prompt="A", model="sandbox/three-pictures", output_path=str(tmp_path)
    )
    first = "{{ ti.xcom_pull(task_ids='made')[0] }}"
    made >> ImageRouterEditOperator(task_id="edit", image=first, prompt="B", model=MODEL)
    run = runs(dag)
    assert runs.calls[-1]["images"] == [run.xcom("made")[0]["sha256"]]


def test_an_edit_that_comes_back_as_it_was_says_so(
    dag: DAG, runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The record says it in all cases; null where the picture was not fetched."""
    (tmp_path / "in.png").write_bytes(picture())
    image, folder = str(tmp_path / "in.png"), str(tmp_path / "out")
    edit("echoed", image=image, model="sandbox/echo", output_path=folder)
    edit("edited", image=image, model="sandbox/revises", output_path=folder)
    edit("linked", image=image, model="sandbox/echo")
    ImageRouterGenerateOperator(task_id="made", prompt="A", model=MODEL, output_path=folder)
    run = runs(dag)
    said = {name: [record["unchanged"] for record in run.xcom(name)] for name in dag.task_dict}
    assert said == {"echoed": [True], "edited": [False], "linked": [None], "made": [False]}
    log = logged(capfd, caplog)
    assert "is the input picture, byte by byte: sandbox/echo did not edit it, and was paid $0.004" in log
    assert "sandbox/revises did not edit it" not in log
