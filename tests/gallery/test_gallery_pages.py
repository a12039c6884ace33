"""The gallery's pages: what they show of what tasks left, odd as it may be."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from airflow.sdk import DAG
from support.galleries import link_record, stored_record, write_xcom
from support.object_store import ObjectStore
from support.pictures import picture

from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator

if TYPE_CHECKING:
    from support.gallery_server import GalleryServer

    from airflow_provider_imagerouter.sandbox.process import SandboxProcess

pytestmark = pytest.mark.needs_airflow("3.1.1")

Left = Callable[..., Any]
PNG = picture("PNG", (64, 48))


def _run_page(gallery: GalleryServer, run: Any, below: str = "") -> Any:
    return gallery.get(f"imagerouter/dags/{run.dag_id}/runs/{quote(run.run_id)}/{below}")


def _row(index: int, **values: Any) -> dict[str, Any]:
    return {
        "id": f"DIGEST-{index:05d}-x",
        "index": index,
        "status": "success",
        "prompt": f"Chair number {index}",
        "model": "test/test",
        "metadata": None,
        "cost_usd": 0.01,
        "billed": "yes",
        "error_type": None,
        "error_message": None,
        "records": [link_record(f"https://cdn.example/{index}.webp", prompt=f"Chair number {index}")],
        **values,
    }


def _leave_results(left: Left, results: bytes, put: Callable[[bytes], str]) -> Any:
    """Leave a batch's manifest and its rows, which are its own; ``put`` stores them."""
    run = left(batch=None)
    own = Identity(run.dag_id, run.run_id, "batch", -1).digest.encode()
    return left(batch=_manifest(put(results.replace(b"DIGEST", own))))


def _manifest(path: str) -> dict[str, Any]:
    return {
        "results_path": path,
        "result_path": path.rpartition("/")[0],
        "requests": 3,
        "succeeded": 2,
        "failed": 1,
        "not_sent": 0,
        "errors": {},
        "pictures": 2,
        "cost_usd": 0.02,
        "seconds": 1.5,
    }


def _lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


FAILED = {"status": "error", "records": [], "error_type": "ImageRouterModelError", "error_message": "No such <model>"}


def test_pages_of_a_task_a_run_and_a_dag_show_what_was_made(gallery: GalleryServer, left: Left) -> None:
    run = left(poster=[link_record(), link_record("https://cdn.example/b.webp")], other=3)
    for answer in (
        gallery.task(run, "poster"),
        _run_page(gallery, run),
        gallery.get(f"imagerouter/dags/{run.dag_id}/"),
    ):
        assert answer.status_code == 200
        assert "https://cdn.example/a.webp" in answer.text
        assert "https://cdn.example/b.webp" in answer.text
        assert "https://cdn.example" in answer.headers["Content-Security-Policy"]
    assert "made no pictures" in gallery.task(run, "other").text


def test_why_a_local_picture_is_not_shown_is_said(gallery: GalleryServer, left: Left, tmp_path: Path) -> None:
    run = left(poster=[stored_record(PNG, tmp_path / "a.png")])
    assert "gallery_roots" in gallery.task(run, "poster").text


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        "text",
        [None, 3, [], {}, "x"],
        [link_record(cost_usd="much", width=-5, height="x", size_bytes=-1, created_at="soon", metadata=[1])],
        [link_record(cost_usd=float("nan"), latency_ms=float("inf"), created_at=17, prompt={"a": 1}, model=["m"])],
        [
            link_record(
                cost_usd=1e308, width=10**400, created_at="9999-12-31T23:59:59Z", prompt="\ud800", model="\udfff"
            )
        ],
        [link_record(metadata={"a": {"b": [1, {"c": float("nan")}]}, "": None}, inputs="x", unchanged="yes")],
        [link_record(inputs=[None, 3, {"uri": 5}, {"uri": "/etc/passwd", "sha256": []}, {"uri": "data:,x"}])],
        [stored_record(b"x", "file:///nowhere", size_bytes=float("inf"), sha256="\ud800" * 64)],
        [link_record(created_at="0001-01-01T00:00:00+14:00", cost_usd=True, duration_seconds=None)],
        [{**link_record(), "prompt": "x" * 200_000}] * 3,
        [link_record("https://\ud800.example/")],
        _manifest("gs://no_such_connection@bucket/results.jsonl"),
        {**_manifest("x.jsonl"), "results_path": ["x"]},
        _manifest("/etc/passwd"),
        _manifest("../results.jsonl"),
        _manifest("\0.jsonl"),
    ],
    ids=range(19),
)
def test_whatever_an_xcom_is_there_is_a_page(gallery: GalleryServer, left: Left, odd: Any) -> None:
    run = left(poster=[link_record()])
    write_xcom(run, "poster", odd)
    for answer in (
        gallery.task(run, "poster"),
        _run_page(gallery, run, "?sort=-cost&q=chair"),
        _run_page(gallery, run, "?sort=time"),
        gallery.get(f"imagerouter/dags/{run.dag_id}/"),
        _run_page(gallery, run, "records.csv"),
        _run_page(gallery, run, "pictures.zip"),
    ):
        assert answer.status_code == 200, answer.text
        assert "root:" not in answer.text
    for below in ("files/0", "thumbnails/0", "inputs/0/0", "inputs/0/3", "files/1-0"):
        assert gallery.task(run, "poster", below=below).status_code in (403, 404, 409, 502), below


def test_what_is_no_json_takes_no_other_task_with_it(gallery: GalleryServer, left: Left) -> None:
    from airflow.utils.session import create_session
    from sqlalchemy import text

    run = left(broken=1, poster=[link_record()])
    for value in ("{", "[" * 5000, '{"__classname__": "builtins.tuple", "__data__": [1], "__version__": 1}'):
        with create_session(scoped=False) as session:
            statement = text("UPDATE xcom SET value = :value WHERE dag_id = :dag AND task_id = 'broken'")
            session.execute(statement, {"value": value, "dag": run.dag_id})
        assert "https://cdn.example/a.webp" in _run_page(gallery, run).text
        assert gallery.task(run, "broken").status_code == 200


def test_search_looks_into_prompts_and_models(gallery: GalleryServer, left: Left) -> None:
    run = left(
        chairs=[link_record(prompt="A RED chair"), link_record("https://cdn.example/b.webp", prompt="A blue chair")],
        tables=[link_record("https://cdn.example/c.webp", prompt="A table", model="other/red-model")],
    )
    text = _run_page(gallery, run, "?q=red").text
    assert "a.webp" in text
    assert "b.webp" not in text
    assert "c.webp" in text
    text = _run_page(gallery, run, "?q=chair%20blue").text
    assert "a.webp" not in text
    assert "b.webp" in text
    assert "words" in _run_page(gallery, run, "?q=sofa").text


@pytest.mark.parametrize(
    ("sort", "order"), [("", "bcad"), ("cost", "abcd"), ("-cost", "cbad"), ("time", "cabd"), ("x", "bcad")]
)
def test_pictures_are_sorted(gallery: GalleryServer, left: Left, sort: str, order: str) -> None:
    made = {"b": (0.02, "2026-11-03"), "c": (0.03, "2026-11-01"), "a": (0.01, "2026-11-02"), "d": (None, "?")}
    records = [
        link_record(f"https://cdn.example/{name}.webp", cost_usd=cost, created_at=time)
        for name, (cost, time) in made.items()
    ]
    text = gallery.task(left(poster=records), "poster", below=f"?sort={sort}").text
    assert sorted("abcd", key=lambda name: text.index(f"/{name}.webp")) == list(order)


def test_totals_are_of_everything() -> None:
    from airflow_provider_imagerouter.plugins.gallery.contents import collect
    from airflow_provider_imagerouter.plugins.gallery.items import Task
    from airflow_provider_imagerouter.plugins.gallery.xcoms import Left

    error = {"type": "X", "message": "m", "billed": "yes", "cost_usd": 0.1, "model": "c", "prompt": None}
    left = [
        Left(Task("run", "one"), [link_record(model="a", cost_usd=0.1), link_record(model="b", cost_usd=0.2)]),
        Left(Task("run", "two"), [link_record(model="a", cost_usd=0.2), link_record(model=None, cost_usd=None)]),
        Left(Task("run", "three"), None, error),
    ]
    totals = collect(left, {}, {}, "").totals
    assert (totals.pictures, totals.failures, str(totals.cost_usd), totals.of_unknown_cost) == (4, 1, "0.6", 1)
    assert [(model.model, model.pictures, str(model.cost_usd)) for model in totals.by_model] == [
        ("a", 2, "0.3"),
        ("b", 1, "0.2"),
        (None, 1, "0"),
    ]


def test_a_run_of_more_pictures_than_a_page_has_goes_on(gallery: GalleryServer, left: Left) -> None:
    run = left(poster=[link_record(f"https://cdn.example/{number}.webp") for number in range(501)])
    assert "/500.webp" not in gallery.task(run, "poster").text
    last = gallery.task(run, "poster", below="?page=2").text
    assert "/500.webp" in last
    assert "/499.webp" not in last
    assert "/500.webp" in gallery.task(run, "poster", below="?page=99").text


def test_a_dag_s_page_shows_the_newest_runs_first(gallery: GalleryServer, left: Left) -> None:
    for number in range(2):
        run = left("runs_by_age", poster=[link_record(f"https://cdn.example/{number}.webp")])
    text = gallery.get(f"imagerouter/dags/{run.dag_id}/").text
    assert text.index("/1.webp") < text.index("/0.webp")
    assert gallery.get(f"imagerouter/dags/{run.dag_id}/?page=2").status_code == 200


def test_a_failed_task_tells_its_error(gallery: GalleryServer, left: Left) -> None:
    run = left(poster=None)
    error = {"type": "ImageRouterInputError", "message": "It is <wrong>", "billed": "no", "cost_usd": None}
    write_xcom(run, "poster", {**error, "model": "m", "prompt": "p"}, key="error")
    assert "It is &lt;wrong&gt;" in gallery.task(run, "poster").text
    assert "It is &lt;wrong&gt;" in _run_page(gallery, run).text


# Batches


def test_a_batch_shows_the_rows_of_its_results(gallery: GalleryServer, left: Left, object_store: ObjectStore) -> None:
    stored = stored_record(PNG, object_store.put("run/0.png", PNG))
    results = _lines(_row(0, records=[stored]), _row(1, **FAILED), _row(2))
    run = _leave_results(left, results, lambda rows: object_store.put("run/results.jsonl", rows))
    text = gallery.task(run, "batch").text
    assert "No such &lt;model&gt;" in text
    assert "https://cdn.example/2.webp" in text
    assert "thumbnails/0-0" in text
    assert gallery.task(run, "batch", below="files/0-0").content == PNG
    assert gallery.task(run, "batch", below="thumbnails/0-0").status_code == 200
    for below in ("files/1-0", "files/0-1", "files/9-0", "files/0", "files/0-0-0"):
        assert gallery.task(run, "batch", below=below).status_code == 404, below


def test_a_batch_without_its_results_says_so(gallery: GalleryServer, left: Left, object_store: ObjectStore) -> None:
    run = left(batch=_manifest(object_store.put("x", b"")[:-1] + "results.jsonl"), poster=[link_record()])
    text = _run_page(gallery, run).text
    assert "not there any more" in text
    assert "a.webp" in text


def test_broken_rows_are_left_out(gallery: GalleryServer, left: Left, object_store: ObjectStore) -> None:
    results = b"".join(
        (
            b"\xff\xfe\n{\nnull\n[]\n" + b"[" * 100_000 + b"\n",
            _lines(_row(0, records="x", status=5), _row(1, records=[None, 3, link_record()], cost_usd="x")),
            b'{"status": ' + b" " * 5_000_000 + b"\n",
            _lines(_row(2)),
            json.dumps(_row(3)).encode(),  # cut off when the batch was killed
        )
    )
    run = _leave_results(left, results, lambda rows: object_store.put("broken/results.jsonl", rows))
    text = gallery.task(run, "batch").text
    assert "https://cdn.example/a.webp" in text
    assert "https://cdn.example/2.webp" in text
    assert "https://cdn.example/3.webp" not in text


def test_what_is_called_results_but_is_elsewhere_is_not_read(
    gallery: GalleryServer, left: Left, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("secret") / "results.jsonl"
    secret.write_bytes(_lines(_row(0)))
    (root / "results.jsonl").symlink_to(secret)
    for path in (secret.as_uri(), (root / "results.jsonl").as_uri(), f"file://{root}/../{secret.parent.name}/x.jsonl"):
        text = gallery.task(left(batch=_manifest(path)), "batch").text
        assert "Chair number 0" not in text
        assert "gallery_roots" in text


def test_results_of_another_task_are_not_shown(gallery: GalleryServer, left: Left, object_store: ObjectStore) -> None:
    """Whoever may edit an XCom of one Dag learns nothing of the others'."""
    theirs = stored_record(PNG, object_store.put("theirs/0.png", PNG))
    results = _lines(_row(0, id="0123456789ab-00000-x", records=[theirs]))
    run = left(batch=_manifest(object_store.put("theirs/results.jsonl", results)))
    text = gallery.task(run, "batch").text
    assert "results of another task" in text
    assert "Chair number 0" not in text
    assert gallery.task(run, "batch", below="files/0-0").status_code == 403
    assert gallery.task(run, "batch", below="records.csv").text.count("\n") == 1


def test_ten_thousand_rows_are_paged(gallery: GalleryServer, left: Left, root: Path) -> None:
    def put(rows: bytes) -> str:
        (root / "results.jsonl").write_bytes(rows)
        return (root / "results.jsonl").as_uri()

    run = _leave_results(left, _lines(*map(_row, range(10_000))), put)
    text = gallery.task(run, "batch", below="?page=20").text
    assert "/9500.webp" in text
    assert "/9999.webp" in text
    assert "/9499.webp" not in text
    assert "10,000" in text
    assert "/777.webp" in gallery.task(run, "batch", below="?q=number%20777").text


def test_a_batch_that_failed_shows_what_it_made_and_what_failed(
    gallery: GalleryServer, run_dag: Callable[..., Any], imagerouter_connection: SandboxProcess, root: Path
) -> None:
    with DAG("failing_batch", schedule=None, default_args={"retries": 0}) as dag:
        ImageRouterBatchOperator(
            task_id="batch",
            requests=["A chair that is made", {"prompt": "A chair that is not", "model": "sandbox/refuses"}],
            model="black-forest-labs/FLUX-1-schnell",
            result_path=str(root / "chairs"),
        )
    run = run_dag(dag)
    run.dag_id = dag.dag_id
    assert run.state == "failed"
    page = gallery.task(run, "batch").text
    assert "A chair that is made" in page
    assert "A chair that is not" in page
    assert "1 of 2 requests failed" in page
    for below in ("thumbnails/0-0", "files/0-0"):
        assert gallery.task(run, "batch", below=below).status_code == 200
    table = list(csv.DictReader(io.StringIO(gallery.task(run, "batch", below="records.csv").text)))
    cost = sum(call["cost"] for call in imagerouter_connection.ledger()["calls"])
    assert [float(row["cost_usd"]) for row in table] == [cost]
    assert f"${cost:.4f}".rstrip("0") in page


# All at once


def test_all_pictures_come_as_a_zip(gallery: GalleryServer, left: Left, root: Path) -> None:
    (root / "other").mkdir()
    (root / "replaced.png").write_bytes(PNG)
    records = [
        stored_record(PNG, root / "a.png"),
        stored_record(PNG[:-12] + PNG[-12:], root / "other" / "A.png"),
        {**stored_record(PNG, root / "replaced.png"), "sha256": "0" * 64},
        stored_record(PNG, "file:///etc/passwd"),
        link_record(),
    ]
    run = left(poster=records)
    for answer in (_run_page(gallery, run, "pictures.zip"), gallery.task(run, "poster", below="pictures.zip")):
        assert answer.headers["Content-Disposition"].startswith("attachment")
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        assert archive.testzip() is None
        assert archive.namelist() == ["poster/a.png", "poster/A-2.png", "records.json"]
        assert archive.read("poster/a.png") == PNG
        told = json.loads(archive.read("records.json"))
        assert [each["file"] for each in told] == ["poster/a.png", "poster/A-2.png", None, None, None]
        assert [each["missing_because"] is None for each in told] == [True, True, False, False, False]
        assert told[4]["url"] == "https://cdn.example/a.webp"


@pytest.mark.parametrize("prompt", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_of_the_table_is_a_formula(gallery: GalleryServer, left: Left, prompt: str) -> None:
    run = left(poster=[link_record(prompt=prompt, model='a"b,c')])
    table = list(csv.DictReader(io.StringIO(_run_page(gallery, run, "records.csv").text, newline="")))
    assert [row["prompt"] for row in table] == [f"'{prompt}"]
    assert (table[0]["model"], table[0]["task_id"], table[0]["cost_usd"]) == ('a"b,c', "poster", "0.01")


def test_results_that_vanish_while_a_page_is_made_are_no_fault_of_the_page(
    gallery: GalleryServer, left: Left, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "results.jsonl").write_bytes(_lines(_row(0)))
    gone = root / "gone.jsonl"
    monkeypatch.setattr("airflow_provider_imagerouter.plugins.gallery.app.fetch_results", lambda *_: gone)
    run = left(batch=_manifest((root / "results.jsonl").as_uri()))
    assert gallery.task(run, "batch").status_code == 503
