"""A batch's results: written as they come, never over another task's, and readable with whatever reads JSON lines."""

from __future__ import annotations

import json
import sqlite3
import threading

import pandas as pd
import pyarrow.json
import pytest
from airflow.sdk import ObjectStoragePath
from support.attempts import RunningTask
from support.object_store import URI
from support.waiting import wait_for

from airflow_provider_imagerouter.exceptions import ImageRouterBatchError
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.results import read_results

CATS = [f"cat {number}" for number in range(10)]
KEYS = (
    "id", "index", "status", "prompt", "model", "metadata", "cost_usd", "billed", "error_type", "error_message",
    "records",
)  # fmt: skip


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_row_has_its_request(attempts, set_extra):
    set_extra(default_model="sandbox/url")
    requests = [
        "from the connection",
        {"prompt": "own", "model": "sandbox/slow-0", "metadata": {"sku": "A1", "price": 5}, "filename": "Armchair"},
        {"prompt": "overruled", "extra_body": {"prompt": "by the body", "seed": 7}, "metadata": {"price": 0.5}},
        {"prompt": "refused", "model": "sandbox/refuses", "metadata": {"sku": "A3"}},
    ]
    manifest = attempts.batch(requests, model=None, fail_on_partial_error=False)
    rows = list(read_results(manifest))
    assert all(tuple(row) == KEYS for row in rows)
    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    assert [row["model"] for row in rows] == ["sandbox/url", "sandbox/slow-0", "sandbox/url", "sandbox/refuses"]
    assert [row["prompt"] for row in rows] == ["from the connection", "own", "by the body", "refused"]
    assert [row["metadata"] for row in rows] == [{}, {"sku": "A1", "price": 5}, {"price": 0.5}, {"sku": "A3"}]
    assert [row["billed"] for row in rows] == ["yes", "yes", "yes", "no"]
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(manifest["cost_usd"])
    assert rows[1]["records"][0]["path"].endswith("/Armchair.webp")
    assert [record["metadata"] for row in rows for record in row["records"]] == [row["metadata"] for row in rows[:3]]
    assert rows[3]["error_type"] == "ImageRouterContentPolicyError"
    assert len({row["id"] for row in rows}) == 4


def test_names_of_pictures(attempts):
    requests = [
        {"prompt": "a", "filename": "chair"},
        {"prompt": "b", "filename": "Chair"},
        {"prompt": "c", "filename": "lamp", "n": 2},
        "d",
    ]
    attempts.batch(requests, filename="shop")
    names = [path.name for path in attempts.pictures]
    assert names == ["Chair-00001.webp", "chair-00000.webp", "lamp-1.webp", "lamp-2.webp", "shop-00003.webp"]


def test_names_by_a_pattern(attempts):
    requests = ["A chair", {"prompt": "x", "filename": "{metadata[sku]}", "metadata": {"sku": "B 7"}}, "Lamps, two"]
    manifest = attempts.batch(requests, filename="{index:03d}-{prompt:slug}")
    assert [path.name for path in attempts.pictures] == ["000-a-chair.webp", "002-lamps-two.webp", "B-7.webp"]
    again = attempts.batch(requests, filename="{index:03d}-{prompt:slug}", max_tries=1)
    assert again["pictures"] == manifest["pictures"] == len(attempts.pictures) == 3


def test_a_log_counts_as_the_rows_do(attempts, caplog):
    long = "a cat " * 200
    requests = ["ok", {"prompt": long, "model": "sandbox/refuses"}, *[{"prompt": "x", "model": "sandbox/fails"}] * 7]
    with pytest.raises(ImageRouterBatchError):
        attempts.batch(requests, max_concurrency=1)
    said = [record.getMessage() for record in caplog.records if record.name.endswith("failures")]
    each, summary = said[:8], said[8:]
    assert each[0].startswith("requests[1] ('a cat a cat a cat")
    assert "sandbox/refuses) failed: ImageRouterContentPolicyError: " in each[0]
    assert all(len(line) <= 300 and "\n" not in line for line in said)
    assert summary[0].startswith(
        "7 x ImageRouterProviderError: requests[2], requests[3], requests[4], requests[5], requests[6], …; the first: "
    )
    assert summary[1].startswith("1 x ImageRouterContentPolicyError: requests[1]; the first: ")
    assert [row["index"] for row in attempts.rows if row["status"] == "error"] == list(range(1, 9))


def test_two_tasks_share_a_folder(attempts):
    def run(task_id, run_id, requests, **arguments):
        operator = ImageRouterBatchOperator(
            task_id=task_id, requests=requests, model="sandbox/slow-0", result_path=str(attempts.folder), **arguments
        )
        return operator.execute({"ti": RunningTask(task_id, run_id)})

    first = run("chairs", "run", ["a", "b"])
    second = run("lamps", "run", ["a"])
    third = run("chairs", "next run", ["c"])
    assert first["results_path"] == (attempts.folder / "results.jsonl").as_uri()
    assert second["results_path"].rpartition("/")[2].startswith("results-lamps-")
    assert [[row["prompt"] for row in read_results(manifest)] for manifest in (first, second, third)] == [
        ["a", "b"], ["a"], ["c"],
    ]  # fmt: skip
    assert run("lamps", "run", ["a"])["results_path"] == second["results_path"]
    assert run("chairs", "run", ["a", "b"])["results_path"] == first["results_path"]
    assert len(list(attempts.folder.glob("*.jsonl"))) == 3
    assert not list(attempts.folder.glob(".*.part"))


def test_two_tasks_share_a_folder_of_an_object_store(attempts, object_store):
    def run(run_id, requests):
        return attempts.batch(requests, run_id=run_id, result_path=f"{URI}/out")

    manifests = [run("one", ["a", "one"]), run("two", ["a", "two"])]
    assert manifests[0]["results_path"] == f"{URI}/out/results.jsonl"
    assert manifests[0]["result_path"] == f"{URI}/out"
    assert [[row["prompt"] for row in read_results(manifest)] for manifest in manifests] == [["a", "one"], ["a", "two"]]
    assert run("three", [])["requests"] == 0
    assert len(list(read_results(manifests[0]))) == 2


def test_what_a_killed_batch_left_is_read(attempts):
    attempt = attempts.start("batch", requests=[*CATS, {"prompt": "slow", "model": "sandbox/slow-60"}, "never"])
    path = attempts.folder / "results.jsonl"
    wait_for("rows", lambda: path.exists() and len(path.read_text().splitlines()) == 11)
    attempt.kill()
    rows = list(read_results(str(path)))
    assert {row["prompt"] for row in rows} == {*CATS, "never"}
    assert len(pd.read_json(path, lines=True)) == 11

    with path.open("a") as file:  # a machine that loses power may cut a line short
        file.write(path.read_text().splitlines()[0][:100])
    assert len(list(read_results(path.as_uri()))) == 11
    attempts.batch([*CATS, "other", "never"])
    assert [row["index"] for row in lines(path)] == list(range(12))


def test_what_a_killed_batch_left_on_an_object_store_is_read(attempts, object_store, monkeypatch):
    monkeypatch.setattr("airflow_provider_imagerouter.engine.batch.PUBLISH_SECONDS", 0.2)
    operator = ImageRouterBatchOperator(
        task_id="task",
        requests=[*CATS, {"prompt": "slow", "model": "sandbox/slow-60"}],
        model="sandbox/slow-0",
        result_path=f"{URI}/out",
    )
    seen = []

    def look():
        path = f"{URI}/out/results.jsonl"
        wait_for("results", lambda: "out/results.jsonl" in object_store.names())
        wait_for("rows", lambda: len(object_store.get("out/results.jsonl").splitlines()) == 10)
        seen.extend(read_results(path))
        operator.on_kill()

    looking = threading.Thread(target=look)
    looking.start()
    with pytest.raises(BaseException):  # noqa: B017, PT011  # the cancellation
        operator.execute({"ti": RunningTask("task")})
    looking.join()
    assert {row["prompt"] for row in seen} == set(CATS)
    after = list(read_results(f"{URI}/out/results.jsonl"))
    assert [row["status"] for row in after] == ["success"] * 10 + ["in_flight"]


@pytest.fixture
def manifest(attempts):
    """The manifest of a batch with all that its rows may be."""
    requests = [
        {"prompt": "😀 half \ud83d a character {{ }}", "model": "sandbox/refuses"},
        {"prompt": "a line\nbreak", "metadata": {"sku": "A1", "stock": 3}},
        {"prompt": "three", "n": 3, "metadata": {"stock": 0.5, "is_new": True}},
        {"prompt": "not known", "model": "sandbox/null-cost"},
        {"prompt": "7", "model": "sandbox/fails"},
    ]
    return attempts.batch(requests, fail_on_partial_error=False)


def test_pandas_reads_the_results(manifest):
    rows = pd.read_json(manifest["results_path"].removeprefix("file://"), lines=True)
    assert list(rows.columns) == list(KEYS)
    assert list(rows["status"]) == ["error", "success", "success", "success", "error"]
    assert rows["cost_usd"].sum() == pytest.approx(manifest["cost_usd"])
    pictures = pd.json_normalize(rows.explode("records")["records"].dropna())
    assert len(pictures) == manifest["pictures"] == 5


def test_arrow_reads_the_results(manifest, tmp_path):
    with ObjectStoragePath(manifest["results_path"]).open("rb") as file:
        table = pyarrow.json.read_json(file)
    assert table.num_rows == 5
    assert table.column("cost_usd").type == pyarrow.float64()
    assert table.column("metadata").to_pylist()[2] == {"sku": None, "stock": 0.5, "is_new": True}


def test_arrow_reads_results_of_many_blocks(attempts):
    """Arrow takes the types from the first block, and refuses others in the next ones."""
    attempts.batch([{"prompt": "a", "metadata": {"sku": "x"}}])
    (row,) = attempts.rows
    record = {**row["records"][0], "width": None, "cost_usd": None}
    early = {**row, "metadata": {}, "model": None, "error_message": "x" * 500, "records": [record]}
    text = "".join(json.dumps(each) + "\n" for each in [early] * 3000 + [{**row, "cost_usd": 1}] * 3000)
    path = attempts.folder / "many.jsonl"
    path.write_text(text)
    assert pyarrow.json.read_json(path).num_rows == 6000


def test_a_database_takes_the_results(manifest):
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE pictures (id TEXT, prompt TEXT, path TEXT PRIMARY KEY, cost_usd REAL)")
        values = [
            (row["id"], row["prompt"], record["path"], record["cost_usd"])
            for row in read_results(manifest)
            for record in row["records"]
        ]
        database.executemany("INSERT INTO pictures VALUES (?, ?, ?, ?)", values)
        assert database.execute("SELECT count(*) FROM pictures").fetchone() == (5,)
