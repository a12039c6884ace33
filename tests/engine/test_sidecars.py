"""Sidecars and embedded metadata survive what pictures survive: failures between any two steps, kills, retries."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from PIL import Image
from support.attempts import Attempts, RunningTask
from support.lying_s3 import URI as LYING_URI
from support.lying_s3 import LyingS3
from support.object_store import URI
from support.pictures import picture
from support.s3_answers import ACCESS_DENIED, SLOW_DOWN
from support.waiting import wait_for

from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterStorageError
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.results import read_results
from airflow_provider_imagerouter.triggers.event import read_event
from airflow_provider_imagerouter.triggers.imagerouter import ImageRouterTrigger

BOTH: dict[str, Any] = {"sidecar": True, "embed_metadata": True}
KEPT_BACK = pytest.mark.parametrize("if_exists", ["replace", "keep", "fail"])


@pytest.fixture(params=["local", "s3"])
def output_path(request, tmp_path, object_store) -> str:
    return str(tmp_path / "pictures") if request.param == "local" else URI


def content_of(record: dict[str, Any]) -> bytes:
    return bytes(ObjectStoragePath(record["path"]).read_bytes())


def sidecar_of(record: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(ObjectStoragePath(record["path"] + ".json").read_bytes()))


def xmp_of(record: dict[str, Any]) -> str:
    with Image.open(io.BytesIO(content_of(record))) as image:
        return str(image.info.get("xmp", b"").decode())


def check(record: dict[str, Any], prompt: str = "a cat") -> None:
    """Check that a record, its picture and its sidecar agree."""
    content = content_of(record)
    assert (record["size_bytes"], record["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert sidecar_of(record)["record"] == record
    assert sidecar_of(record)["request"]["prompt"] == prompt
    assert f">{prompt}<" in xmp_of(record)
    assert "/trainedAlgorithmicMedia<" in xmp_of(record)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_candidates_and_their_sidecars(attempts, output_path):
    records = attempts.generate(output_path=output_path, n=2, size="64x64", **BOTH)
    for record in records:
        check(record)
        assert sidecar_of(record)["request"] == {"prompt": "a cat", "model": "sandbox/slow-0", "size": "64x64"}
    assert attempts.generate(output_path=output_path, n=2, size="64x64", **BOTH) == records
    assert attempts.totals["calls"] == 2


@KEPT_BACK
@pytest.mark.parametrize("model", ["sandbox/slow-0", "sandbox/unbooked", "sandbox/base64", "sandbox/three-pictures"])
def test_a_sidecar_that_cannot_be_written_fails_the_task_and_a_retry_pays_nothing(attempts, if_exists, model):
    """The picture is there by then, and stays the only one: what is embedded is the same, whenever it is."""
    arguments = {"filename": "poster", "model": model, "if_exists": if_exists, "max_tries": 1, **BOTH}
    blocking = [attempts.folder / f"{name}.webp.json" for name in ("poster", "poster-2")]
    for path in blocking:
        path.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(ImageRouterStorageError, match=r"Could not store .*poster.webp.json"):
            attempts.generate(**arguments)
        assert files(attempts.folder) == ["poster.webp"]
    for path in blocking:
        path.rmdir()
    records = attempts.generate(**arguments)
    for record in records:
        check(record)
    assert attempts.totals["calls"] == 1
    names = {Path(record["path"]).name for record in records}
    assert files(attempts.folder) == sorted([*names, *(f"{name}.json" for name in names)])


@KEPT_BACK
def test_an_attempt_killed_between_picture_and_sidecar(attempts, lying_s3, if_exists, monkeypatch):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "3")
    lying_s3.refuse(SLOW_DOWN, times=1000, keys="*.webp.json")
    arguments = {"output_path": f"{LYING_URI}/out", "filename": "poster", "if_exists": if_exists, **BOTH}
    killed = attempts.start("generate", max_tries=1, **arguments)
    wait_for("the sidecar", lambda: lying_s3.count("PUT", "*.webp.json"))
    killed.kill()
    assert "out/poster.webp" in lying_s3.names()
    lying_s3._lies.clear()
    (record,) = attempts.generate(max_tries=1, **arguments)
    check(record)
    assert attempts.totals["calls"] == 1
    stored = [name for name in lying_s3.names() if ".imagerouter" not in name]
    assert stored == ["out/poster.webp", "out/poster.webp.json"]


@pytest.mark.parametrize("is_lost", [True, False], ids=["its answer is lost", "it is refused"])
def test_storage_that_lies_about_a_sidecar(attempts: Attempts, lying_s3: LyingS3, is_lost: bool) -> None:
    if is_lost:
        lying_s3.lose_answers(keys="*.webp.json")
    else:
        lying_s3.refuse(ACCESS_DENIED, keys="*.webp.json")
    arguments = {"output_path": f"{LYING_URI}/out", **BOTH}
    if not is_lost:
        with pytest.raises(ImageRouterStorageError):
            attempts.generate(**arguments)
    (record,) = attempts.generate(**arguments)
    check(record)
    assert attempts.totals["calls"] == 1


def test_what_is_gone_is_stored_again(attempts, output_path):
    arguments = {"output_path": output_path, **BOTH}
    (record,) = attempts.generate(**arguments)
    path = ObjectStoragePath(record["path"])
    sidecar = ObjectStoragePath(record["path"] + ".json")
    for gone in ([sidecar], [path], [path, sidecar]):
        for each in gone:
            each.unlink()
        (again,) = attempts.generate(**arguments)
        assert again == record
        check(again)
    assert attempts.totals["calls"] == 1


def test_an_attempt_that_wants_it_only_now(attempts):
    """The sidecar is made up for; the file of a picture that is stored stays as it is."""
    (record,) = attempts.generate()
    (again,) = attempts.generate(**BOTH)
    assert again == record
    assert sidecar_of(record)["record"] == record
    assert xmp_of(record) == ""
    assert attempts.totals["calls"] == 1


def test_a_stored_picture_whose_task_passes_on_its_link_now(attempts, tmp_path, monkeypatch):
    """What is at the link has no metadata: the record does not say that it is what was stored."""
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", str(tmp_path / "ledger"))
    (record,) = attempts.generate(**BOTH)
    Path(record["path"].removeprefix("file://")).unlink()
    (linked,) = attempts.generate(output_path=None)
    assert (linked["uri"], linked["path"], linked["sha256"]) == (record["url"], None, None)
    attempts.edit(linked)
    assert attempts.totals["calls"] == 2


def test_an_edit_and_one_that_came_back_as_it_was(attempts, tmp_path):
    image = picture()
    (tmp_path / "in.png").write_bytes(image)
    (edited,) = attempts.edit(str(tmp_path / "in.png"), run_id="edited", **BOTH)
    assert "/compositeWithTrainedAlgorithmicMedia<" in xmp_of(edited)
    assert edited["unchanged"] is False
    assert sidecar_of(edited)["record"]["inputs"][0]["sha256"] == hashlib.sha256(image).hexdigest()
    assert "image" not in sidecar_of(edited)["request"]
    (echoed,) = attempts.edit(str(tmp_path / "in.png"), run_id="echoed", model="sandbox/echo", **BOTH)
    assert echoed["unchanged"] is True
    assert content_of(echoed) == image, "nobody's photo is called generated because a model was asked to edit it"
    (of_marked,) = attempts.edit(edited, run_id="again", model="sandbox/echo", **BOTH)
    assert of_marked["unchanged"] is True
    assert of_marked["sha256"] == edited["sha256"]


def test_a_batch(attempts, output_path):
    requests = [{"prompt": "a", "metadata": {"sku": 1}}, {"prompt": "b", "model": "sandbox/fails"}, "c"]
    arguments = {"requests": requests, "result_path": output_path, "fail_on_partial_error": False, **BOTH}
    for _ in range(2):
        manifest = attempts.batch(**arguments)
        rows = list(read_results(manifest))
        assert [row["status"] for row in rows] == ["success", "error", "success"]
        for row in (rows[0], rows[2]):
            (record,) = row["records"]
            check(record, str(row["prompt"]))
            assert "sku" not in xmp_of(record)
        assert sidecar_of(rows[0]["records"][0])["record"]["metadata"] == {"sku": 1}
    assert attempts.calls["a"] == attempts.calls["c"] == 1


@pytest.mark.parametrize("if_exists", ["keep", "fail"])
def test_a_sidecar_is_not_taken_for_a_picture(attempts, output_path, if_exists):
    """Neither one that a removed picture left, nor that of another picture; the left one is written over."""
    (first,) = attempts.generate(output_path=output_path, filename="poster", run_id="monday", **BOTH)
    ObjectStoragePath(first["path"]).unlink()
    arguments = {"output_path": output_path, "prompt": "a dog", "if_exists": if_exists, **BOTH}
    (second,) = attempts.generate(filename="poster", run_id="tuesday", **arguments)
    assert second["path"] == first["path"]
    check(second, "a dog")
    (other,) = attempts.generate(filename="poster.webp.json", run_id="wednesday", **arguments)
    check(other, "a dog")
    assert attempts.totals["calls"] == 3


def test_a_picture_stored_beside_another_has_its_sidecar_there(attempts, output_path):
    async def both() -> list[Any]:
        def run(number: int) -> Any:
            return attempts.generate(
                output_path=output_path, filename="poster", run_id=f"run-{number}", prompt=f"cat {number}",
                model="sandbox/slow-1", if_exists="keep", **BOTH,
            )  # fmt: skip

        return await asyncio.gather(*(asyncio.to_thread(run, number) for number in range(2)))

    for number, (record,) in enumerate(asyncio.run(both())):
        check(record, f"cat {number}")


def test_what_is_kept_gets_no_sidecar(attempts):
    attempts.generate(filename="poster", run_id="monday")
    attempts.generate(filename="poster", run_id="tuesday", if_exists="keep", **BOTH)
    assert files(attempts.folder) == ["poster.webp"]


def test_what_takes_no_metadata_is_said_once(attempts, caplog):
    records = attempts.generate(model="sandbox/svg", n=3, **BOTH)
    assert len({sidecar_of(record)["record"]["path"] for record in records}) == 3
    assert caplog.text.count("without the metadata of embed_metadata: image/svg+xml takes none") == 1


@pytest.mark.parametrize("if_exists", ["replace", "keep", "fail"])
def test_downloads(attempts, tmp_path, if_exists):
    """A retry of one that failed halfway stores the same files once more."""
    (record,) = attempts.generate(output_path=None)
    folder = tmp_path / "there"

    def download(image: Any, try_number: int = 1) -> Any:
        operator = ImageRouterDownloadOperator(
            task_id="store", image=image, output_path=str(folder), filename="x", if_exists=if_exists, **BOTH
        )
        task_instance = RunningTask("store")
        task_instance.try_number = try_number
        return operator.execute({"ti": task_instance})

    (folder / "x-2.webp.json").mkdir(parents=True)
    with pytest.raises(ImageRouterError, match="Nothing was billed"):
        download([record, record["url"]])
    (folder / "x-2.webp.json").rmdir()
    of_record, of_link = download([record, record["url"]], try_number=2)
    assert files(folder) == ["x-2.webp", "x-2.webp.json", "x.webp", "x.webp.json"]
    assert ">a cat<" in xmp_of(of_record)
    told = sidecar_of(of_record)
    assert (told["record"]["prompt"], told["record"]["sha256"], told["request"]) == ("a cat", of_record["sha256"], None)
    assert told["record"]["unchanged"] is False
    assert xmp_of(of_link) == "", "nobody knows what made what is only a link"
    assert sidecar_of(of_link)["record"] == of_link


@pytest.mark.parametrize("is_old", [False, True], ids=["new", "of an older version"])
async def test_in_a_triggerer(attempts: Attempts, is_old: bool) -> None:
    operator = ImageRouterGenerateOperator(
        task_id="task", prompt="a cat", model="sandbox/slow-0", output_path=str(attempts.folder), **BOTH
    )
    work = json.loads(json.dumps(operator._work({"ti": RunningTask("task")}).to_json()))  # type: ignore[typeddict-item]
    if is_old:
        del work["sidecar"], work["embed_metadata"]
    (event,) = [event.payload async for event in ImageRouterTrigger(work).run()]
    (record,) = read_event(event)
    if is_old:
        assert len(files(attempts.folder)) == 1
    else:
        check(record)
