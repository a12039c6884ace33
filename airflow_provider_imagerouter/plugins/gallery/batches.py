"""The results file of a batch, read a row at a time, whatever became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.plugins.gallery.items import read_cost, read_record, read_text

MAX_LINE_BYTES = 4 * 1024 * 1024
"""The longest row that is read: sixteen candidates with prompts of 20,000 characters have a tenth of it."""


@dataclass(frozen=True)
class Row:
    """
    A request of a batch.

    :param number: which line of the results it is, from 0
    :param start: where it begins in the file, bytes
    :param id: as a batch writes it
    :param status: ``success``, ``error``, ``not_sent`` or ``in_flight``
    :param prompt: as asked
    :param model: as asked
    :param error_type: class of the error
    :param error_message: what it says
    :param billed: ``yes``, ``no`` or ``unknown``
    :param cost_usd: USD, if it is known
    :param records: its pictures by their position, each from ``items.read_record``
    """

    number: int
    start: int
    id: str
    status: str
    prompt: str | None
    model: str | None
    error_type: str | None
    error_message: str | None
    billed: str
    cost_usd: Decimal | None
    records: dict[int, dict[str, Any]]


_MANIFEST = frozenset({"results_path", "requests", "succeeded", "failed"})
_ERROR = frozenset({"results_path", "type", "message", "billed"})


def results_path(value: Any) -> str | None:
    """
    Return where the results of a batch are, if an XCom is the manifest of one, or the error of one that failed.

    :param value: anything that JSON can be
    """
    if not isinstance(value, Mapping) or not (value.keys() >= _MANIFEST or value.keys() >= _ERROR):
        return None
    path = value["results_path"]
    return path if isinstance(path, str) and path.endswith(".jsonl") else None


def is_of(file: Path, identity: Identity) -> bool:
    """
    Return whether all rows of a results file are a task instance's own: their ids begin with its digest.

    An XCom can be edited in Airflow's UI by people who may not see the results of other Dags.

    :param file: on this machine's disk
    :param identity: the task instance
    """
    return all(row.id.startswith(f"{identity.digest}-") for row in read_rows(file))


def read_rows(file: Path) -> Iterator[Row]:
    """
    Return the rows of a results file, one after the other; what is no row is left out.

    :param file: on this machine's disk
    """
    with file.open("rb") as lines:
        number = start = 0
        while line := lines.readline(MAX_LINE_BYTES):
            whole = line.endswith(b"\n")
            if whole and (row := _read_row(line, number, start)):
                yield row
            while line and not line.endswith(b"\n"):
                line = lines.readline(MAX_LINE_BYTES)
            number, start = number + 1, lines.tell()


def read_row(file: Path, number: int) -> Row | None:
    """
    Return a row of a results file; None if there is no such row.

    :param file: on this machine's disk
    :param number: which line, from 0
    """
    starts = _starts(file, file.stat().st_mtime_ns)
    return read_row_at(file, number, starts[number]) if 0 <= number < len(starts) else None


def read_row_at(file: Path, number: int, start: int) -> Row | None:
    """
    Return the row that begins at a place of a results file.

    :param file: on this machine's disk
    :param number: which line it is
    :param start: bytes
    """
    with file.open("rb") as lines:
        lines.seek(start)
        return _read_row(lines.readline(MAX_LINE_BYTES), number, start)


@lru_cache(maxsize=64)
def _starts(file: Path, changed: int) -> tuple[int, ...]:
    """Return where the lines of a file begin, as long as it has not changed: 400 KB for 10,000 lines."""
    starts, start = [], 0
    with file.open("rb") as lines:
        while line := lines.readline(MAX_LINE_BYTES):
            starts.append(start)
            while line and not line.endswith(b"\n"):
                line = lines.readline(MAX_LINE_BYTES)
            start = lines.tell()
    return tuple(starts)


def _read_row(line: bytes, number: int, start: int) -> Row | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not value.keys() >= {"status", "records"}:
        return None
    records = value["records"] if isinstance(value["records"], list) else []
    return Row(
        number=number,
        start=start,
        id=read_text(value.get("id")) or "",
        status=read_text(value["status"]) or "error",
        prompt=read_text(value.get("prompt")),
        model=read_text(value.get("model")),
        error_type=read_text(value.get("error_type")),
        error_message=read_text(value.get("error_message")),
        billed=read_text(value.get("billed")) or "unknown",
        cost_usd=read_cost(value.get("cost_usd")),
        records={position: record for position, one in enumerate(records) if (record := read_record(one))},
    )
