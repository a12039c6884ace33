"""The ledger in files: on a local disk, or in a folder of any fsspec file system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from typing_extensions import override

from airflow_provider_imagerouter.files.storing import OBJECT_STORES, store
from airflow_provider_imagerouter.ledger.place import Appender, Place

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

LEASES = "leases"
"""The folder beside the ledgers in which each process says that it is alive."""

RUN_SUFFIX = ".run"
"""What the names of folders end with in which the tasks of a Dag run note what they hold of its budget."""

DATED = ("*/finished-*", f"*{RUN_SUFFIX}/*")
"""The files by which folders age: marks of ledgers whose tasks have succeeded, and notes of runs."""

LEAST_ROOM = 16 * 1024
MOST_ROOM = 1024 * 1024
"""Bytes by which a journal on a local disk grows: it is filled with zeros first, and then written over."""


class LocalPlace(Place):
    """
    A folder on a local disk.

    A file appears whole or not at all. A journal's space is taken before it is needed: so a full disk does not keep a
    paid answer from being noted, and a note waits for no other file's data to reach the disk.

    :param root: the folder of all ledgers
    :param name: this ledger's folder in it
    :raises OSError: if it cannot be made
    """

    takes_bytes: ClassVar[bool] = True

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._folder = root / name
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            _sync_folder(root)

    @property
    @override
    def leases(self) -> LocalPlace:
        return LocalPlace(self._root, LEASES)

    @property
    @override
    def key(self) -> str:
        return str(self._folder)

    @override
    def names(self) -> set[str]:
        with suppress(FileNotFoundError):
            return {name for name in os.listdir(self._folder) if not name.startswith(".")}  # noqa: PTH208
        return set()

    @override
    def create(self, name: str, content: bytes) -> bool:
        with _whole_file(self._folder, content) as new:
            try:
                os.link(new, self._folder / name)
            except FileExistsError:
                return False
            except OSError:  # a file system without hard links, as many network mounts are
                return self._create_in_place(name, content)
        _sync_folder(self._folder)
        return True

    def _create_in_place(self, name: str, content: bytes) -> bool:
        try:
            with (self._folder / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            return False
        return True

    @override
    def write(self, name: str, content: bytes) -> None:
        with _whole_file(self._folder, content) as new:
            new.replace(self._folder / name)
        _sync_folder(self._folder)

    @override
    def read(self, name: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return (self._folder / name).read_bytes()
        return None

    @override
    def _remove(self, name: str) -> None:
        (self._folder / name).unlink()

    @override
    def remove_finished_before(self, then: float) -> None:
        newest: dict[Path, float] = {}
        for mark in chain.from_iterable(map(self._root.glob, DATED)):
            newest[mark.parent] = max(newest.get(mark.parent, 0.0), mark.stat().st_mtime)
        for folder, finished in newest.items():
            if finished < then:
                shutil.rmtree(folder, ignore_errors=True)
        for left in (self._root / LEASES).iterdir():
            if left.stat().st_mtime < then:
                left.unlink(missing_ok=True)

    @override
    def begin_journal(self, name: str) -> Appender:
        return _LocalAppender(self._folder / name)

    @override
    def read_journal(self, name: str) -> Iterator[bytes]:
        with suppress(FileNotFoundError), (self._folder / name).open("rb") as file:
            yield from file


class _whole_file:  # noqa: N801  # used like a function
    """A file under another name, whole and on its disk; gone at the end unless it was renamed."""

    def __init__(self, folder: Path, content: bytes) -> None:
        self._path = folder / f".{uuid4().hex}"
        self._content = content

    def __enter__(self) -> Path:
        try:
            with self._path.open("xb") as file:
                file.write(self._content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self.__exit__()
            raise
        return self._path

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._path.unlink()


def _sync_folder(folder: Path) -> None:
    """Put a folder's list of files on its disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _LocalAppender(Appender):
    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._end = 0
        self._filled = 0
        try:
            self._grow(LEAST_ROOM)
            _sync_folder(path.parent)
        except BaseException:
            self._file.close()
            raise

    @override
    def append(self, lines: bytes, room: int) -> None:
        missing = self._end + len(lines) + room - self._filled
        if missing > 0:
            self._grow(max(missing, min(self._filled, MOST_ROOM)))
        self._write(lines, self._end)
        os.fdatasync(self._file.fileno())
        self._end += len(lines)

    @override
    def close(self) -> None:
        with self._file:
            self._file.truncate(self._end)

    def _grow(self, missing: int) -> None:
        self._write(bytes(missing), self._filled)
        os.fsync(self._file.fileno())
        self._filled += missing

    def _write(self, content: bytes, where: int) -> None:
        while content:
            written = os.pwrite(self._file.fileno(), content, where)
            content, where = content[written:], where + written


class RemotePlace(Place):
    """
    A folder of any other fsspec file system, such as S3.

    A new file claims its name atomically where ``open("xb")`` does: on S3 (measured on Airflow 3.3.2). A journal is a
    row of files there, about one a second.

    :param root: the folder of all ledgers
    :param name: this ledger's folder in it
    """

    takes_bytes: ClassVar[bool] = True
    seconds_between_appends = 1.0

    def __init__(self, root: ObjectStoragePath, name: str) -> None:
        self._root = root
        self._folder = root / name
        if root.protocol not in OBJECT_STORES:
            root.fs.makedirs(self._folder.path, exist_ok=True)

    @property
    @override
    def leases(self) -> RemotePlace:
        return RemotePlace(self._root, LEASES)

    @property
    @override
    def key(self) -> str:
        return str(self._folder)

    @override
    def names(self) -> set[str]:
        return {path.rpartition("/")[2] for path in self._files()}

    @override
    def create(self, name: str, content: bytes) -> bool:
        path = self._path(name)
        try:
            with self._folder.fs.open(path, "xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        return True

    @override
    def write(self, name: str, content: bytes) -> None:
        store(content, self._folder, name)

    @override
    def read(self, name: str) -> bytes | None:
        self._folder.fs.invalidate_cache()
        with suppress(FileNotFoundError):
            return bytes(self._folder.fs.cat_file(self._path(name)))
        return None

    @override
    def _remove(self, name: str) -> None:
        self._folder.fs.rm_file(self._path(name))

    @override
    def remove_finished_before(self, then: float) -> None:
        fs, root = self._root.fs, self._root.path.rstrip("/")
        newest: dict[str, float] = {}
        for mark in chain.from_iterable(fs.glob(f"{root}/{pattern}") for pattern in DATED):
            folder = str(mark).rpartition("/")[0]
            newest[folder] = max(newest.get(folder, 0.0), fs.modified(mark).timestamp())
        for folder, finished in newest.items():
            if finished < then:
                fs.rm(folder, recursive=True)
        for left in fs.ls(f"{root}/{LEASES}", detail=False):
            if fs.modified(left).timestamp() < then:
                fs.rm_file(left)

    @override
    def begin_journal(self, name: str) -> Appender:
        return _RemoteAppender(self, name)

    @override
    def read_journal(self, name: str) -> Iterator[bytes]:
        for path in sorted(path for path in self._files() if path.rpartition("/")[2].startswith(f"{name}-")):
            yield from bytes(self._folder.fs.cat_file(path)).splitlines()

    def _path(self, name: str) -> str:
        return str((self._folder / name).path)

    def _files(self) -> list[str]:
        fs = self._folder.fs
        fs.invalidate_cache()
        # What else lists it in this process may fill the cache again with what was there before: so past the cache.
        past_the_cache = {"refresh": True} if self._root.protocol in OBJECT_STORES else {}
        try:
            return [str(path).rstrip("/") for path in fs.ls(self._folder.path, detail=False, **past_the_cache)]
        except FileNotFoundError:
            return []


class _RemoteAppender(Appender):
    def __init__(self, place: RemotePlace, name: str) -> None:
        self._place = place
        self._name = name
        self._number = 0

    @override
    def append(self, lines: bytes, room: int) -> None:
        self._place.write(f"{self._name}-{self._number + 1:06d}", lines)
        self._number += 1

    @override
    def close(self) -> None:
        """Nothing was kept."""
