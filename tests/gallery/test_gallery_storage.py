"""Storage as it can be: connections that are changed, stores that do not answer, files of many kinds."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from support.galleries import stored_record
from support.object_store import BUCKET, ObjectStore
from support.pictures import picture

from airflow_provider_imagerouter.plugins.gallery.cache import _folder as find_folder

if TYPE_CHECKING:
    from support.gallery_server import GalleryServer

pytestmark = pytest.mark.needs_airflow("3.1.1")

Left = Callable[..., Any]
PNG = picture("PNG", (64, 48))


def test_a_connection_of_airflows_database_is_used_and_read_again_when_it_failed(
    gallery: GalleryServer, left: Left, object_store_server: tuple[ObjectStore, str]
) -> None:
    store, endpoint = object_store_server
    store.put("in the database/a.png", PNG)
    run = left(poster=[stored_record(PNG, f"s3://in_the_database@{BUCKET}/in the database/a.png")])
    api, path = "api/v2/connections", "api/v2/connections/in_the_database"
    assert gallery.ask("POST", api, "admin", body=_connection("http://127.0.0.1:1")).status_code == 201
    assert gallery.task(run, "poster", below="files/0").status_code == 502
    assert gallery.ask("PATCH", path, "admin", body=_connection(endpoint)).status_code == 200
    assert gallery.task(run, "poster", below="files/0").content == PNG


def _connection(endpoint: str) -> dict[str, str]:
    extra = {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    kind = {"connection_id": "in_the_database", "conn_type": "aws"}
    return {**kind, "login": "x", "password": "x", "extra": json.dumps(extra)}


@pytest.fixture
def mute_store(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store that takes connections, and does not answer until it is closed."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        extra = {
            "endpoint_url": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "region_name": "us-east-1",
            "config_kwargs": {"retries": {"max_attempts": 0}},
        }
        connection = {"conn_type": "aws", "login": "x", "password": "x", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_MUTE", json.dumps(connection))
        yield listener


def test_storage_that_does_not_answer_keeps_nobody_waiting_for_anything_else(
    gallery: GalleryServer, left: Left, mute_store: socket.socket, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__IMAGEROUTER__GALLERY_ROOTS")
    monkeypatch.setattr("airflow_provider_imagerouter.plugins.gallery.app.RESULTS_SECONDS", 1)
    manifest = dict.fromkeys(("requests", "succeeded", "failed"), 1)
    run = left(
        batch={**manifest, "results_path": "s3://mute@pictures/results.jsonl"},
        poster=[stored_record(PNG, "s3://mute@pictures/a.png")],
    )
    with ThreadPoolExecutor(50) as threads:
        waiting = [
            threads.submit(gallery.task, run, "poster", below="thumbnails/0") for _ in range(50)
        ]  # more than FastAPI has threads
        page = gallery.task(run, "batch")
        assert page.status_code == 200
        assert "takes too long" in page.text
        assert gallery.get("api/v2/version").status_code == 200
        assert gallery.task(run, "poster").status_code == 200
        assert not any(each.done() for each in waiting)
        mute_store.close()
        assert {each.result().status_code for each in waiting} <= {502, 504}


def _turned() -> bytes:
    """A picture that its camera held sideways (EXIF)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("JPEG", (640, 320), exif=exif)


def _animated() -> bytes:
    written = io.BytesIO()
    frames = [Image.new("RGB", (20, 10), color) for color in ("red", "blue")]
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:])
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "content_type", "size", "mode"),
    [
        (_turned(), "image/jpeg", (240, 480), "RGB"),
        (_animated(), "image/gif", (20, 10), "RGB"),
        (picture("PNG", (2000, 10)), "image/png", (480, 2), "RGB"),
        (picture("BMP"), "image/bmp", (32, 24), "RGB"),
        (picture("TIFF"), "image/tiff", (32, 24), "RGB"),
        (picture("WEBP"), "image/webp", (32, 24), "RGB"),
    ],
    ids=["turned", "animated", "long", "bmp", "tiff", "webp"],
)
def test_thumbnails(
    gallery: GalleryServer,
    left: Left,
    root: Path,
    content: bytes,
    content_type: str,
    size: tuple[int, int],
    mode: str,
) -> None:
    run = left(poster=[stored_record(content, root / "a", content_type)])
    answer = gallery.task(run, "poster", below="thumbnails/0")
    thumbnail = Image.open(io.BytesIO(answer.content))
    assert (thumbnail.format, thumbnail.size, thumbnail.mode) == ("WEBP", size, mode)
    if content_type == "image/gif":
        red, _, blue = thumbnail.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert red > 200 > 100 > blue


def test_transparency_is_kept(gallery: GalleryServer, left: Left, root: Path) -> None:
    written = io.BytesIO()
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(written, "PNG")
    run = left(poster=[stored_record(written.getvalue(), root / "a.png")])
    thumbnail = Image.open(io.BytesIO(gallery.task(run, "poster", below="thumbnails/0").content))
    assert thumbnail.convert("RGBA").getpixel((5, 5))[3] == 0  # type: ignore[index]


# What is kept on the API server's disk


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what is kept, empty."""
    folder = tmp_path / "kept"
    monkeypatch.setattr("airflow_provider_imagerouter.plugins.gallery.cache._folder", lambda: folder)
    folder.mkdir()
    return folder


def test_no_more_is_kept_than_may_be(
    gallery: GalleryServer, left: Left, root: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_imagerouter.plugins.gallery.cache.MAX_BYTES", 3 * len(PNG))
    records = [stored_record(PNG, root / f"{number}.png") for number in range(6)]
    run = left(poster=records)
    for number in range(6):
        assert gallery.task(run, "poster", below=f"files/{number}").content == PNG
    assert len(list(kept.iterdir())) == 3
    (root / "5.png").unlink()
    assert gallery.task(run, "poster", below="files/5").content == PNG
    (root / "0.png").unlink()
    assert gallery.task(run, "poster", below="files/0").status_code == 404


def test_nothing_is_kept_of_what_is_not_shown(gallery: GalleryServer, left: Left, root: Path, kept: Path) -> None:
    records = [
        {**stored_record(PNG, root / "a.png"), "sha256": "0" * 64},
        stored_record(b"<html>", root / "b.png"),
    ]
    run = left(poster=records)
    for number in range(2):
        assert gallery.task(run, "poster", below=f"files/{number}").status_code in (409, 415)
    assert list(kept.iterdir()) == []


def test_what_is_kept_outlives_neither_its_time_nor_whoever_cleans_up(
    gallery: GalleryServer, left: Left, root: Path, kept: Path
) -> None:
    run = left(poster=[stored_record(PNG, root / "a.png")])
    assert gallery.task(run, "poster", below="files/0").content == PNG
    (root / "a.png").unlink()
    assert gallery.task(run, "poster", below="files/0").content == PNG
    for file in kept.iterdir():
        os.utime(file, (file.stat().st_mtime - 4000, file.stat().st_mtime - 4000))
    assert gallery.task(run, "poster", below="files/0").status_code == 404
    for file in kept.iterdir():
        file.unlink()
    kept.rmdir()
    (root / "a.png").write_bytes(PNG)
    assert gallery.task(run, "poster", below="files/0").content == PNG


@pytest.mark.parametrize("how", ["open to all", "a symbolic link"])
def test_a_folder_that_others_could_have_made_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    name = tmp_path / f"airflow-imagerouter-gallery-{os.getuid()}"
    if how == "a symbolic link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        name.symlink_to(tmp_path / "elsewhere")
    else:
        name.mkdir()
        name.chmod(0o777)
    folder = find_folder.__wrapped__()
    assert folder != name
    assert folder.stat().st_mode & 0o077 == 0
