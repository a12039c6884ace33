"""What a page shows: the pictures and failures that tasks left, searched, sorted and cut into pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from airflow_provider_imagerouter.plugins.gallery.batches import Row, read_row_at, read_rows, results_path
from airflow_provider_imagerouter.plugins.gallery.items import (
    Failure,
    ModelTotal,
    Task,
    Totals,
    read_cost,
    read_failure,
    read_record,
    read_time,
)
from airflow_provider_imagerouter.plugins.gallery.xcoms import Left

MAX_FAILURES = 100
"""How many failures a page shows; the rest is counted."""

MAX_QUERY = 200
"""How many characters of a search are taken."""

MAX_RECORDS = 10_000
"""How many records of an XCom are looked at; a batch's results may have more."""

TaskKey = tuple[str, str, int]

SORTS: dict[str, Callable[[Found], float | Decimal | None]] = {
    "time": lambda one: one.time,
    "-time": lambda one: None if one.time is None else -one.time,
    "cost": lambda one: one.cost,
    "-cost": lambda one: None if one.cost is None else -one.cost,
}
"""What pictures can be sorted by; those that do not say it come last."""


@dataclass(frozen=True, slots=True)
class Found:
    """
    A picture that a page may show.

    :param task: which one made it
    :param position: in the list, from 0
    :param cost: USD
    :param time: when it was made, seconds since 1970
    :param record: its record; None for one of a batch, whose row is read again if it is shown
    :param row: of a batch, from 0
    :param start: where that begins in the results, bytes
    """

    task: Task
    position: int
    cost: Decimal | None
    time: float | None
    record: dict[str, Any] | None = None
    row: int | None = None
    start: int = 0

    @property
    def name(self) -> str:
        """What the picture is called in addresses."""
        return str(self.position) if self.row is None else f"{self.row}-{self.position}"


@dataclass
class Contents:
    """
    What tasks left, as far as it is searched for; of a batch's pictures only what they are sorted by.

    :param found: the pictures, in the order of their tasks
    :param failures: the first requests that came to nothing
    :param totals: of all of it
    :param files: results files, on this machine's disk
    :param notes: what is to be said of a task
    """

    found: list[Found] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    files: dict[TaskKey, Path] = field(default_factory=dict)
    notes: dict[TaskKey, str] = field(default_factory=dict)


def key_of(task: Task) -> TaskKey:
    """
    Return what tells a task instance from all others of its Dag.

    :param task: the task instance
    """
    return task.run_id, task.task_id, task.map_index


def records_in(result: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    Return the records in an XCom, the first :data:`MAX_RECORDS` of a list or one alone, and the position of each.

    :param result: anything that JSON can be
    """
    listed = result[:MAX_RECORDS] if isinstance(result, list) else [result]
    for position, one in enumerate(listed):
        if record := read_record(one):
            yield position, record


def record_at(result: Any, position: int) -> dict[str, Any] | None:
    """
    Return one of the records in an XCom.

    :param result: anything that JSON can be
    :param position: see :func:`records_in`
    """
    listed = result if isinstance(result, list) else [result]
    return read_record(listed[position]) if position < len(listed) else None


def collect(left: Iterable[Left], files: Mapping[TaskKey, Path], notes: Mapping[TaskKey, str], query: str) -> Contents:
    """
    Find the pictures and failures that tasks left.

    :param left: by the tasks
    :param files: of batches: their results, on this machine's disk
    :param notes: of batches without: why
    :param query: what their prompts, models or errors must have in them
    """
    contents = Contents(files=dict(files), notes=dict(notes))
    matches = _matcher(query)
    models: dict[str | None, list[Decimal | None]] = {}
    failed, spent = 0, Decimal(0)
    for one in left:
        task = replace(one.task, is_batch=results_path(one.told) is not None)
        if one.is_too_large:
            contents.notes[key_of(task)] = "What this task returned is too large to be shown."
        if task.is_batch and (failure := read_failure(one.error, task)) and failure.message:
            contents.notes.setdefault(key_of(task), failure.message)
        for found, record in _pictures(task, one, contents.files.get(key_of(task))):
            if matches(record["prompt"], record["revised_prompt"], record["model"]):
                contents.found.append(found)
                models.setdefault(record["model"], []).append(found.cost)
        for failure in _failures(task, one, contents.files.get(key_of(task))):
            if matches(failure.prompt, failure.model, failure.message, failure.error_type):
                failed += 1
                spent += failure.cost_usd or 0
                if len(contents.failures) < MAX_FAILURES:
                    contents.failures.append(failure)
    contents.totals = _totals(models, failed, spent)
    return contents


def _matcher(query: str) -> Callable[..., bool]:
    words = query[:MAX_QUERY].casefold().split()
    return lambda *texts: all(any(word in (text or "").casefold() for text in texts) for word in words)


def _totals(models: Mapping[str | None, Sequence[Decimal | None]], failed: int, spent: Decimal) -> Totals:
    by_model = [
        ModelTotal(name, len(costs), sum((c for c in costs if c), Decimal(0))) for name, costs in models.items()
    ]
    return Totals(
        pictures=sum(model.pictures for model in by_model),
        failures=failed,
        cost_usd=sum((model.cost_usd for model in by_model), spent),
        of_unknown_cost=sum(costs.count(None) for costs in models.values()),
        by_model=tuple(sorted(by_model, key=lambda model: (-model.cost_usd, -model.pictures, model.model or ""))),
    )


def _pictures(task: Task, left: Left, file: Path | None) -> Iterator[tuple[Found, dict[str, Any]]]:
    if not task.is_batch:
        for position, record in records_in(left.result):
            yield Found(task, position, *_sorted_by(record), record=record), record
    elif file is not None:
        for row in read_rows(file):
            for position, record in row.records.items():
                yield Found(task, position, *_sorted_by(record), row=row.number, start=row.start), record


def _sorted_by(record: Mapping[str, Any]) -> tuple[Decimal | None, float | None]:
    made = read_time(record["created_at"])
    return read_cost(record["cost_usd"]), None if made is None else made.timestamp()


def _failures(task: Task, left: Left, file: Path | None) -> Iterator[Failure]:
    if (failure := read_failure(left.error, task)) and not file:  # which has each request's failure and cost
        yield failure
    for row in read_rows(file) if file and task.is_batch else ():
        if row.status != "success":
            yield _failure_of(row, task)


def _failure_of(row: Row, task: Task) -> Failure:
    """Return the failure of a row; what its pictures cost is counted with them."""
    of_pictures = sum((read_cost(record["cost_usd"]) or Decimal(0) for record in row.records.values()), Decimal(0))
    return Failure(
        task=task,
        row=row.number,
        prompt=row.prompt,
        model=row.model,
        error_type=row.error_type,
        message=row.error_message,
        billed=row.billed,
        cost_usd=None if row.cost_usd is None else max(row.cost_usd - of_pictures, Decimal(0)),
        status=row.status,
    )


def records_of(found: Iterable[Found], files: Mapping[TaskKey, Path]) -> Iterator[tuple[Found, dict[str, Any]]]:
    """
    Return pictures with their records; those of batches are read from the results.

    :param found: the pictures
    :param files: results files, on this machine's disk
    """
    for one in found:
        record = one.record
        if record is None and one.row is not None:
            row = read_row_at(files[key_of(one.task)], one.row, one.start)
            record = row.records.get(one.position) if row else None
        if record is not None:
            yield one, record


def arrange(found: Sequence[Found], sort: str) -> Sequence[Found]:
    """
    Sort pictures.

    :param found: the pictures, in the order of their tasks
    :param sort: one of :data:`SORTS`; anything else leaves them as they are
    """
    by = SORTS.get(sort)
    if by is None:
        return found
    keyed = [(by(one), one) for one in found]
    known = sorted(((value, one) for value, one in keyed if value is not None), key=lambda pair: pair[0])
    return [one for _, one in known] + [one for value, one in keyed if value is None]
