"""Storing what an earlier task passed on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from support.dags import Runs
from support.object_store import URI, ObjectStore
from support.pictures import picture
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator


def test_generate_first_and_store_later(dag: DAG, runs: Runs, tmp_path: Path, object_store: ObjectStore) -> None:
    made = ImageRouterGenerateOperator(task_id="made", prompt="A", model="sandbox/three-pictures")
    here = ImageRouterDownloadOperator(task_id="here", image=made.output, output_path=str(tmp_path), filename="a")
    ImageRouterDownloadOperator(task_id="there", image=here.output, output_path=f"{URI}/{{{{ dag.dag_id }}}}")
    run = runs(dag)
    made_records, here_records, there_records = (run.xcom(name) for name in ("made", "here", "there"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-2.webp", "a-3.webp", "a.webp"]
    for before, after, copied in zip(made_records, here_records, there_records, strict=True):
        changed = {"uri", "path", "content_type", "width", "height", "size_bytes", "sha256", "unchanged"}
        assert {name for name in before if before[name] != after[name]} == changed
        assert after["uri"] == after["path"]
        assert copied["sha256"] == after["sha256"]
        assert copied["path"].startswith(f"{URI}/{dag.dag_id}/there-")
        assert copied["cost_usd"] == before["cost_usd"] > 0
    assert len(object_store.names()) == 3
    assert len(runs.calls) == 1
    assert runs.sandbox.ledger()["authorization_seen_at_links"] is False


def test_links(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    content = picture("JPEG", (40, 24))
    with RawServer(answer(content)) as server:
        links = [server.url + "/a.png", server.url + "/b"]
        ImageRouterDownloadOperator(task_id="store", image=links, output_path=str(tmp_path), filename="a")
        run = runs(dag)
        assert b"authorization" not in b"".join(server.requests).lower()
    records = run.xcom("store")
    assert [record["url"] for record in records] == links
    assert [record["path"] for record in records] == [f"file://{tmp_path}/a.jpg", f"file://{tmp_path}/a-2.jpg"]
    assert (records[0]["width"], records[0]["height"], records[0]["model"]) == (40, 24, None)
    assert {record["sha256"] for record in records} == {hashlib.sha256(content).hexdigest()}


def test_mapped(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    made = ImageRouterGenerateOperator(task_id="made", prompt="A", model="sandbox/three-pictures")
    ImageRouterDownloadOperator.partial(task_id="store", output_path=str(tmp_path), filename="a").expand(
        image=made.output
    )
    runs(dag)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a-0", "a-1", "a-2"]


def test_names_from_data(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    """The index is added where names may collide, and only there."""
    with RawServer(answer(picture())) as server:
        store = ImageRouterDownloadOperator.partial(task_id="store", image=server.url, output_path=str(tmp_path))
        store.expand(filename=["chair", "lamp.png", "café/table", "cafe table"])
        runs(dag)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cafe-table-2.png",
        "cafe-table-3.png",
        "chair.png",
        "lamp.png",
    ]


def test_what_cannot_be_stored(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    with RawServer(answer("<html>Not here</html>")) as server:
        ImageRouterDownloadOperator(task_id="no_picture", image=server.url, output_path=str(tmp_path / "a"))
        ImageRouterDownloadOperator(task_id="no_image", image="{{ '' }}", output_path=str(tmp_path / "b"))
        ImageRouterDownloadOperator(task_id="no_place", image=server.url, output_path="{{ '' }}")
        run = runs(dag, state="failed")
    assert {run.task_state(name) for name in ("no_picture", "no_image", "no_place")} == {"failed"}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_link_that_has_died_says_why(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    """Between the two tasks thirty days go by."""
    ImageRouterGenerateOperator(task_id="made", prompt="A", model="sandbox/slow-0")
    records = runs(dag).xcom("made")
    runs.sandbox.expire_links()

    store = ImageRouterDownloadOperator(task_id="stored", image=records, output_path=str(tmp_path))
    task_instance = SimpleNamespace(
        dag_id="dag", run_id="run", task_id="stored", map_index=-1, try_number=1, max_tries=0
    )
    with pytest.raises(ImageRouterError, match=r"keeps pictures for 30 days; after that their links are dead"):
        store.execute({"ti": task_instance, "task": store})
