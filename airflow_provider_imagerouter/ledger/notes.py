"""
Where a task instance's notes are kept across its attempts: small named texts.

All methods block; the ledger is what calls them.
"""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.files.storing import prepare_folder, store

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_imagerouter.identity import Identity

T = TypeVar("T")

XCOM_TIMEOUT = 60.0
"""Seconds to wait for an XCom; the first one in a fresh triggerer takes 6 (measured on Airflow 3.3.2)."""

HIDDEN_FOLDER = ".imagerouter"
"""The folder under a task's ``output_path`` that notes are kept in."""


class Notes(ABC):
    """
    Named texts that survive the attempt that wrote them.

    :cvar takes_bytes: whether a picture's bytes may go into a note
    """

    takes_bytes = False

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
    def read_all(self) -> dict[str, str]:
        """Return all notes by name."""

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

    takes_bytes = True

    def __init__(self, folder: str) -> None:
        self._folder = prepare_folder(folder)
        self._is_local = self._folder.protocol in ("file", "local", "")

    def create(self, name: str, text: str) -> bool:
        """Write a new note; return False, and change nothing, if there is one of this name."""
        path = self._folder / name
        try:
            with path.fs.open(path.path, "xb") as file:
                file.write(text.encode())
                self._sync(file)
        except FileExistsError:
            return False
        except Exception as error:  # whatever the file system's own library raises
            with suppress(Exception):
                self.remove(name)
            raise ImageRouterStorageError(f"Could not write {path}: {error}", billed="no") from error
        return True

    def write(self, name: str, text: str) -> None:
        """Write a note, in place of one of the same name."""
        if not (self._is_local and self._write_in_place(self._folder / name, text.encode())):
            store(text.encode(), self._folder, name)

    def read(self, name: str) -> str | None:
        """Return a note, or None."""
        path = self._folder / name
        path.fs.invalidate_cache()
        try:
            return str(path.fs.cat_file(path.path).decode())
        except FileNotFoundError:
            return None

    def read_all(self) -> dict[str, str]:
        """Return all notes by name; at once, where the file system can do that."""
        paths = [(self._folder / name).path for name in self.names()]
        contents = self._folder.fs.cat(paths, on_error="omit") if paths else {}
        return {path.rpartition("/")[2]: content.decode() for path, content in contents.items()}

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
        try:
            with path.fs.open(path.path, "r+b") as file:
                size = file.seek(0, 2)
                if len(content) > size:
                    return False
                file.seek(0)
                file.write(content.ljust(size))
                self._sync(file)
        except FileNotFoundError:
            return False
        return True

    def _sync(self, file: Any) -> None:
        """Put a local file on its disk, so that a note outlives a power cut."""
        if self._is_local:
            file.flush()
            os.fsync(file.fileno())


class DocumentNotes(Notes):
    """
    Notes in one document that is read and written whole.

    Nothing compares and sets it: two attempts that overlap to the millisecond may both create a note. Within a
    process one thread at a time uses it, since ``airflow dags test`` has no supervisor for a second one (measured on
    Airflow 3.3.2).
    """

    _lock = threading.RLock()

    @abstractmethod
    def _load(self) -> dict[str, str]:
        """Return the document."""

    @abstractmethod
    def _save(self, notes: dict[str, str]) -> None:
        """Write the document."""

    def create(self, name: str, text: str) -> bool:
        """Write a new note; return False, and change nothing, if there is one of this name."""
        with self._lock:
            if name in self._load():
                return False
            self.write(name, text)
            return True

    def write(self, name: str, text: str) -> None:
        """Write a note, in place of one of the same name."""
        with self._lock:
            self._save({**self._load(), name: text.strip()})

    def read(self, name: str) -> str | None:
        """Return a note, or None."""
        with self._lock:
            return self._load().get(name)

    def read_all(self) -> dict[str, str]:
        """Return all notes by name."""
        with self._lock:
            return self._load()

    def remove(self, name: str) -> None:
        """Remove a note, if it is there."""
        with self._lock:
            notes = self._load()
            if notes.pop(name, None) is not None:
                self._save(notes)

    def names(self) -> list[str]:
        """Return the names of all notes."""
        with self._lock:
            return list(self._load())

    def clear(self) -> None:
        """Remove all notes."""
        with self._lock:
            self._save({})

    def replace_by(self, others: DocumentNotes) -> None:
        """
        Take over all notes of another place, in place of those that are here.

        :param others: the other place
        """
        with self._lock:
            self._save(others._load())


class TaskStateNotes(DocumentNotes):
    """
    Notes in Airflow's task state store (Airflow >= 3.3, in workers), under one key.

    :param store: ``context["task_state_store"]``
    """

    KEY = "imagerouter"

    def __init__(self, store: Any) -> None:
        self._store = store

    def _load(self) -> dict[str, str]:
        return dict(self._store.get(self.KEY) or {})

    def _save(self, notes: dict[str, str]) -> None:
        if notes:
            self._store.set(self.KEY, notes)
        else:
            self._store.delete(self.KEY)


class XComNotes(DocumentNotes):
    """
    Notes in an XCom of the task: for triggers, which have no task state store.

    They survive a triggerer that is killed or restarted; Airflow removes them before a retry and when a task is
    cleared. Each note takes Airflow some 40 ms, one after the other for all tasks of a triggerer.

    :param identity: the task instance
    :param loop: the triggerer's event loop, which alone may talk to Airflow there; None in a worker
    """

    KEY = "imagerouter_ledger"

    def __init__(self, identity: Identity, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._where = identity._asdict()
        self._loop = loop if loop and _has_async_comms() else None
        if self._loop:  # where many tasks share a process, none waits for the others
            self._lock = threading.RLock()

    @staticmethod
    def work_in_triggers() -> bool:
        """Return whether this Airflow lets triggers use XComs: from 3.3 on, and in ``airflow dags test``."""
        return _has_async_comms() or type(_comms()).__name__ == "InProcessSupervisorComms"

    def _load(self) -> dict[str, str]:
        from airflow.sdk.bases.xcom import BaseXCom

        read = {"key": self.KEY, **self._where}
        if self._loop:
            return dict(_wait(BaseXCom.aget_one(**read), self._loop) or {})
        return dict(BaseXCom.get_one(**read) or {})

    def _save(self, notes: dict[str, str]) -> None:
        from airflow.sdk.bases.xcom import BaseXCom

        written = {"key": self.KEY, "value": notes, **self._where}
        if self._loop:
            _wait(BaseXCom.aset(**written), self._loop)
        else:
            BaseXCom.set(**written)

    def clear(self) -> None:
        """Remove all notes."""
        from airflow.sdk.bases.xcom import BaseXCom

        BaseXCom.delete(key=self.KEY, **self._where)


def _wait(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Wait in a thread for the loop; not for ever, since Airflow no longer answers a triggerer that shuts down."""
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(XCOM_TIMEOUT)


def _comms() -> Any:
    """Return this process's line to Airflow, if it has one."""
    from airflow.sdk.execution_time import task_runner

    return getattr(task_runner, "SUPERVISOR_COMMS", None)


def _has_async_comms() -> bool:
    """Return whether Airflow can be asked asynchronously: not in ``airflow dags test``, nor in older versions."""
    from airflow.sdk.bases.xcom import BaseXCom

    return hasattr(BaseXCom, "aget_one") and hasattr(_comms(), "asend")


def hand_to_trigger(identity: Identity, task_state_store: Any) -> None:
    """
    Give a trigger what earlier attempts noted; it has no task state store, but an XCom.

    :param identity: the task instance
    :param task_state_store: the worker's
    """
    XComNotes(identity).replace_by(TaskStateNotes(task_state_store))


def take_from_trigger(identity: Identity, task_state_store: Any | None) -> Notes:
    """
    Take over what a trigger noted. A retry finds it in the task state store; XComs are removed before it.

    :param identity: the task instance
    :param task_state_store: the worker's; None before Airflow 3.3
    :return: where the notes are now
    """
    xcom = XComNotes(identity)
    if task_state_store is None:
        return xcom
    notes = TaskStateNotes(task_state_store)
    notes.replace_by(xcom)
    if xcom.names():
        xcom.clear()
    return notes


class MemoryNotes(DocumentNotes):
    """Notes that end with the process: for a task that has nowhere to keep them."""

    def __init__(self) -> None:
        self._notes: dict[str, str] = {}

    def _load(self) -> dict[str, str]:
        return self._notes

    def _save(self, notes: dict[str, str]) -> None:
        self._notes = notes
