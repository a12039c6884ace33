"""``sidecar`` and ``embed_metadata`` as Dag authors use them, in a real Airflow against the sandbox."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath, task
from PIL import Image
from support.dags import Runs
from support.logs import logged
from support.object_store import URI, ObjectStore
from support.pictures import picture
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator

MODEL = "test/test"
BOTH: dict[str, Any] = {"sidecar": True, "embed_metadata": True}


def sidecar_of(record: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(ObjectStoragePath(record["path"] + ".json").read_bytes()))


def xmp_of(record: dict[str, Any]) -> str:
    with Image.open(io.BytesIO(ObjectStoragePath(record["path"]).read_bytes())) as image:
        image.load()
        return str(image.info.get("xmp", b"").decode())


@pytest.mark.parametrize("deferrable", [False, True])
def test_all_operators(dag: DAG, runs: Runs, tmp_path: Path, object_store: ObjectStore, deferrable: bool) -> None:
    folder = str(tmp_path)
    how = {"model": MODEL, "deferrable": deferrable, **BOTH}
    made = ImageRouterGenerateOperator(
        task_id="made", prompt="A <b> & é 🐈", output_path=URI, filename="a", output_format="png", **how
    )
    ImageRouterEditOperator(
        task_id="edited", image=made.output, prompt="B", output_path=folder, output_format="jpeg", **how
    )
    ImageRouterBatchOperator(task_id="batch", requests=["C"], result_path=f"{folder}/batch", **how)
    ImageRouterVideoOperator(task_id="video", prompt="D", output_path=folder, **{**how, "model": "ir/test-video"})
    ImageRouterDownloadOperator(task_id="kept", image=made.output, output_path=folder, filename="kept", **BOTH)

    @task.imagerouter(output_path=folder, filename="decorated", **how)
    def decorated() -> str:
        return "E"

    decorated()
    run = runs(dag)
    for name in ("made", "edited", "video", "decorated"):
        [record] = run.xcom(name)
        assert sidecar_of(record)["record"] == record
        assert sidecar_of(record)["request"]["prompt"] == record["prompt"]
    assert object_store.content_type(run.xcom("made")[0]["path"].rpartition("/")[2] + ".json") == "application/json"
    assert "A &lt;b&gt; &amp; é 🐈" in xmp_of(run.xcom("made")[0])
    assert "/trainedAlgorithmicMedia" in xmp_of(run.xcom("made")[0])
    assert "/compositeWithTrainedAlgorithmicMedia" in xmp_of(run.xcom("edited")[0])
    assert run.xcom("edited")[0]["content_type"] == "image/jpeg"
    assert xmp_of(run.xcom("kept")[0]) == xmp_of(run.xcom("made")[0])
    assert run.xcom("kept")[0]["sha256"] == run.xcom("made")[0]["sha256"]
    assert sorted(path.name for path in (tmp_path / "batch").glob("*")) == [
        ".imagerouter",
        *sorted(path.name for path in (tmp_path / "batch").glob("00000-*")),
        "results.jsonl",
    ]


def test_the_deployments_default(dag: DAG, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__SIDECARS", "True")
    folder = str(tmp_path)
    made = ImageRouterGenerateOperator(task_id="linked", prompt="A", model=MODEL)
    ImageRouterDownloadOperator(task_id="default", image=made.output, output_path=folder, filename="default")
    ImageRouterDownloadOperator(task_id="no", image=made.output, output_path=folder, filename="no", sidecar=False)
    ImageRouterBatchOperator(task_id="batch", requests=["C"], model=MODEL, result_path=folder, filename="batch")
    runs(dag)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["batch-00000.jpg.json", "default.jpg.json"]


def test_what_was_asked_for_is_told_without_bytes_and_secrets(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    extra = {
        "seed": 7,
        "style_image": "data:image/png;base64,aGFsbG8=",
        "raw": "x" * 30_000,
        "references": [{"url": "https://me:pass@host.invalid/a.png?X-Amz-Signature=hush"}],
        "webhook_token": "hush-hush",
        "aspect": None,
    }
    ImageRouterGenerateOperator(
        task_id="made", prompt="https://is.a/link?really=yes", model=MODEL, size="64x64", output_path=str(tmp_path),
        extra_body=extra, **BOTH,
    )  # fmt: skip
    [record] = runs(dag).xcom("made")
    assert sidecar_of(record)["request"] == {
        "prompt": "https://is.a/link?really=yes",
        "model": MODEL,
        "size": "64x64",
        "seed": 7,
        "style_image": "data:image/png;base64… (30 characters)",
        "raw": f"{'x' * 60}… (30000 characters)",
        "references": [{"url": "https://host.invalid/a.png"}],
        "webhook_token": "***",
        "aspect": None,
    }
    assert "hush" not in xmp_of(record)


def test_formats_without_and_odd_files_are_stored_as_they_are(
    dag: DAG, runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is paid for is never lost for its metadata."""
    how = {"output_path": str(tmp_path), **BOTH}
    ImageRouterGenerateOperator(task_id="svg", prompt="A", model="sandbox/svg", n=2, **how)
    ImageRouterVideoOperator(task_id="video", prompt="B", model="ir/test-video", **how)
    png = picture()
    signed = png[:33] + b"\0\0\0\4caBXjumb\x84\x8b\xd0\xf2" + png[33:]
    signed = signed.replace(b"\x84\x8b\xd0\xf2", __import__("zlib").crc32(b"caBXjumb").to_bytes(4, "big"))
    with RawServer(answer(signed)) as server:
        record = {"url": server.url, "model": "a/b", "prompt": "C", "inputs": []}
        ImageRouterDownloadOperator(task_id="signed", image=record, **how)
        run = runs(dag)
    assert ObjectStoragePath(run.xcom("signed")[0]["path"]).read_bytes() == signed
    for name in ("svg", "video", "signed"):
        for record in run.xcom(name):
            assert sidecar_of(record)["record"] == record
    log = logged(capfd, caplog)
    said = "is stored without the metadata of embed_metadata: "
    assert f"{said}image/svg+xml takes none" in log
    assert f"{said}video/mp4 takes none" in log
    assert f"{said}it has Content Credentials (C2PA)" in log


def test_a_signed_link_is_in_no_file(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    with RawServer(answer(picture())) as server:
        link = f"{server.url}/a.png?X-Amz-Signature=hush"
        ImageRouterDownloadOperator(task_id="kept", image=link, output_path=str(tmp_path), **BOTH)
        [record] = runs(dag).xcom("kept")
    assert sidecar_of(record)["record"] == {**record, "url": f"{server.url}/a.png"}


def test_a_record_that_somebody_made_up(dag: DAG, runs: Runs, tmp_path: Path) -> None:
    with RawServer(answer(picture())) as server:
        odd = {"url": server.url, "model": 5, "prompt": ["C"], "created_at": None}
        ImageRouterDownloadOperator(task_id="odd", image=odd, output_path=str(tmp_path), **BOTH)
        bad = {"url": server.url, "inputs": [5]}
        ImageRouterDownloadOperator(task_id="bad", image=bad, output_path=str(tmp_path), **BOTH)
        run = runs(dag, state="failed")
    assert run.task_state("odd") == "success"
    assert "inputs are not as in a record" in run.xcom("bad", key="error")["message"]


@pytest.mark.parametrize("option", [{"sidecar": True}, {"embed_metadata": True}, BOTH])
def test_without_a_place_there_is_nothing_to_say_it_of(option: dict[str, Any]) -> None:
    with pytest.raises(ImageRouterInputError, match="need an output_path"):
        ImageRouterGenerateOperator(task_id="made", prompt="A", model=MODEL, **option)
    ImageRouterGenerateOperator.partial(task_id="mapped", prompt="A", model=MODEL, **option).expand(
        output_path=["/data/a"]
    )


@pytest.mark.parametrize("option", [{"sidecar": "yes"}, {"embed_metadata": None}, {"sidecar": "{{ x }}"}])
def test_what_is_neither_true_nor_false(option: dict[str, Any]) -> None:
    for operator, arguments in (
        (ImageRouterGenerateOperator, {"prompt": "A", "output_path": "/data"}),
        (ImageRouterBatchOperator, {"requests": ["A"], "result_path": "/data"}),
        (ImageRouterDownloadOperator, {"image": "a.png", "output_path": "/data"}),
    ):
        with pytest.raises(ImageRouterInputError, match=f"{next(iter(option))} must be True"):
            operator(task_id="made", **arguments, **option)
