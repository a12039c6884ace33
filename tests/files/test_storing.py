"""Storing pictures: whole or not at all, found out before anything is paid, and named by what they are."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from support.object_store import URI, ObjectStore
from support.pictures import SVG, damaged_png, picture
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.engine.pictures import PictureStore
from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError
from airflow_provider_imagerouter.files.storing import is_there, prepare_folder, store
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
from airflow_provider_imagerouter.records import Record, record_of_location

SETTINGS = ConnectionSettings("http://127.0.0.1:1", "key", connect_timeout=2, read_timeout=2)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(params=["path", "URI", "odd path", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        request.getfixturevalue("object_store")
        return f"{URI}/a folder/of ours"
    if request.param == "odd path":
        return str(tmp_path / "a b#c?d%20[e]ü@f")
    return f"file://{tmp_path}/deep/er" if request.param == "URI" else str(tmp_path / "deep" / "er")


def names(folder: str) -> list[str]:
    path = ObjectStoragePath(folder if "://" in folder else f"file://{folder}")
    return sorted(str(name).rpartition("/")[2] for name in path.fs.ls(path.path, detail=False, refresh=True))


def test_stored_files_can_be_read_where_the_uri_says(folder: str) -> None:
    stored = store(b"one", prepare_folder(folder), "a.png")
    assert ObjectStoragePath(str(stored)).read_bytes() == b"one"
    assert names(folder) == ["a.png"]


def test_a_second_one_takes_the_first_ones_place(folder: str) -> None:
    for content in (b"one", b"two, and longer", b""):
        stored = store(content, prepare_folder(folder), "a.png")
        assert stored.read_bytes() == content
    assert names(folder) == ["a.png"]


def test_preparing_leaves_nothing_behind(folder: str) -> None:
    store(b"one", prepare_folder(folder), "a.png")
    prepare_folder(folder)
    assert names(folder) == ["a.png"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    contents = {bytes([number]) * 300_000 for number in range(1, 9)}
    folder, done, seen = prepare_folder(str(tmp_path)), threading.Event(), set()
    store(next(iter(contents)), folder, "a.png")

    def read() -> None:
        while not done.is_set():
            seen.update(path.read_bytes() for path in tmp_path.iterdir() if not path.name.startswith("."))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(20):
            for content in contents:
                store(content, folder, "a.png")
    finally:
        done.set()
        reader.join()
    assert seen <= contents


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process may be larger than 1,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, full_disk: None) -> None:
    folder = prepare_folder(str(tmp_path))
    store(b"old", folder, "a.png")
    with pytest.raises(ImageRouterStorageError, match="File too large") as caught:
        store(b"new" * 1000, folder, "a.png")
    assert caught.value.billed == "yes"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"old"}


def test_a_rename_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ImageRouterStorageError, match=r"a\.png"):
        store(b"new", prepare_folder(str(tmp_path)), "a.png")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.png"]


def test_a_local_file_and_its_name_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, list[str]]] = []

    def fsync(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), names(str(tmp_path))))

    folder = prepare_folder(str(tmp_path))
    monkeypatch.setattr(os, "fsync", fsync)
    store(b"new", folder, "a.png")
    (first, before), (second, after) = synced
    assert (Path(first).parent, second) == (tmp_path, str(tmp_path))
    assert "a.png" not in before
    assert after == ["a.png"]


def test_other_file_systems_get_whole_files_too() -> None:
    """Those that have folders, such as SFTP; here one in memory."""
    system = MemoryFileSystem()
    attach("memory", fs=system)
    stored = store(b"one", prepare_folder("memory://deep/er"), "a.png", "image/png")
    store(b"two", prepare_folder("memory://deep/er"), "a.png", "image/png")
    assert stored.read_bytes() == b"two"
    assert [path.rpartition("/")[2] for path in system.find("deep/er")] == ["a.png"]
    assert is_there(str(stored), 3)


@pytest.mark.parametrize("bad", ["under a file", "unwritable", "no bucket"])
def test_a_folder_that_cannot_be_written_to_is_found_at_once(
    tmp_path: Path, object_store: ObjectStore, bad: str
) -> None:
    (tmp_path / "file").touch()
    place = {"under a file": str(tmp_path / "file" / "x"), "unwritable": "/proc", "no bucket": "s3://aws_tests@none/x"}
    with pytest.raises(ImageRouterStorageError, match="Cannot write to the folder") as caught:
        prepare_folder(place[bad])
    assert caught.value.billed == "no"


@pytest.mark.parametrize("place", ["nosuch://bucket/x", "s4://bucket"])
def test_an_unknown_kind_of_folder_is_found_at_once(place: str) -> None:
    with pytest.raises(ImageRouterInputError, match="cannot be used"):
        prepare_folder(place)


@pytest.mark.parametrize(
    ("place", "extra"),
    [("gs://bucket/x", "gcs"), ("abfs://container@account/x", "azure"), ("az://container/x", "azure")],
)
def test_what_a_file_system_needs_is_named(place: str, extra: str) -> None:
    """Google's and Azure's providers are not among what the tests install."""
    with pytest.raises(ImageRouterInputError, match=rf"pip install 'airflow-provider-imagerouter\[{extra}\]'"):
        prepare_folder(place)


def test_what_s3_needs_is_named() -> None:
    program = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from airflow_provider_imagerouter.files.storing import to_path\n"
        "to_path('s3://bucket/x')"
    )
    failed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'airflow-provider-imagerouter[s3]'" in failed.stderr.splitlines()[-1]


def test_objects_have_their_type(object_store: ObjectStore) -> None:
    add(f"{URI}/typed", picture("WEBP"))
    store(b"x" * 120_000_000, prepare_folder(f"{URI}/typed"), "large.png", "image/png")
    store(b"text", prepare_folder(f"{URI}/typed"), "untyped")
    assert object_store.content_type("typed/poster.webp") == "image/webp"
    assert object_store.content_type("typed/large.png") == "image/png"


def test_whether_a_file_is_there(folder: str) -> None:
    record = add(folder, picture())
    place, size = record["path"], record["size_bytes"]
    assert is_there(place, size)
    assert is_there(place, None)
    assert not is_there(place, 1)
    assert not is_there(f"{place}.not", size)
    store(b"another", prepare_folder(folder), "poster.png")
    assert not is_there(place, size)
    ObjectStoragePath(str(place)).unlink()
    assert not is_there(place, None)


def test_whether_an_object_is_there_is_not_told_from_memory(object_store: ObjectStore) -> None:
    record = add(f"{URI}/listed", picture())
    path = ObjectStoragePath(str(record["path"]))
    path.fs.ls(path.path.rpartition("/")[0], detail=True)
    object_store.clear()
    assert not is_there(str(path), None)


def test_what_is_stored_nowhere_need_not_be_there() -> None:
    assert is_there(None, None)


def test_whether_a_file_is_there_is_not_known_if_nobody_answers(object_store: ObjectStore) -> None:
    with pytest.raises(ImageRouterInputError):
        is_there("gs://bucket/a.png", 5)


def add(folder: str, content: bytes | None, record: Record | None = None, number: int = 1) -> Record:
    async def run() -> Record:
        opened = await PictureStore.open(folder, SETTINGS)
        return await opened.add(record or record_of_location(""), content, "poster", number)

    return asyncio.run(run())


def test_the_type_comes_from_the_bytes_not_from_the_name(folder: str) -> None:
    content = picture("JPEG", (40, 24))
    with RawServer(answer(content, content_type="image/png")) as server:
        link = server.url + "/high.png"
        record = add(folder, None, record_of_location(link))
    assert record["path"].endswith("/poster.jpg")
    assert record["uri"] == record["path"]
    assert record["url"] == link
    assert (record["content_type"], record["width"], record["height"]) == ("image/jpeg", 40, 24)
    assert record["size_bytes"] == len(content)
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert ObjectStoragePath(record["path"]).read_bytes() == content


def test_pictures_of_one_call_have_names_of_their_own(folder: str) -> None:
    for number in (1, 2, 3):
        add(folder, picture(color=(number, 0, 0)), number=number)
    assert names(folder) == ["poster-2.png", "poster-3.png", "poster.png"]


def test_vector_pictures(folder: str) -> None:
    record = add(folder, SVG)
    assert record["path"].endswith("/poster.svg")
    assert (record["content_type"], record["width"], record["height"]) == ("image/svg+xml", None, None)


@pytest.mark.parametrize("content", [b"", b"<html></html>", picture()[:-60]])
def test_what_is_no_picture_is_not_stored(folder: str, content: bytes, object_store: ObjectStore) -> None:
    with pytest.raises(ImageRouterStorageError, match="not a readable picture") as caught:
        add(folder, content)
    assert caught.value.billed == "yes"
    prepare_folder(folder)
    if not folder.startswith("s3"):
        assert names(folder) == []
    assert object_store.names() == []


@pytest.mark.parametrize("status", [403, 404])
def test_a_paid_picture_that_cannot_be_fetched_is_paid(tmp_path: Path, status: int) -> None:
    refused = answer("", f"{status} No")
    with RawServer(refused) as server, pytest.raises(ImageRouterStorageError, match=str(status)) as caught:
        add(str(tmp_path), None, record_of_location(server.url))
    assert (caught.value.billed, caught.value.status_code) == ("yes", status)


def test_a_large_object_appears_whole(object_store: ObjectStore) -> None:
    """Larger than the parts that S3 clients cut it into."""
    content = b"0123456789" * 6_000_000
    store(content, prepare_folder(f"{URI}/large"), "a.png")
    assert hashlib.sha256(object_store.get("large/a.png")).digest() == hashlib.sha256(content).digest()
    assert object_store.names() == ["large/a.png"]


def test_a_relative_folder_is_made_absolute_and_the_log_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("INFO"):
        record = add("pictures", picture())
    assert record["path"] == f"file://{tmp_path}/pictures/poster.png"
    assert f"file://{tmp_path}/pictures" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        add(str(tmp_path), picture())
    assert "relative" not in caplog.text


def test_pictures_are_decoded_if_the_deployment_wants_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert add(str(tmp_path), damaged_png())["width"] == 64
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__VERIFY", "decode")
    with pytest.raises(ImageRouterStorageError, match="not a readable picture"):
        add(str(tmp_path), damaged_png())
    assert add(str(tmp_path), picture())["width"] == 32
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__VERIFY", "thoroughly")
    with pytest.raises(ImageRouterInputError, match="'structure' or 'decode', not 'thoroughly'"):
        add(str(tmp_path), picture())
