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
        task = re.sub(r"[^\w.-]", "_", self.task_id)[:STEM_CHARACTERS]
        return f"{task}{self.map_suffix}-{self.digest}"

    @property
    def digest(self) -> str:
        """A short hexadecimal digest of the whole identity."""
        return hashlib.sha256(json.dumps(self).encode()).hexdigest()[:DIGEST_LENGTH]
