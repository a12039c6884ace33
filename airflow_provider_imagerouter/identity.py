"""Which task instance this is: the same for every attempt, and for no other."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow.sdk import Context

DIGEST_LENGTH = 12

STEM_CHARACTERS = 40
"""How much of a task's id goes into file names: with all that is added they stay below the usual 255 bytes."""

NAME_CHARACTERS = 200
"""How long the name of an API key may be (ImageRouter's documents, October 2026)."""

PART_CHARACTERS = 50
"""How much of each id goes into a name that would be longer."""


class Identity(NamedTuple):
    """
    The identity key of a task instance; never the try number.

    :param dag_id: Dag
    :param run_id: run of the Dag
    :param task_id: task in the Dag
    :param map_index: index of a mapped task, else -1
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    @classmethod
    def of(cls, context: Context) -> Identity:
        """Return the identity of the task instance that is running."""
        ti = context["ti"]
        map_index = -1 if ti.map_index is None else ti.map_index
        return cls(ti.dag_id, ti.run_id, ti.task_id, map_index)

    @property
    def map_suffix(self) -> str:
        """What tells the instances of a mapped task apart in a file name; empty if the task is not mapped."""
        return "" if self.map_index < 0 else f"-{self.map_index}"

    @property
    def file_stem(self) -> str:
        """A file name without extension that no other task instance has: task, map index, and a digest of it all."""
        return f"{_clean(self.task_id)}{self.map_suffix}-{self.digest}"

    @property
    def run_stem(self) -> str:
        """The same for the task's Dag run, which all tasks of the run have in common: Dag, and a digest of both."""
        return f"{_clean(self.dag_id)}-{_digest(self.dag_id, self.run_id)}"

    def attempt_name(self, attempt: str) -> str:
        """
        Return what ImageRouter's books call an attempt: ``dag/run/task/map#attempt``; for :func:`read_attempt_name`.

        :param attempt: what tells it from the task instance's other attempts
        """
        dag, run, task = (re.sub(r"[/#]", "_", part) for part in (self.dag_id, self.run_id, self.task_id))
        name = f"{dag}/{run}/{task}/{self.map_index}#{attempt}"
        if len(name) <= NAME_CHARACTERS:
            return name
        dag, run, task = (part[:PART_CHARACTERS] for part in (dag, run, task))
        return f"{dag}/{run}/{task}/{self.map_index}#{attempt}~{self.digest}"

    @property
    def digest(self) -> str:
        """A short hexadecimal digest of the whole identity."""
        return _digest(*self)


def read_attempt_name(name: str) -> Identity | None:
    """
    Return whose attempt a name is of; None if it is no attempt's. What was too long in it is cut.

    :param name: as from :meth:`Identity.attempt_name`
    """
    match = re.fullmatch(r"([^/#]+)/([^/#]+)/([^/#]+)/(-1|\d+)#[^/#]+", name)
    return Identity(match[1], match[2], match[3], int(match[4])) if match else None


def _clean(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)[:STEM_CHARACTERS]


def _digest(*ids: str | int) -> str:
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:DIGEST_LENGTH]
