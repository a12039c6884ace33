"""What a record says a picture was made from."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path

import pytest
from airflow.sdk import DAG
from support.attempts import execute
from support.dags import Runs
from support.object_store import URI, ObjectStore
from support.pictures import picture
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.files.locations import public
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator
from airflow_provider_imagerouter.results import read_results
from airflow_provider_imagerouter.sandbox.process import SandboxProcess

MODEL = "test/test"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_records_name_what_edits_and_videos_were_made_from(
    dag: DAG, runs: Runs, tmp_path: Path, object_store: ObjectStore
) -> None:
    """In order, without masks; and of links and data URIs nothing that is secret, or long."""
    local, remote, linked, data = (picture(color=(number, 0, 0)) for number in range(4))
    (tmp_path / "a?b#c.png").write_bytes(local)
    object_store.put("in.png", remote)
    folder = str(tmp_path / "out")
    with RawServer(answer(linked)) as server:
        host = server.url.removeprefix("http://")
        images = [
            str(tmp_path / "a?b#c.png"),
            f"{URI}/in.png",
            f"http://me:pass@{host}/in.png?X-Amz-Signature=hush#hush",
            "data:image/png;base64," + b64encode(data).decode(),
        ]
        made = ImageRouterGenerateOperator(task_id="made", prompt="A", model=MODEL, output_path=folder)
        edited = ImageRouterEditOperator(
            task_id="edited", image=images, mask=images[0], prompt="B", model=MODEL, output_path=folder
        )
        requests = [{"prompt": "C", "image": images[1]}, "D"]
        ImageRouterBatchOperator(task_id="batch", requests=requests, model=MODEL, result_path=folder)
        ImageRouterVideoOperator(task_id="video", image=made.output, prompt="E", model="ir/test-video")
        ImageRouterDownloadOperator(task_id="kept", image=edited.output, output_path=folder)
        run = runs(dag)
    of_edit = [
        {"uri": (tmp_path / "a").as_uri() + "?b#c.png", "sha256": digest(local)},
        {"uri": f"{URI}/in.png", "sha256": digest(remote)},
        {"uri": f"{server.url}/in.png", "sha256": digest(linked)},
        {"uri": None, "sha256": digest(data)},
    ]
    [from_text] = run.xcom("made")
    assert from_text["inputs"] == []
    assert [record["inputs"] for record in run.xcom("edited")] == [of_edit]
    assert [record["inputs"] for record in run.xcom("kept")] == [of_edit]
    assert [record["inputs"] for record in run.xcom("video")] == [
        [{"uri": from_text["path"], "sha256": from_text["sha256"]}]
    ]
    rows = list(read_results(run.xcom("batch")))
    assert [record["inputs"] for row in rows for record in row["records"]] == [[of_edit[1]], []]


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("HTTPS://a:b@host:1/p%20a@b.png;c?d#e", "https://host:1/p%20a@b.png;c"),
        ("http://[broken/p.png?secret", None),
        ("DATA:,abc", None),
        ("s3://aws@bucket/a?b#c@d", "s3://aws@bucket/a?b#c@d"),
        ("sftp://me:p@ss:word@host/a", "sftp://me@host/a"),
    ],
)
def test_no_location_tells_a_secret(location: str, shown: str | None) -> None:
    assert public(location) == shown


def test_notes_and_results_of_an_older_version_lack_it(imagerouter_connection: SandboxProcess, tmp_path: Path) -> None:
    """What it made is taken over, and its records get the key."""
    arguments = {"requests": ["a"], "model": MODEL, "result_path": str(tmp_path), "max_tries": 1}
    manifest = execute("batch", dict(arguments))
    [journal] = tmp_path.glob(".imagerouter/*/journal-*")
    for path in (journal, tmp_path / "results.jsonl"):
        path.write_text(path.read_text().replace(', "inputs": []', "").replace(',"inputs":[]', ""))
        assert "inputs" not in path.read_text()
    [row] = read_results(manifest)
    assert row["records"][0]["inputs"] == []
    execute("batch", dict(arguments))
    assert json.loads((tmp_path / "results.jsonl").read_text()) == row
    assert imagerouter_connection.ledger()["totals"]["calls"] == 1
