"""Writing a batch's results: each row as it comes, and all of them in order in the end."""

from __future__ import annotations

import json
import os
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.files.storing import OBJECT_STORES, prepare_folder

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_imagerouter.exceptions import Billed
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.results import Row

RESULTS_FILE = "results.jsonl"

PART_BYTES = 5 * 1024 * 1024
"""How much of a file on its way to an object store is in memory; S3 takes no smaller parts (its documentation)."""


@dataclass
class Totals:
    """
    What all rows together say.

    :param statuses: how many requests have which status
    :param errors: how many failed with which class of error
    :param pictures: how many pictures there are
    :param cost: USD, as far as it is known
    :param billed: ``unknown`` if it is of any request, else whether any was
    """

    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    pictures: int = 0
    cost: Decimal = Decimal(0)
    billed: Billed = "no"

    def add(self, row: Row) -> None:
        """Count a row."""
        self.statuses[row["status"]] += 1
        if row["status"] == "error":
            self.errors[str(row["error_type"])] += 1
        self.pictures += len(row["records"])
        self.cost += Decimal(str(row["cost_usd"]))
        self.billed = max(self.billed, row["billed"], key=("no", "yes", "unknown").index)


class ResultsFile:
    """
    The results of one task instance; to be used by one thread at a time.

    On a local disk a row is to be seen once it was added; elsewhere, where nothing can be appended, once it was
    published. Rows of earlier attempts stay until there are new ones. Of several tasks with the same folder the first
    one's file is ``results.jsonl``; the others' are named after their task.

    :param folder: a local folder, or the URI of a folder of any fsspec file system
    :param identity: the task instance; the ids of its rows begin with its digest
    :param number: how many requests there are
    :param row_id: returns the id of a request's row
    """

    def __init__(self, folder: str, identity: Identity, number: int, row_id: Callable[[int], str]) -> None:
        self._location = folder
        self._identity = identity
        self._number = number
        self._row_id = row_id
        self._path: ObjectStoragePath | None = None
        self._appended: IO[bytes] | None = None
        self._is_published = True
        self._seen: str | None = None

    def open(self) -> None:
        """
        Look for what earlier attempts left.

        :raises ImageRouterStorageError: if the folder cannot be used
        """
        with self._storage_errors("read"):
            self._rows = _Rows(self._number)
            folder = prepare_folder(self._location)
            self._is_local = folder.protocol in ("file", "local")
            self._names = folder / RESULTS_FILE, folder / f"results-{self._identity.file_stem}.jsonl"
            self._path = next(filter(self._is_ours, reversed(self._names)), None)
            if self._path:
                self._go_on_with(self._path)

    def __contains__(self, index: int) -> bool:
        """Return whether there is a row of this request, of this attempt or an earlier one."""
        return index in self._rows

    def add(self, row: Row) -> None:
        """
        Add a row, in place of an earlier one of the same request.

        :raises ImageRouterStorageError: if it could not be written; :meth:`finish` tries again
        """
        line = _to_line(row)
        if row["status"] == "success" and line == self._rows.get(row["index"]):
            return
        with self._storage_errors("write"):
            self._rows.put(row["index"], line)
            self._is_published = False
            if self._is_local:
                self._append(line)

    def publish(self) -> None:
        """
        Let all rows be seen; on a local disk they are.

        :raises ImageRouterStorageError: if they could not be written
        """
        if self._is_local or self._is_published:
            return
        with self._storage_errors("write"):
            path = self._path = self._path or self._claim(self._rows)
            self._heed_other_attempt(path)
            _write(path, self._rows)
            self._seen = _key(path)
        self._is_published = True

    def finish(self, missing: Callable[[int], Row]) -> tuple[str, Totals]:
        """
        Write all rows in order.

        :param missing: returns the row of a request that has none
        :return: where they are, and what they say together
        :raises ImageRouterStorageError: if they could not be written; what is there already stays
        """
        totals = Totals()

        def lines() -> Iterator[bytes]:
            for index in range(self._number):
                line = self._rows.get(index) or _to_line(missing(index))
                totals.add(json.loads(line))
                yield line

        with self._storage_errors("write"):
            path = self._path = self._path or self._claim([_to_line(missing(0))] if self._number else [])
            self._heed_other_attempt(path)
            _write(path, lines())
        return str(path), totals

    def close(self) -> None:
        """Let go of all files."""
        self._rows.close()
        if self._appended:
            self._appended.close()

    def _append(self, line: bytes) -> None:
        if self._path is None:
            self._path = self._claim([line])
            self._go_on_with(self._path)
        elif self._appended:
            _write_whole(self._appended, line)

    def _claim(self, lines: Iterable[bytes]) -> ObjectStoragePath:
        """Return the path of the results: that without a task, if it is free, or an attempt of this task has it."""
        first, own = self._names
        return first if _create(first, lines) or self._is_ours(first) else own

    def _go_on_with(self, path: ObjectStoragePath) -> None:
        """
        Take over the rows of an earlier attempt, and nothing else that is in its file.

        Only successes are to be seen at once: others will have another row, and of each request there shall be one.
        """
        for index, line in self._rows_in(path):
            if index not in self._rows:
                self._rows.put(index, line)
        if self._is_local:
            made = (line for line in self._rows if _is_success(line))
            first = next(made, None) or next(iter(self._rows), b"")  # whose id says whose file it is
            _write(path, chain([first], made))
            self._appended = Path(path.path).open("ab", buffering=0)  # noqa: SIM115  # until the batch ends

    def _heed_other_attempt(self, path: ObjectStoragePath) -> None:
        """Take over the successes of an attempt that wrote meanwhile: one of both was frozen, and both end."""
        if self._is_as_it_was_left(path):
            return
        for index, line in self._rows_in(path):
            if _is_success(line) and not _is_success(self._rows.get(index)):
                self._rows.put(index, line)

    def _is_as_it_was_left(self, path: ObjectStoragePath) -> bool:
        try:
            if self._appended:
                return os.path.samestat(os.fstat(self._appended.fileno()), Path(path.path).stat())
            return self._seen == _key(path)
        except FileNotFoundError:
            return True

    def _rows_in(self, path: ObjectStoragePath) -> Iterator[tuple[int, bytes]]:
        """Return the rows that another attempt wrote of these requests, and that say something of them."""
        with suppress(FileNotFoundError), _open(path, "rb") as file:
            for line in file:
                row = _parse(line)
                index = row.get("index")
                if not isinstance(index, int) or not 0 <= index < self._number:
                    continue
                if row.get("id") == self._row_id(index) and row.get("status") != "not_sent":
                    yield index, line

    def _is_ours(self, path: ObjectStoragePath) -> bool:
        try:
            with _open(path, "rb") as file:
                return str(_parse(file.readline()).get("id")).startswith(f"{self._identity.digest}-")
        except (FileNotFoundError, PermissionError):
            return False

    @contextmanager
    def _storage_errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except ImageRouterStorageError:
            raise
        except Exception as error:  # whatever the file system's own library raises
            raise ImageRouterStorageError(
                f"Could not {verb} the results in {self._location}: {type(error).__name__}: {error}", billed="no"
            ) from error


class _Rows:
    """Rows by index, in a temporary file; in memory is only where each of them is."""

    def __init__(self, number: int) -> None:
        self._begins = array("q", [0]) * number
        self._lengths = array("q", [0]) * number
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # until the batch ends
        self._unwritten: dict[int, bytes] = {}

    def __contains__(self, index: int) -> bool:
        return bool(self._lengths[index]) or index in self._unwritten

    def __iter__(self) -> Iterator[bytes]:
        """Return the rows that are there, in order."""
        return (line for index in range(len(self._begins)) if (line := self.get(index)))

    def put(self, index: int, line: bytes) -> None:
        self._unwritten[index] = line
        self._begins[index] = _write_whole(self._file, line)
        self._lengths[index] = len(line)
        del self._unwritten[index]

    def get(self, index: int) -> bytes:
        """Return a row, or nothing."""
        if index in self._unwritten:
            return self._unwritten[index]
        return os.pread(self._file.fileno(), self._lengths[index], self._begins[index])

    def close(self) -> None:
        self._file.close()


def _open(path: ObjectStoragePath, mode: str) -> Any:
    path.fs.invalidate_cache()
    return path.fs.open(path.path, mode, block_size=PART_BYTES)


def _key(path: ObjectStoragePath) -> str:
    """Return what changes when somebody writes a file."""
    path.fs.invalidate_cache()
    return str(path.fs.ukey(path.path))


def _create(path: ObjectStoragePath, lines: Iterable[bytes]) -> bool:
    """Write a file that is not there, and return whether it was not."""
    try:
        if path.exists():  # asked first, too: s3fs makes an empty object whether it is there or not
            return False
        with _open(path, "xb") as file:
            file.writelines(lines)
    except FileExistsError:
        return False
    return True


def _write(path: ObjectStoragePath, lines: Iterable[bytes]) -> None:
    """Write a file whole or not at all, in place of one of the same name."""
    if path.protocol in OBJECT_STORES:
        with _open(path, "wb") as file:
            file.writelines(lines)
        return
    part = path.parent / f".{uuid4().hex}.part"
    try:
        with _open(part, "wb") as file:
            file.writelines(lines)
        part.fs.mv(part.path, path.path)
    except BaseException:
        with suppress(Exception):
            part.fs.rm_file(part.path)
        raise


def _write_whole(file: IO[bytes], line: bytes) -> int:
    """Write a line to the end of a file, or nothing; return where it begins."""
    size = file.seek(0, os.SEEK_END)
    try:
        written = 0
        while written < len(line):
            written += file.write(line[written:])
    except OSError:
        with suppress(OSError):
            file.truncate(size)
        raise
    return size


def _parse(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _is_success(line: bytes) -> bool:
    return _parse(line).get("status") == "success"


def _to_line(row: Row) -> bytes:
    """Return a row as JSON on a line; half characters, which other readers refuse, become question marks."""
    text = json.dumps(row)
    if "\\ud" in text:
        text = json.dumps(json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")))
    return f"{text}\n".encode()
