"""Generating, in a real Airflow against the sandbox: records, stored pictures, XComs and logs."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath
from PIL import Image
from support.dags import Runs
from support.object_store import URI, ObjectStore

from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.records import Record

MODEL = "black-forest-labs/FLUX-1-schnell"


def check(record: Record) -> None:
    assert set(record) == set(Record.__annotations__)
    without_texts = {**record, "prompt": None, "revised_prompt": None}
    assert len(json.dumps(without_texts)) < 1024
    assert record["uri"] == (record["path"] or record["url"])
    created_at = datetime.fromisoformat(record["created_at"])
    assert created_at.utcoffset().total_seconds() == 0
    assert abs((datetime.now(UTC) - created_at).total_seconds()) < 600


def test_links_are_passed_on(dag: DAG, runs: Runs) -> None:
    ImageRouterGenerateOperator(task_id="poster", prompt="A lighthouse", model=MODEL)
    run = runs(dag)
    [record] = run.xcom("poster")
    [call] = runs.calls
    check(record)
    assert record["url"].startswith(runs.sandbox.url)
    assert (record["model"], record["prompt"]) == (MODEL, "A lighthouse")
    assert (record["path"], record["content_type"], record["sha256"]) == (None, None, None)
    assert record["latency_ms"] > 0
    assert record["cost_usd"] == run.xcom("poster", key="cost_usd") == call["cost"] > 0


def test_pictures_are_stored(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "posters"
    ImageRouterGenerateOperator(
        task_id="poster",
        prompt="A lighthouse",
        model=MODEL,
        size="200x100",
        output_format="png",
        output_path=str(folder),
    )
    run = runs(dag)
    [record] = run.xcom("poster")
    check(record)
    [file] = [path for path in folder.iterdir() if not path.name.startswith(".")]
    assert record["path"] == f"file://{file}"
    assert record["url"].startswith(runs.sandbox.url)
    assert ObjectStoragePath(record["uri"]).read_bytes() == file.read_bytes()
    assert (record["content_type"], file.suffix) == ("image/png", ".png")
    assert (record["width"], record["height"]) == Image.open(file).size == (200, 100)
    assert record["size_bytes"] == file.stat().st_size
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_pictures_are_stored_on_s3(dag: DAG, runs: Runs, object_store: ObjectStore) -> None:
    ImageRouterGenerateOperator(task_id="poster", prompt="A lighthouse", model=MODEL, output_path=f"{URI}/posters")
    [record] = runs(dag).xcom("poster")
    check(record)
    assert record["path"].startswith(f"{URI}/posters/poster-")
    [key] = [key for key in object_store.names() if "/." not in key]
    assert hashlib.sha256(object_store.get(key)).hexdigest() == record["sha256"]
    assert ObjectStoragePath(record["path"]).read_bytes() == object_store.get(key)


@pytest.mark.parametrize("response_format", ["b64_json", "b64_ephemeral"])
def test_bytes_go_into_a_file_and_never_into_xcom(dag: DAG, runs: Runs, tmp_path: Path, response_format: str) -> None:
    ImageRouterGenerateOperator(
        task_id="poster",
        prompt="A lighthouse",
        model=MODEL,
        response_format=response_format,
        output_path=str(tmp_path),
        filename="lighthouse",
    )
    [record] = runs(dag).xcom("poster")
    check(record)
    assert record["url"] is None
    assert (tmp_path / "lighthouse.webp").read_bytes()
    assert record["path"] == f"file://{tmp_path}/lighthouse.webp"


def test_bytes_that_nobody_asked_for_and_that_have_no_place(dag: DAG, runs: Runs) -> None:
    """The API does not always honour response_format."""
    ImageRouterGenerateOperator(task_id="poster", prompt="A lighthouse", model="sandbox/base64")
    run = runs(dag, state="failed")
    assert run.xcom("poster") is None
    assert len(runs.calls) == 1


def test_several_pictures_share_the_cost(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    ImageRouterGenerateOperator(
        task_id="poster", prompt="A lighthouse", model="sandbox/three-pictures", output_path=str(tmp_path), filename="a"
    )
    run = runs(dag)
    records = run.xcom("poster")
    assert len({record["uri"] for record in records}) == 3
    assert sorted(path.stem for path in tmp_path.iterdir() if path.suffix == ".webp") == ["a", "a-2", "a-3"]
    assert round(sum(record["cost_usd"] for record in records), 9) == run.xcom("poster", key="cost_usd")
    assert run.xcom("poster", key="cost_usd") == runs.calls[0]["cost"]


def test_what_the_provider_made_of_the_prompt(dag: DAG, runs: Runs) -> None:
    ImageRouterGenerateOperator(task_id="poster", prompt="A lighthouse", model="sandbox/revises")
    [record] = runs(dag).xcom("poster")
    assert record["prompt"] == "A lighthouse"
    assert record["revised_prompt"] not in (None, "A lighthouse")


def test_a_cost_that_the_api_does_not_tell(dag: DAG, runs: Runs) -> None:
    ImageRouterGenerateOperator(task_id="poster", prompt="A lighthouse", model="sandbox/null-cost")
    run = runs(dag)
    assert run.xcom("poster")[0]["cost_usd"] is None
    assert run.xcom("poster", key="cost_usd") is None


def test_vector_pictures(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    ImageRouterGenerateOperator(
        task_id="poster", prompt="A lighthouse", model="sandbox/svg", output_path=str(tmp_path), filename="vector"
    )
    [record] = runs(dag).xcom("poster")
    assert (record["content_type"], record["width"]) == ("image/svg+xml", None)
    assert (tmp_path / "vector.svg").read_bytes().lstrip().startswith(b"<")


def test_the_test_models_misnamed_jpegs(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    ImageRouterGenerateOperator(
        task_id="poster", prompt="A lighthouse", model="test/test", output_path=str(tmp_path), filename="a"
    )
    [record] = runs(dag).xcom("poster")
    assert record["url"].endswith(".png")
    assert record["path"].endswith("/a.jpg")
    assert record["content_type"] == "image/jpeg"
    assert record["cost_usd"] == 0


def test_mapped_tasks_and_runs_do_not_collide(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    ImageRouterGenerateOperator.partial(task_id="poster", model=MODEL, output_path=str(tmp_path)).expand(
        prompt=["one", "two", "three"]
    )
    ImageRouterGenerateOperator.partial(
        task_id="named", model=MODEL, output_path=str(tmp_path / "named"), filename="poster"
    ).expand(prompt=["one", "two"])
    paths = []
    for _ in range(2):
        run = runs(dag)
        paths += [run.xcom("poster", map_index=index)[0]["path"] for index in range(3)]
    assert len(set(paths)) == 6
    assert {path.stem for path in (tmp_path / "named").glob("*.webp")} == {"poster-0", "poster-1"}


def test_the_log_tells_the_story(dag: DAG, runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    ImageRouterGenerateOperator(
        task_id="poster",
        prompt="A lighthouse\nin the fog " + "far, far away " * 500,
        model=MODEL,
        size="320x200",
        output_path=str(tmp_path),
    )
    runs(dag)
    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_imagerouter")]
    said = "\n".join(record.getMessage() for record in ours)
    for what in (MODEL, "A lighthouse in the fog", "320x200", f"${runs.calls[0]['cost']}", f"file://{tmp_path}"):
        assert what in said
    assert runs.sandbox.rich_key not in caplog.text
    assert "links die" not in said
    assert len(said) < 2000
    assert len(ours) < 10


def test_the_log_has_the_links_and_says_once_that_they_die(
    dag: DAG, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ImageRouterGenerateOperator(task_id="linked", prompt="A", model="sandbox/three-pictures", n=2)
    run = runs(dag)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_provider_imagerouter")]
    assert sum("links die after 30 days" in line for line in said) == 1
    for record in run.xcom("linked"):
        assert sum(record["url"] in line for line in said) == 1


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    "given",
    [["sandbox/times-out", "{{ dag_run.conf['other'] }}"], "{{ ['sandbox/times-out', dag_run.conf['other']] }}"],
)
def test_another_model_makes_what_the_first_could_not(
    dag: DAG, runs: Runs, tmp_path: Path, given: Any, deferrable: bool
) -> None:
    ImageRouterGenerateOperator(
        task_id="poster",
        prompt="A",
        model="sandbox/fails",
        fallback_models=given,
        output_path=str(tmp_path),
        deferrable=deferrable,
    )
    run = runs(dag, other=MODEL)
    [record] = run.xcom("poster")
    assert record["model"] == MODEL
    assert record["cost_usd"] == run.xcom("poster", key="cost_usd") > 0
    assert [call["model"] for call in runs.calls] == ["sandbox/fails", "sandbox/times-out", MODEL]


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_log_says_where_each_picture_is_and_what_it_cost(
    dag: DAG, runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    caplog.set_level("INFO")
    ImageRouterGenerateOperator(
        task_id="posters", prompt="A", model=MODEL, size="64x64", n=2, output_path=str(tmp_path), deferrable=deferrable
    )
    records = runs(dag).xcom("posters")
    said = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_provider_imagerouter")]
    for record in records:
        size = Path(record["path"].removeprefix("file://")).stat().st_size
        assert f"{record['path']} (image/webp, 64 x 64, {size} bytes, $0.0013)" in said
    assert said[-1] == "2 pictures for $0.0026"


def test_the_log_has_a_link_and_what_it_cost(dag: DAG, runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    ImageRouterGenerateOperator(task_id="linked", prompt="A", model=MODEL)
    (record,) = runs(dag).xcom("linked")
    said = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_provider_imagerouter")]
    assert said[-2:] == [f"{record['url']} ($0.0013)", "1 picture for $0.0013"]
