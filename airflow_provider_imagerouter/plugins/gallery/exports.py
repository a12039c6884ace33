"""All pictures of a page as a zip, and their records as CSV; both are written while they are sent."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from airflow_provider_imagerouter.plugins.gallery.contents import Contents, Found, TaskKey, records_of
from airflow_provider_imagerouter.plugins.gallery.storage import NotShownError, Places, Stored, fetch, file_name
from airflow_provider_imagerouter.plugins.gallery.threads import FILE_SECONDS, slowly

MAX_ZIPS = 2
"""How many zips a process of the API server writes at a time: each keeps storage busy for long."""

MAX_TROUBLES = 3
"""How many files may fail to come from storage, one after the other, until the rest is not asked for."""

_CHUNK = 1024 * 1024
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_BEFORE = ("run_id", "task_id", "map_index", "name")

_zips = 0


def write_csv(found: Iterable[Found], files: Mapping[TaskKey, Path]) -> Iterator[str]:
    """
    Return the lines of a table of records; no cell is taken for a formula by a spreadsheet.

    :param found: the pictures
    :param files: results files, on this machine's disk
    """
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for one, record in records_of(found, files):
        row = {**_where(one), **record}
        if writer is None:
            writer = csv.DictWriter(text, row)
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in row.items()})
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    if writer is None:
        yield ",".join(_BEFORE) + "\r\n"


def _where(found: Found) -> dict[str, Any]:
    task = found.task
    return dict(zip(_BEFORE, (task.run_id, task.task_id, task.map_index, found.name), strict=True))


def _cell(value: Any) -> Any:
    text = json.dumps(value) if isinstance(value, dict | list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text


def check_zips() -> None:
    """
    See whether another zip can be written now.

    :raises NotShownError: if not
    """
    if _zips >= MAX_ZIPS:
        raise NotShownError("Others are being sent all their pictures just now. Try again in a while.", 503)


async def write_zip(contents: Contents, places: Places) -> AsyncIterator[bytes]:
    """
    Return the parts of a zip with all stored pictures that may be shown, and what is known of each in records.json.

    :param contents: the pictures
    :param places: where files may be shown from
    """
    global _zips
    _zips += 1
    try:
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            names = _Names()
            written: list[tuple[str | None, str | None]] = []
            records = records_of(contents.found, contents.files)
            troubles = 0
            while one := await run_in_threadpool(next, records, None):
                found, record = one
                try:
                    stored = await _fetch(places, record, troubles)
                    troubles = 0
                except NotShownError as error:
                    troubles += error.status_code >= 500
                    written.append((None, str(error)))
                    continue
                name = names.take(found, file_name(record["path"] or "", stored))
                written.append((name, None))
                async for part in _add(archive, sink, name, stored.path):
                    yield part
            with archive.open("records.json", "w", force_zip64=True) as target:
                for text in _records_json(contents, written):
                    target.write(text.encode())
                    yield sink.take()
        yield sink.take()
    finally:
        _zips -= 1


async def _fetch(places: Places, record: Mapping[str, Any], troubles: int) -> Stored:
    if record["path"] is None and record["url"]:
        raise NotShownError("It exists as a link only, and Airflow does not fetch links.")
    if troubles >= MAX_TROUBLES:
        raise NotShownError("Storage had failed before, and was not asked any more.", 502)
    return await slowly(lambda: fetch(places, record["path"], record["sha256"]), FILE_SECONDS)


async def _add(archive: zipfile.ZipFile, sink: _Sink, name: str, path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as source, archive.open(name, "w", force_zip64=True) as target:
        while chunk := await run_in_threadpool(source.read, _CHUNK):
            target.write(chunk)
            yield sink.take()


def _records_json(contents: Contents, written: Sequence[tuple[str | None, str | None]]) -> Iterator[str]:
    yield "["
    for number, (found, record) in enumerate(records_of(contents.found, contents.files)):
        file, reason = written[number] if number < len(written) else (None, None)
        value = {**_where(found), "file": file, "missing_because": reason, **record}
        yield f"{',' if number else ''}\n{json.dumps(value)}"
    yield "\n]\n"


class _Names:
    """Names in a zip, no two of which are the same on any system."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, found: Found, file: str) -> str:
        """Return a name for a file that none has yet."""
        task = found.task.task_id if found.task.map_index < 0 else f"{found.task.task_id}-{found.task.map_index}"
        stem, _, extension = file.rpartition(".")
        name, number = f"{task}/{file}", 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{task}/{stem}-{number}.{extension}"
        self._taken.add(name.casefold())
        return name


class _Sink(io.RawIOBase):
    """What a zip is written to, and taken from part by part."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        """Take what is written."""
        self._parts.append(bytes(content))
        return len(content)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
