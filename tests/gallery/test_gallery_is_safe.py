"""Who is shown what: over HTTP, from Airflow's own API server."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from support.galleries import link_record, stored_record
from support.object_store import BUCKET, CONN_ID, ObjectStore
from support.pictures import SVG, movie, picture

if TYPE_CHECKING:
    from support.gallery_server import GalleryServer

pytestmark = pytest.mark.needs_airflow("3.1.1")

Left = Callable[..., Any]
PNG = picture("PNG", (64, 48))


ADDRESSES = (
    "",
    "runs/{run}/",
    "runs/{run}/tasks/poster/-1/",
    "runs/{run}/tasks/poster/-1/files/0",
    "runs/{run}/tasks/poster/-1/thumbnails/0",
    "runs/{run}/tasks/poster/-1/inputs/0/0",
    "runs/{run}/records.csv",
    "runs/{run}/pictures.zip",
    "runs/{run}/tasks/poster/-1/records.csv",
    "runs/{run}/tasks/poster/-1/pictures.zip",
)


@pytest.fixture
def secret_run(left: Left, root: Path) -> Any:
    given = {"uri": (root / "a.png").as_uri(), "sha256": stored_record(PNG, root / "a.png")["sha256"]}
    return left("secret", poster=[stored_record(PNG, root / "a.png", inputs=[given])])


def test_every_address_needs_a_login_and_the_right_to_read_the_dags_xcoms(
    gallery: GalleryServer, secret_run: Any
) -> None:
    run = quote(secret_run.run_id)
    seen = {
        user: [
            gallery.get(f"imagerouter/dags/secret/{address.format(run=run)}", user).status_code for address in ADDRESSES
        ]
        for user in (None, "viewer", "blind", "admin")
    }
    assert seen == {None: [401] * 10, "viewer": [403] * 10, "blind": [403] * 10, "admin": [200] * 10}


def test_all_of_the_applications_routes_are_among_those_addresses() -> None:
    from airflow_provider_imagerouter.plugins.gallery.app import app

    assert len(_leaves(app.routes)) == len(ADDRESSES)


def _leaves(routes: Any) -> list[Any]:
    """Newer FastAPI keeps a router's routes as one of the application's."""
    inner = [(route, getattr(getattr(route, "original_router", route), "routes", None)) for route in routes]
    return [leaf for route, below in inner for leaf in (_leaves(below) if below is not None else [route])]


@pytest.mark.parametrize("dag_id", ["~", "%7E", "%7e"])
def test_no_particular_dag_is_refused(gallery: GalleryServer, dag_id: str) -> None:
    for user in ("viewer", "admin"):
        answer = gallery.get(f"imagerouter/dags/{dag_id}/", user)
        assert answer.status_code in (403, 404)
        assert "<html" not in answer.text  # which would have been looked up


def test_another_dag_in_the_query_opens_nothing(gallery: GalleryServer, secret_run: Any) -> None:
    address = f"imagerouter/dags/secret/runs/{quote(secret_run.run_id)}/tasks/poster/-1/files/0"
    assert gallery.get(f"{address}?dag_id=other", "viewer").status_code == 403


def test_nothing_describes_the_application(gallery: GalleryServer) -> None:
    for name in ("docs", "redoc", "openapi.json"):
        answer = gallery.get(f"imagerouter/{name}")
        assert answer.status_code == 404
        assert "swagger" not in answer.text.lower()


def test_what_is_not_there_is_not_found(gallery: GalleryServer, left: Left) -> None:
    run = left(poster=[link_record()])
    run_path = f"imagerouter/dags/{run.dag_id}/runs/{quote(run.run_id)}/"
    for path in (
        "imagerouter/dags/nothing/",
        "imagerouter/dags/nothing/runs/no/",
        f"imagerouter/dags/{run.dag_id}/runs/no/",
        f"{run_path}tasks/no/-1/",
        f"{run_path}tasks/poster/7/",
    ):
        answer = gallery.get(path)
        assert answer.status_code == 404, path
        assert "Airflow knows no" in answer.text
    for path in ("tasks/poster/x/", "tasks/poster/-1/files/1", "tasks/poster/-1/files/x", "tasks/poster/-1/files/0-0"):
        assert gallery.get(run_path + path).status_code == 404, path
    assert gallery.get(f"{run_path}tasks/poster/%7BMAP_INDEX%7D/").status_code == 200


def test_headers_say_that_nothing_else_is_to_be_done_with_it(gallery: GalleryServer, secret_run: Any) -> None:
    run = quote(secret_run.run_id)
    for address in ADDRESSES:
        headers = gallery.get(f"imagerouter/dags/secret/{address.format(run=run)}").headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"].startswith("private")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
        assert "unsafe-inline'; script" not in headers["Content-Security-Policy"]


def test_a_stored_picture_is_shown_and_scaled(gallery: GalleryServer, left: Left, root: Path) -> None:
    from PIL import Image

    content = picture("JPEG", (1200, 600))
    run = left(poster=[stored_record(content, root / "a.jpg", "image/jpeg")])
    answer = gallery.task(run, "poster", below="files/0")
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, content, "image/jpeg")
    thumbnail = gallery.task(run, "poster", below="thumbnails/0")
    assert thumbnail.headers["Content-Type"] == "image/webp"
    assert Image.open(io.BytesIO(thumbnail.content)).size == (480, 240)


def test_a_part_of_a_video_is_sent(gallery: GalleryServer, left: Left, root: Path) -> None:
    run = left(film=[stored_record(movie(), root / "a.mp4", "video/mp4")])
    path = f"imagerouter/dags/{run.dag_id}/runs/{quote(run.run_id)}/tasks/film/-1/files/0"
    answer = gallery.get(path, Range="bytes=4-7")
    assert (answer.status_code, answer.content) == (206, b"ftyp")
    assert answer.headers["Content-Range"] == f"bytes 4-7/{len(movie())}"
    assert gallery.get(path, Range="bytes=0-0,2-2").content == movie()
    assert gallery.get(path, Range="bytes=999999-").status_code == 416
    assert gallery.task(run, "film", below="thumbnails/0").status_code == 415


# What no record may bring about


def _get(gallery: GalleryServer, left: Left, record: dict[str, Any], below: str = "files/0") -> Any:
    return gallery.task(left(poster=[record]), "poster", below=below)


@pytest.mark.parametrize("path", ["file:///etc/passwd", "/etc/passwd", "file:/etc/passwd", "local:///etc/passwd"])
@pytest.mark.parametrize("is_configured", [False, True], ids=["by default", "with roots"])
def test_no_file_of_the_server_is_shown(
    gallery: GalleryServer, left: Left, root: Path, monkeypatch: pytest.MonkeyPatch, path: str, is_configured: bool
) -> None:
    if not is_configured:
        monkeypatch.delenv("AIRFLOW__IMAGEROUTER__GALLERY_ROOTS")
    content = Path("/etc/passwd").read_bytes()
    answer = _get(gallery, left, stored_record(content, path))
    assert answer.status_code == 403
    assert b"root:" not in answer.content


@pytest.mark.parametrize(
    "way", ["{root}/../secret.png", "{root}/%2e%2e/secret.png", "{root}/./../secret.png", "{root}"]
)
def test_no_way_leads_out_of_the_root(gallery: GalleryServer, left: Left, root: Path, way: str) -> None:
    (root.parent / "secret.png").write_bytes(PNG)
    for prefix in ("file://", ""):
        answer = _get(gallery, left, stored_record(PNG, prefix + way.format(root=root)))
        assert answer.status_code in (403, 404)
        assert answer.content != PNG


def test_a_folder_whose_name_begins_alike_is_another(gallery: GalleryServer, left: Left, root: Path) -> None:
    other = root.with_name("shown-not")
    other.mkdir()
    assert _get(gallery, left, stored_record(PNG, other / "a.png")).status_code == 403


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_symbolic_link_does_not_lead_out_of_the_root(
    gallery: GalleryServer, left: Left, root: Path, what: str
) -> None:
    secret = root.parent / "secret"
    secret.mkdir()
    record = stored_record(PNG, secret / "a.png")
    (root / "link").symlink_to(secret / "a.png" if what == "file" else secret)
    path = (root / "link" if what == "file" else root / "link" / "a.png").as_uri()
    assert _get(gallery, left, {**record, "path": path, "uri": path}).status_code == 403


def test_a_pipe_is_no_file(gallery: GalleryServer, left: Left, root: Path) -> None:
    os.mkfifo(root / "a.png")
    assert _get(gallery, left, stored_record(PNG, (root / "a.png").as_uri())).status_code == 403


@pytest.mark.parametrize("below", ["files/..%2f..%2f..%2fetc%2fpasswd", "files/%2e%2e", "files/0/../../x", "files/-1"])
def test_a_name_is_no_path(gallery: GalleryServer, left: Left, below: str) -> None:
    answer = _get(gallery, left, link_record(), below)
    assert b"root:" not in answer.content
    assert answer.status_code in (404, 307) or "<title>Airflow</title>" in answer.text


def test_a_file_that_no_record_names_has_no_address(gallery: GalleryServer, left: Left, root: Path) -> None:
    (root / "b.png").write_bytes(PNG)
    run = left(poster=[stored_record(PNG, root / "a.png")])
    for name in ("1", "b.png", str(root / "b.png"), "0-0"):
        answer = gallery.task(run, "poster", below=f"files/{quote(name, safe='')}")
        assert answer.content != PNG
        assert answer.status_code == 404


def test_a_record_that_was_edited_in_the_ui_shows_nothing_but_what_its_hash_says(
    gallery: GalleryServer, left: Left, root: Path
) -> None:
    record = stored_record(PNG, root / "a.png")
    run = left(poster=[record])
    assert gallery.task(run, "poster", below="files/0").content == PNG
    stored_record(picture("PNG", (10, 10)), root / "b.png")
    elsewhere = {**record, "path": (root / "b.png").as_uri()}
    for edited, status in (
        ([elsewhere], 409),
        ([{**elsewhere, "sha256": None}], 403),
        ([{**elsewhere, "sha256": 5}], 403),
        ([{**record, "path": "file:///etc/hostname"}], 403),
        ([{**record, "path": ["/etc/passwd"]}], 404),
        ({"path": "x"}, 404),
        ("text", 404),
    ):
        gallery.edit_xcom(run, "poster", edited)
        assert gallery.task(run, "poster").status_code == 200
        for below in ("files/0", "thumbnails/0"):
            answer = gallery.task(run, "poster", below=below)
            assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/plain; charset=utf-8"), edited


def test_a_file_that_was_replaced_is_not_shown(gallery: GalleryServer, left: Left, root: Path) -> None:
    record = stored_record(PNG, root / "a.png")
    (root / "a.png").write_bytes(picture("PNG", (64, 64)))
    answer = _get(gallery, left, record)
    assert answer.status_code == 409
    assert "changed" in answer.text


@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html><script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
        b"RIFF\0\0\0\0WAVE",
        b"",
    ],
    ids=["html", "html behind a PNG's beginning", "sound", "nothing"],
)
def test_what_is_no_picture_is_not_shown(gallery: GalleryServer, left: Left, root: Path, content: bytes) -> None:
    answer = _get(gallery, left, stored_record(content, root / "a.png"))
    assert answer.status_code == 415
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_svg_cannot_run(gallery: GalleryServer, left: Left, root: Path) -> None:
    content = SVG.replace(b"<path", b"<script>alert(document.cookie)</script><path")
    answer = _get(gallery, left, stored_record(content, root / "a.svg", "image/svg+xml"))
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy.split("; ")
    assert "default-src 'none'" in policy
    assert "script" not in policy


def test_a_huge_file_is_not_read(gallery: GalleryServer, left: Left, root: Path) -> None:
    record = stored_record(PNG, root / "a.png", size_bytes=None)
    with (root / "a.png").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    answer = _get(gallery, left, record)
    assert answer.status_code == 413
    assert "100 MiB" in answer.text


def test_a_decompression_bomb_is_not_scaled(gallery: GalleryServer, left: Left, root: Path) -> None:
    from PIL import Image

    written = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(written, "PNG")
    answer = _get(gallery, left, stored_record(written.getvalue(), root / "a.png"), "thumbnails/0")
    assert answer.status_code == 413
    assert "pixels" in answer.text


def test_prompts_are_text(gallery: GalleryServer, left: Left) -> None:
    run = left(poster=[link_record(prompt='<script>alert(1)</script>"onload=alert(1) x="', model="<b>m</b>")])
    text = gallery.task(run, "poster").text
    assert "<script>alert" not in text
    assert '"onload=' not in text
    assert "<b>m" not in text


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,<script>1</script>",
        "//evil.example/x",
        "https:x",
        "https://user:pw@evil.example/a.png",
        "https://evil.example;script-src *",
        "https://[::1",
    ],
)
def test_links_are_links_to_pictures(gallery: GalleryServer, left: Left, link: str) -> None:
    run = left(poster=[link_record(link)])
    answer = gallery.task(run, "poster")
    assert answer.status_code == 200
    assert f'href="{link}"' not in answer.text
    assert f'src="{link}"' not in answer.text
    assert "evil" not in answer.headers["Content-Security-Policy"]


def test_links_are_not_fetched(gallery: GalleryServer, left: Left) -> None:
    record = link_record("http://127.0.0.1:1/a.png", path="http://127.0.0.1:1/a.png", sha256="0" * 64)
    assert _get(gallery, left, record).status_code == 404


# Object stores


def test_pictures_on_an_object_store_are_shown_with_the_servers_own_connection(
    gallery: GalleryServer, left: Left, object_store: ObjectStore
) -> None:
    run = left(poster=[stored_record(PNG, object_store.put("a/b c.png", PNG))])
    assert gallery.task(run, "poster", below="files/0").content == PNG
    assert gallery.task(run, "poster", below="thumbnails/0").status_code == 200


@pytest.mark.parametrize(
    ("roots", "status"),
    [
        (f"s3://{CONN_ID}@{BUCKET}/a", 200),
        (f"s3://{BUCKET}/a/", 200),
        (f"/nowhere, s3://{BUCKET}", 200),
        (f"s3://other@{BUCKET}/a", 403),
        (f"s3://{BUCKET}/a/b", 403),
        (f"s3://{BUCKET[:-1]}", 403),
        (f"gs://{BUCKET}", 403),
        ("/", 403),
    ],
)
def test_roots_say_which_objects_are_shown(
    gallery: GalleryServer,
    left: Left,
    object_store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    roots: str,
    status: int,
) -> None:
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__GALLERY_ROOTS", roots)
    assert _get(gallery, left, stored_record(PNG, object_store.put("a/c.png", PNG))).status_code == status


@pytest.mark.parametrize(
    "path",
    [
        f"s3://{CONN_ID}@{BUCKET}/a/../secret.png",
        f"simplecache::s3://{CONN_ID}@{BUCKET}/secret.png",
        "sftp://host/a.png",
        "memory://a.png",
        "s3:///a.png",
        "s3://a\n/b.png",
        "://",
    ],
)
def test_other_places_are_not_looked_into(
    gallery: GalleryServer, left: Left, object_store: ObjectStore, path: str
) -> None:
    object_store.put("secret.png", PNG)
    assert _get(gallery, left, stored_record(PNG, path)).status_code == 403


def test_what_went_wrong_in_storage_is_for_the_servers_log(
    gallery: GalleryServer, left: Left, object_store: ObjectStore
) -> None:
    answer = _get(gallery, left, stored_record(PNG, "gs://no_such_connection@bucket/a.png"))
    assert answer.status_code == 502
    assert "no_such_connection" not in answer.text
