"""What is on a page: pictures, failures, totals and the ways to other pages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal
from zlib import crc32

from airflow_provider_imagerouter.links.addresses import below_dag
from airflow_provider_imagerouter.plugins.gallery.contents import (
    SORTS,
    Contents,
    Found,
    TaskKey,
    arrange,
    key_of,
    records_of,
)
from airflow_provider_imagerouter.plugins.gallery.items import (
    Failure,
    Group,
    Input,
    Page,
    Picture,
    Task,
    dies_on,
    kind_of,
    origin_of,
)
from airflow_provider_imagerouter.plugins.gallery.storage import Places
from airflow_provider_imagerouter.plugins.gallery.xcoms import Run

PER_PAGE = 500
"""How many pictures a page of a run or a task shows."""

RUNS_PER_PAGE = 10
"""How many runs a Dag's page shows."""

PER_RUN = 24
"""How many pictures a Dag's page shows of a run."""

Scope = Literal["dag", "run", "task"]


@dataclass(frozen=True)
class Asked:
    """
    Which page is asked for.

    :param scope: what it is of
    :param dag_id: the Dag
    :param run_id: the run
    :param task: the task instance
    :param query: what is searched for
    :param sort: one of :data:`SORTS`, or empty
    :param page: from 1
    """

    scope: Scope
    dag_id: str
    run_id: str | None = None
    task: Task | None = None
    query: str = ""
    sort: str = ""
    page: int = 1

    @property
    def root(self) -> str:
        """The way to the Dag's page, relative."""
        return {"dag": "", "run": "../../", "task": "../../../../../"}[self.scope]


def page_of(asked: Asked, contents: Contents, places: Places, siblings: Sequence[Task], is_there: bool) -> Page:
    """
    Return the page of a run or a task instance.

    :param asked: which page
    :param contents: what its tasks left
    :param places: where files may be shown from
    :param siblings: the instances of a mapped task
    :param is_there: whether there are such a run and task
    """
    found = arrange(contents.found, asked.sort)
    pages = max(1, math.ceil(len(found) / PER_PAGE))
    number = min(max(asked.page, 1), pages)
    shown = found[(number - 1) * PER_PAGE : number * PER_PAGE]
    pictures = [picture_of(one, record, asked.root, places) for one, record in records_of(shown, contents.files)]
    groups = _groups(asked, pictures, contents.notes)
    return Page(
        scope=asked.scope,
        dag_id=asked.dag_id,
        run_id=asked.run_id,
        task=asked.task,
        title=asked.task.title if asked.task else asked.run_id or asked.dag_id,
        root=asked.root,
        up_url=asked.root if asked.scope == "run" else "../../../",
        groups=groups,
        totals=contents.totals,
        failures=tuple(_with_url(one, asked.root) for one in contents.failures) if number == 1 else (),
        siblings=tuple(replace(one, url=f"{asked.root}{_address(one)}") for one in siblings),
        query=asked.query,
        sort=asked.sort,
        page=number,
        pages=pages,
        empty_because=None if groups or contents.failures else _why_empty(asked, is_there, siblings),
        links_to=_origins(groups),
    )


def dag_page_of(asked: Asked, runs: Sequence[Run], contents: Contents, places: Places, number_of_runs: int) -> Page:
    """
    Return a page of a Dag's runs.

    :param asked: which page
    :param runs: those of the page, the newest first
    :param contents: what their tasks left
    :param places: where files may be shown from
    :param number_of_runs: how many there are in all
    """
    by_run: dict[str, list[Found]] = {}
    for one in contents.found:
        by_run.setdefault(one.task.run_id, []).append(one)
    groups = []
    for run in runs:
        found = arrange(by_run.get(run.run_id, []), asked.sort)
        pictures = tuple(
            picture_of(one, record, asked.root, places) for one, record in records_of(found[:PER_RUN], contents.files)
        )
        notes = [note for key, note in contents.notes.items() if key[0] == run.run_id]
        if pictures or notes:
            groups.append(
                Group(
                    run.run_id,
                    below_dag(run.run_id),
                    pictures,
                    more=len(found) - len(pictures),
                    note=notes[0] if notes else None,
                )
            )
    pages = max(1, math.ceil(number_of_runs / RUNS_PER_PAGE))
    return Page(
        scope="dag",
        dag_id=asked.dag_id,
        run_id=None,
        title=asked.dag_id,
        groups=tuple(groups),
        totals=contents.totals,
        failures=tuple(_with_url(one, asked.root) for one in contents.failures),
        query=asked.query,
        sort=asked.sort,
        page=asked.page,
        pages=pages,
        empty_because=None if groups or contents.failures else _why_empty(asked, bool(number_of_runs), ()),
        links_to=_origins(groups),
    )


def picture_of(found: Found, record: dict[str, Any], root: str, places: Places) -> Picture:
    """
    Return a picture as a page shows it.

    :param found: the picture
    :param record: its record
    :param root: the way to the Dag's page, relative
    :param places: where files may be shown from
    """
    task = replace(found.task, url=f"{root}{_address(found.task)}")
    link = record["url"] if record["path"] is None and origin_of(record["url"]) else None
    hidden = None if link else places.why_hidden(record["path"], record["sha256"], record["size_bytes"])
    kind = kind_of(record)
    asked_for = f"{record['prompt']} {record['model']}"
    version = f"?v={record['sha256'][:16]}" if record["sha256"] and not hidden and not link else ""
    return Picture(
        name=found.name,
        record=record,
        task=task,
        row=found.row,
        url=link or (None if hidden else f"{task.url}files/{found.name}{version}"),
        thumbnail_url=None if link or hidden or kind != "image" else f"{task.url}thumbnails/{found.name}{version}",
        is_link=link is not None,
        dies_on=dies_on(record) if link else None,
        kind=kind,
        hidden_because=hidden,
        inputs=tuple(
            _input(given, f"{task.url}inputs/{found.name}/{number}", places)
            for number, given in enumerate(record["inputs"])
        ),
        group=f"{_address(found.task)}{found.row}/{crc32(asked_for.encode())}",
    )


def _input(given: Mapping[str, str | None], url: str, places: Places) -> Input:
    uri = given["uri"] or ""
    if origin_of(uri):
        return Input(uri, uri, is_link=True)
    hidden = places.why_hidden(uri, given["sha256"], None)
    return Input(uri[:200], None if hidden else url, hidden_because=hidden)


def _groups(asked: Asked, pictures: Sequence[Picture], notes: Mapping[TaskKey, str]) -> tuple[Group, ...]:
    """Group pictures by task; not if they are sorted across tasks."""
    groups = []
    if asked.sort in SORTS:
        groups = [Group("", pictures=tuple(pictures))] if pictures else []
    else:
        for task_id, of_task in groupby(pictures, key=lambda picture: picture.task.task_id):
            together = tuple(of_task)
            tasks = {key_of(picture.task): picture.task for picture in together}
            only = next(iter(tasks.values())) if len(tasks) == 1 else None
            note = notes.get(key_of(only)) if only else None
            title, url = (only.title, only.url) if only else (task_id, None)
            groups.append(Group(title, url, together, note=note, task=only))
    told = {key_of(group.task) for group in groups if group.task}
    rest = [key for key in notes if key not in told]
    return (*groups, *(Group(Task(*key).title, f"{asked.root}{below_dag(*key)}", note=notes[key]) for key in rest))


def _address(task: Task) -> str:
    return below_dag(*key_of(task))


def _with_url(failure: Failure, root: str) -> Failure:
    return replace(failure, task=replace(failure.task, url=f"{root}{_address(failure.task)}"))


def _origins(groups: Iterable[Group]) -> tuple[str, ...]:
    pictures = [picture for group in groups for picture in group.pictures]
    links = [picture.url for picture in pictures if picture.is_link]
    links += [given.url for picture in pictures for given in picture.inputs if given.is_link]
    return tuple(sorted({origin for link in links if (origin := origin_of(link))}))


def _why_empty(asked: Asked, is_there: bool, siblings: Sequence[Task]) -> str:
    if not is_there:
        return {
            "dag": "Airflow knows no run of this Dag.",
            "run": "Airflow knows no such run.",
            "task": "Airflow knows no such task in this run.",
        }[asked.scope]
    if asked.query:
        return "Nothing that was found has these words in its prompt or model."
    if siblings and asked.task and asked.task.map_index < 0:
        return "This task is mapped: its pictures are with its instances."
    if asked.task:
        return {
            "success": "This task made no pictures with ImageRouter.",
            "failed": "This task failed, and left no pictures.",
        }.get(asked.task.state or "", "There are no pictures yet.")
    return "There are no pictures here (yet): no task returned any that ImageRouter made."
