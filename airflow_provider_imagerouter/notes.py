"""
Where a task instance's notes are kept across its attempts: small named texts.

All methods block; the ledger is what calls them.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.storage import prepare_folder, store

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

HIDDEN_FOLDER = ".imagerouter"
"""The folder under a task's ``output_path`` that notes are kept in."""


class Notes(ABC):
    """
    Named texts that survive the attempt that wrote them.

    :cvar threads: how many threads may use them at a time
    """

    threads = 4

    @abstractmethod
    def create(self, name: str, text: str) -> bool:
        """Write a new note; return False, and change nothing, if there is one of this name."""

    @abstractmethod
    def write(self, name: str, text: str) -> None:
        """Write a note, in place of one of the same name."""

    @abstractmethod
    def read(self, name: str) -> str | None:
        """Return a note, or None."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a note, if it is there."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of all notes."""

    @abstractmethod
    def clear(self) -> None:
        """Remove all notes."""


class FileNotes(Notes):
    """
    Notes in files, one each, in a folder of any fsspec file system.

    A new note claims its name atomically where ``open("xb")`` does: on local disks and S3 (measured on Airflow 3.3.2).
    A local note is written over in place where it fits, so that a full disk does not keep a paid answer from being
    noted: the space for it was taken when the note was created.

    :param folder: where
    :raises ImageRouterError: if it cannot be used
    """

    def __init__(self, folder: str) -> None:
        self._folder = prepare_folder(folder)

    def create(self, name: str, text: str) -> bool:
        """Write a new note; return False, and change nothing, if there is one of this name."""
        path = self._folder / name
        try:
            with path.fs.open(path.path, "xb") as file:
                file.write(text.encode())
        except FileExistsError:
            return False
        except Exception as error:  # whatever the file system's own library raises
            raise ImageRouterStorageError(f"Could not write {path}: {error}", billed="no") from error
        return True

    def write(self, name: str, text: str) -> None:
        """Write a note, in place of one of the same name."""
        if not self._write_in_place(self._folder / name, text.encode()):
            store(text.encode(), self._folder, name)

    def read(self, name: str) -> str | None:
        """Return a note, or None."""
        path = self._folder / name
        path.fs.invalidate_cache()
        try:
            return str(path.fs.cat_file(path.path).decode())
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove a note, if it is there."""
        path = self._folder / name
        with suppress(FileNotFoundError):
            path.fs.rm_file(path.path)

    def names(self) -> list[str]:
        """Return the names of all notes."""
        self._folder.fs.invalidate_cache()
        try:
            paths = self._folder.fs.ls(self._folder.path, detail=False)
        except FileNotFoundError:
            return []
        names = (str(path).rstrip("/").rpartition("/")[2] for path in paths)
        return [name for name in names if not name.startswith(".")]

    def clear(self) -> None:
        """Remove all notes."""
        with suppress(FileNotFoundError):
            self._folder.fs.rm(self._folder.path, recursive=True)

    def _write_in_place(self, path: ObjectStoragePath, content: bytes) -> bool:
        if path.protocol not in ("file", "local", ""):
            return False
        try:
            with path.fs.open(path.path, "r+b") as file:
                size = file.seek(0, 2)
                if len(content) > size:
                    return False
                file.seek(0)
                file.write(content.ljust(size))
        except FileNotFoundError:
            return False
        return True


class TaskStateNotes(Notes):
    """
    Notes in Airflow's task state store (Airflow >= 3.3, in workers), all under one key.

    The store has no compare-and-set: two attempts that overlap to the millisecond may both create a note. One thread
    at a time, since ``airflow dags test`` has no supervisor for a second one (measured on Airflow 3.3.2).

    :param store: ``context["task_state_store"]``
    """

    KEY = "imagerouter"
    threads = 1

    def __init__(self, store: Any) -> None:
        self._store = store

    def create(self, name: str, text: str) -> bool:
        """Write a new note; return False, and change nothing, if there is one of this name."""
        if name in self._notes():
            return False
        self.write(name, text)
        return True

    def write(self, name: str, text: str) -> None:
        """Write a note, in place of one of the same name."""
        self._save({**self._notes(), name: text})

    def read(self, name: str) -> str | None:
        """Return a note, or None."""
        return self._notes().get(name)

    def remove(self, name: str) -> None:
        """Remove a note, if it is there."""
        notes = self._notes()
        if notes.pop(name, None) is not None:
            self._save(notes)

    def names(self) -> list[str]:
        """Return the names of all notes."""
        return list(self._notes())

    def clear(self) -> None:
        """Remove all notes."""
        self._store.delete(self.KEY)

    def _notes(self) -> dict[str, str]:
        return dict(self._store.get(self.KEY) or {})

    def _save(self, notes: dict[str, str]) -> None:
        self._store.set(self.KEY, notes)


class MemoryNotes(Notes):
    """Notes that end with the process: for a task that has nowhere to keep them."""

    threads = 1

    def __init__(self) -> None:
        self._notes: dict[str, str] = {}

    def create(self, name: str, text: str) -> bool:
        """Write a new note; return False, and change nothing, if there is one of this name."""
        if name in self._notes:
            return False
        self._notes[name] = text
        return True

    def write(self, name: str, text: str) -> None:
        """Write a note, in place of one of the same name."""
        self._notes[name] = text

    def read(self, name: str) -> str | None:
        """Return a note, or None."""
        return self._notes.get(name)

    def remove(self, name: str) -> None:
        """Remove a note, if it is there."""
        self._notes.pop(name, None)

    def names(self) -> list[str]:
        """Return the names of all notes."""
        return list(self._notes)

    def clear(self) -> None:
        """Remove all notes."""
        self._notes.clear()
