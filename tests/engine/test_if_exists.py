"""What happens to files that have a picture's name already: replaced, kept or refused, and nothing paid for nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath
from support.attempts import Attempts, RunningTask
from support.object_store import URI

from airflow_provider_imagerouter.exceptions import ImageRouterBatchError, ImageRouterError, ImageRouterInputError
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.triggers.event import read_event
from airflow_provider_imagerouter.triggers.imagerouter import ImageRouterTrigger


def said(caplog) -> str:
    return "\n".join(record.getMessage() for record in caplog.records)


@pytest.fixture(params=["local", "s3"])
def output_path(request, tmp_path, object_store) -> str:
    return str(tmp_path / "pictures") if request.param == "local" else f"{URI}/posters"


def test_a_second_run_that_writes_over_the_first_ones_file_says_so(attempts, output_path, caplog):
    (first,) = attempts.generate(output_path=output_path, filename="poster", run_id="monday")
    assert "already" not in said(caplog)
    (second,) = attempts.generate(output_path=output_path, filename="poster", run_id="tuesday", prompt="a dog")
    assert second["path"] == first["path"]
    assert second["sha256"] != first["sha256"]
    assert f"{first['path']} is there already; what is made now is written over it" in said(caplog)


def test_what_is_there_is_kept_and_nothing_is_paid(attempts, output_path, caplog):
    (first,) = attempts.generate(output_path=output_path, filename="poster", run_id="monday")
    (kept,) = attempts.generate(output_path=output_path, filename="poster", run_id="tuesday", if_exists="keep")
    assert attempts.calls == {"a cat": 1}
    assert f"{first['path']} is there already, and kept; nothing is sent" in said(caplog)
    same = ("uri", "path", "content_type", "width", "height", "size_bytes", "sha256")
    assert {name: kept[name] for name in same} == {name: first[name] for name in same}
    assert kept["cost_usd"] == 0
    assert kept.keys() == first.keys()


def test_it_fails_before_anything_is_paid(attempts, output_path):
    attempts.generate(output_path=output_path, filename="poster-2", run_id="monday")
    with pytest.raises(ImageRouterInputError, match=r"(?s)poster-2.webp in .*: there already") as failure:
        attempts.generate(output_path=output_path, filename="poster", run_id="tuesday", if_exists="fail", n=3)
    assert "Nothing was billed; it is not tried again" in str(failure.value)
    assert attempts.calls == {"a cat": 1}


@pytest.mark.parametrize("if_exists", ["keep", "fail"])
def test_a_name_that_is_free_is_no_matter(if_exists, attempts, output_path):
    (first,) = attempts.generate(output_path=output_path, filename="poster-red", if_exists=if_exists)
    (second,) = attempts.generate(output_path=output_path, filename="poster", run_id="other", if_exists=if_exists)
    assert second["path"].endswith("/poster.webp")
    assert second["path"] != first["path"]
    assert attempts.calls == {"a cat": 2}


def test_of_candidates_those_that_are_there_are_kept(attempts):
    first = attempts.generate(filename="poster", n=2, run_id="monday")
    both = attempts.generate(filename="poster", n=3, run_id="tuesday", if_exists="keep")
    assert [record["sha256"] for record in both[:2]] == [record["sha256"] for record in first]
    assert attempts.calls == {"a cat": 3}
    assert [path.name for path in attempts.pictures] == ["poster-1.webp", "poster-2.webp", "poster-3.webp"]


def test_a_file_of_another_format_is_that_picture_too(attempts):
    attempts.folder.mkdir()
    content = _picture(attempts)
    (attempts.folder / "poster.jpg").write_bytes(content)
    (kept,) = attempts.generate(filename="poster", if_exists="keep")
    assert kept["path"].endswith("poster.jpg")
    assert kept["size_bytes"] == len(content)


def _picture(attempts: Attempts) -> bytes:
    (record,) = attempts.generate(output_path=str(attempts.folder / "elsewhere"), run_id="elsewhere")
    return Path(record["path"].removeprefix("file://")).read_bytes()


def test_what_is_no_picture_is_not_kept(attempts):
    attempts.folder.mkdir()
    (attempts.folder / "poster.png").write_bytes(b"")
    with pytest.raises(ImageRouterInputError, match=r"to be kept, but is not a readable picture"):
        attempts.generate(filename="poster", if_exists="keep")
    assert attempts.calls == {}


@pytest.mark.parametrize("if_exists", ["keep", "fail"])
def test_a_retry_finds_what_it_stored_itself(if_exists, attempts):
    """Its first attempt made the first of three, and failed at the others; the second makes those."""
    arguments = {"requests": [{"prompt": "a", "filename": "a"}, {"prompt": "b", "filename": "b"}]}
    broken = [arguments["requests"][0], {**arguments["requests"][1], "model": "sandbox/fails"}]
    with pytest.raises(ImageRouterBatchError):
        attempts.batch(broken, if_exists=if_exists, max_tries=1)
    manifest = attempts.batch(**arguments, if_exists=if_exists, max_tries=1)
    assert (manifest["succeeded"], manifest["pictures"]) == (2, 2)
    assert attempts.calls["a"] == 1


def test_a_batch_keeps_what_is_there_and_pays_for_the_rest(attempts, output_path):
    requests = ["a", "b", "c"]
    arguments = {"result_path": output_path, "filename": "{index}-{prompt:slug}"}
    attempts.batch(requests[:2], run_id="monday", **arguments)
    manifest = attempts.batch(requests, run_id="tuesday", if_exists="keep", **arguments)
    assert attempts.calls == {"a": 1, "b": 1, "c": 1}
    assert (manifest["succeeded"], manifest["pictures"]) == (3, 3)
    assert manifest["cost_usd"] == pytest.approx(0.004)


def test_a_batch_fails_before_its_first_call(attempts):
    attempts.batch([{"prompt": "z", "filename": "9"}], run_id="monday")
    requests = [{"prompt": str(number), "filename": str(number)} for number in range(200)]
    with pytest.raises(ImageRouterInputError, match=r"(?s)9.webp in .*there already"):
        attempts.batch(requests, run_id="tuesday", if_exists="fail")
    assert attempts.calls == {"z": 1}


async def test_in_a_triggerer_too(attempts):
    await asyncio.to_thread(attempts.generate, filename="poster", run_id="monday")
    operator = ImageRouterGenerateOperator(
        task_id="task",
        prompt="a cat",
        model="sandbox/slow-0",
        output_path=str(attempts.folder),
        filename="poster",
        if_exists="fail",
    )
    work = operator._work({"ti": RunningTask("task", "tuesday")})
    trigger = ImageRouterTrigger(json.loads(json.dumps(work.to_json())))
    (event,) = [event.payload async for event in trigger.run()]
    with pytest.raises(ImageRouterError, match=r"poster.webp in .*there already"):
        read_event(event)
    assert attempts.calls == {"a cat": 1}


@pytest.mark.parametrize("if_exists", ["keep", "fail"])
async def test_two_at_once_both_keep_what_they_paid_for(if_exists, attempts, output_path, caplog):
    """Neither finds the name taken before it sends; one of them finds it when it stores."""

    def run(number: int) -> list[dict]:
        return attempts.generate(
            output_path=output_path,
            filename="poster",
            run_id=f"run-{number}",
            prompt=f"cat {number}",
            model="sandbox/slow-1",
            if_exists=if_exists,
        )

    records = await asyncio.gather(*(asyncio.to_thread(run, number) for number in range(2)))
    paths = [record["path"] for (record,) in records]
    assert len(set(paths)) == 2
    for (record,) in records:
        assert len(ObjectStoragePath(record["path"]).read_bytes()) == record["size_bytes"]
    assert sum(path.endswith("/poster.webp") for path in paths) == 1
    assert "came there while this was made, and is left; this is" in said(caplog)


def test_a_download(attempts, tmp_path):
    (record,) = attempts.generate(output_path=None)

    def download(if_exists: str, run_id: str, try_number: int = 1) -> list[dict]:
        operator = ImageRouterDownloadOperator(
            task_id="store", image=[record, record], output_path=str(tmp_path / "there"), filename="x",
            if_exists=if_exists,
        )  # fmt: skip
        task_instance = RunningTask("store", run_id)
        task_instance.try_number = try_number
        return operator.execute({"ti": task_instance})

    stored = download("fail", "monday")
    with pytest.raises(ImageRouterInputError, match=r"(?s)x-2.webp, x.webp in .*there already"):
        download("fail", "tuesday")
    assert [kept["path"] for kept in download("keep", "tuesday")] == [kept["path"] for kept in stored]
    assert [again["path"] for again in download("fail", "monday", try_number=2)] == [kept["path"] for kept in stored]


def test_another_word_is_refused_at_once():
    with pytest.raises(ImageRouterInputError, match="if_exists must be 'replace', 'keep' or 'fail', not 'skip'"):
        ImageRouterGenerateOperator(task_id="poster", prompt="a", if_exists="skip")
    with pytest.raises(ImageRouterInputError, match="if_exists must be"):
        ImageRouterDownloadOperator(task_id="poster", image="a", output_path="b", if_exists=None)
