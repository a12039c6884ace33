"""What tasks left in Airflow's database: not public API, and so in this one place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import Text, case, cast, func, select

from airflow_provider_imagerouter.plugins.gallery.items import Task, read_text

if TYPE_CHECKING:
    from datetime import datetime

MAX_CHARACTERS = 16 * 1024 * 1024
"""The longest XCom that is read: ten thousand records."""

RESULT, ERROR = "return_value", "error"


@dataclass
class Left:
    """
    What a task instance left.

    :param task: which one
    :param result: its XCom ``return_value``, whatever that is
    :param error: its XCom ``error``, whatever that is
    :param is_too_large: whether there is a result that is too long to be read
    """

    task: Task
    result: Any = None
    error: Any = None
    is_too_large: bool = False

    @property
    def told(self) -> Any:
        """What tells of its pictures: its result, or if there is none its error, as of a batch that failed."""
        return self.error if self.result is None else self.result


@dataclass(frozen=True)
class Run:
    """
    A run of a Dag.

    :param run_id: its id
    :param state: such as ``success``
    :param run_after: when it was due
    """

    run_id: str
    state: str | None
    run_after: datetime | None


def read_runs(dag_id: str, offset: int, limit: int) -> tuple[list[Run], int]:
    """
    Return runs of a Dag, the newest first, and how many there are in all.

    :param dag_id: the Dag
    :param offset: how many to leave out
    :param limit: how many to return
    """
    with create_session(scoped=False) as session:
        number = session.scalar(select(func.count()).select_from(DagRun).where(DagRun.dag_id == dag_id)) or 0
        query = select(DagRun.run_id, DagRun.state, DagRun.run_after).where(DagRun.dag_id == dag_id)
        rows = session.execute(query.order_by(DagRun.run_after.desc(), DagRun.id.desc()).offset(offset).limit(limit))
        return [Run(run_id, str(state) if state else None, after) for run_id, state, after in rows], number


def has_run(dag_id: str, run_id: str) -> bool:
    """
    Return whether there is such a run.

    :param dag_id: the Dag
    :param run_id: the run
    """
    with create_session(scoped=False) as session:
        query = select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        return session.scalar(query) is not None


def read_tasks(dag_id: str, run_id: str, task_id: str) -> list[Task]:
    """
    Return the instances of a task in a run, by map index.

    :param dag_id: the Dag
    :param run_id: the run
    :param task_id: with its groups' names
    """
    with create_session(scoped=False) as session:
        query = _task_instances(dag_id, [run_id]).where(TaskInstance.task_id == task_id)
        return [_task(*row) for row in session.execute(query.order_by(TaskInstance.map_index))]


def read_left(
    dag_id: str, run_ids: Sequence[str], task_id: str | None = None, map_index: int | None = None
) -> list[Left]:
    """
    Return what the task instances of runs left that left anything, in the order in which they began.

    :param dag_id: the Dag
    :param run_ids: the runs
    :param task_id: only this task
    :param map_index: only this instance of it; -1 if it is not mapped
    """
    found = _xcoms(dag_id, run_ids, (RESULT, ERROR))
    tasks = _task_instances(dag_id, run_ids)
    if task_id is not None:
        found = found.where(XComModel.task_id == task_id)
        tasks = tasks.where(TaskInstance.task_id == task_id)
    if map_index is not None:
        found = found.where(XComModel.map_index == map_index)
        tasks = tasks.where(TaskInstance.map_index == map_index)
    left: dict[tuple[str, str, int], Left] = {}
    with create_session(scoped=False) as session:
        for run, name, index, kind, value, is_too_large in session.execute(found):
            of_task = left.setdefault((run, name, index), Left(Task(run, name, index)))
            if kind == ERROR:
                of_task.error = parse(value)
            else:
                of_task.result, of_task.is_too_large = parse(value), bool(is_too_large)
        ordered = []
        for row in session.execute(tasks.order_by(TaskInstance.start_date, TaskInstance.task_id)):
            task = _task(*row)
            key = (task.run_id, task.task_id, task.map_index)
            if key in left:
                left[key].task = task
                ordered.append(left[key])
    order = {one.task.task_id: -number for number, one in reversed(list(enumerate(ordered)))}
    return sorted(ordered, key=lambda one: (-order[one.task.task_id], one.task.map_index))


def read_result(dag_id: str, run_id: str, task_id: str, map_index: int) -> Any:
    """
    Return what a task instance returned, or if that is nothing its error; None if it is too long to be read.

    :param dag_id: the Dag
    :param run_id: the run
    :param task_id: with its groups' names
    :param map_index: which instance of a mapped task; -1 if it is not mapped
    """
    query = _xcoms(dag_id, [run_id], (RESULT, ERROR))
    with create_session(scoped=False) as session:
        rows = session.execute(query.where(XComModel.task_id == task_id, XComModel.map_index == map_index))
        texts = {row.key: row.text for row in rows}
    return parse(texts.get(RESULT, texts.get(ERROR)))


def _xcoms(dag_id: str, run_ids: Sequence[str], keys: Sequence[str]) -> Any:
    """Return a query for XComs as text: parsed here, so that what cannot be parsed takes no other with it."""
    text = cast(XComModel.value, Text)
    return select(
        XComModel.run_id,
        XComModel.task_id,
        XComModel.map_index,
        XComModel.key,
        case((func.length(text) <= MAX_CHARACTERS, text), else_=None).label("text"),
        func.length(text) > MAX_CHARACTERS,
    ).where(XComModel.dag_id == dag_id, XComModel.run_id.in_(run_ids), XComModel.key.in_(keys))


def _task_instances(dag_id: str, run_ids: Sequence[str]) -> Any:
    columns = (
        TaskInstance.run_id,
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance._rendered_map_index,
        TaskInstance.state,
    )
    return select(*columns).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id.in_(run_ids))


def _task(run_id: str, task_id: str, map_index: int, map_name: str | None, state: Any) -> Task:
    return Task(run_id, task_id, map_index, read_text(map_name), str(state) if state else None)


def parse(text: str | None) -> Any:
    """
    Return what a JSON text says, not to be changed; None if it is none.

    Nothing but JSON is made of it. Airflow's own decoder makes objects of classes that the text names.

    :param text: as the database has it
    """
    return _parse_once(text) if text and len(text) <= _REMEMBERED_CHARACTERS else _parse(text or "null")


def _parse(text: str) -> Any:
    try:
        value: Any = text
        for _ in range(3):  # once by the database; again by XCom.set; and by Airflow 3.1 of what is edited in its UI
            value = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return None
    return value


_parse_once = lru_cache(maxsize=4)(_parse)  # each thumbnail of a page asks for the same text
_REMEMBERED_CHARACTERS = 1024 * 1024
