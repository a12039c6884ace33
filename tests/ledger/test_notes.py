"""Where notes are kept: files here and in an object store, and documents of Airflow's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.object_store import URI

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.ledger.notes import FileNotes, MemoryNotes, Notes, TaskStateNotes


class Store:
    """What Airflow's task state store does, without Airflow."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


@pytest.fixture(params=["file", "s3", "task state", "memory"])
def notes(request: pytest.FixtureRequest, tmp_path: Path) -> Notes:
    if request.param == "s3":
        request.getfixturevalue("object_store")
        return FileNotes(f"{URI}/ledger")
    makers = {
        "file": lambda: FileNotes(str(tmp_path / "notes")),
        "task state": lambda: TaskStateNotes(Store()),
        "memory": MemoryNotes,
    }
    return makers[request.param]()


def test_a_note_is_written_over_and_removed(notes):
    assert notes.read("a") is None
    assert notes.create("a", "one")
    notes.write("a", "three and more")
    notes.write("b", "two")
    assert {name: text.strip() for name, text in notes.read_all().items()} == {"a": "three and more", "b": "two"}
    notes.write("a", "1")
    assert str(notes.read("a")).strip() == "1"
    notes.remove("a")
    notes.remove("a")
    assert notes.names() == ["b"]
    notes.clear()
    notes.clear()
    assert notes.names() == []
    assert notes.read_all() == {}


def test_a_note_is_created_once(notes):
    assert notes.create("a", "first")
    assert not notes.create("a", "second")
    assert str(notes.read("a")).strip() == "first"


@pytest.mark.parametrize("root", ["local", URI])
def test_of_many_who_create_a_note_at_once_one_succeeds(tmp_path, object_store, root):
    folder = str(tmp_path / "notes") if root == "local" else f"{root}/race"
    barrier = threading.Barrier(8)

    def create(number: int) -> bool:
        notes = FileNotes(folder)
        barrier.wait()
        return notes.create("a", f"by {number}".ljust(4096))

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert won.count(True) == 1
    assert str(FileNotes(folder).read("a")).strip() == f"by {won.index(True)}"


def test_what_others_write_is_seen_at_once(tmp_path, object_store):
    local, remote = FileNotes(str(tmp_path)), FileNotes(f"{URI}/shared")
    assert local.names() == remote.names() == []
    (tmp_path / "a").write_text("hello")
    object_store.put("shared/a", b"hello")
    for notes in (local, remote):
        assert notes.names() == ["a"]
        assert notes.read("a") == "hello"


def test_a_local_note_keeps_its_file_and_its_space(tmp_path):
    notes = FileNotes(str(tmp_path))
    notes.create("a", "intent".ljust(100))
    before = (tmp_path / "a").stat()
    notes.write("a", "an answer that is longer")
    after = (tmp_path / "a").stat()
    assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)
    assert (tmp_path / "a").read_text().strip() == "an answer that is longer"


def test_a_note_that_cannot_be_created_leaves_nothing(tmp_path, monkeypatch):
    notes = FileNotes(str(tmp_path / "notes"))
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(ImageRouterStorageError, match="no space left") as caught:
        notes.create("a", "intent")
    assert caught.value.billed == "no"
    assert notes.names() == []


def test_documents_have_no_bytes_and_no_padding():
    store = Store()
    notes = TaskStateNotes(store)
    notes.create("a", "short".ljust(4096))
    assert store.values == {"imagerouter": {"a": "short"}}
    assert not notes.takes_bytes
    notes.clear()
    assert store.values == {}
