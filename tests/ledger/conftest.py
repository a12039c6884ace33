"""Places for ledgers: each opened anew, as every attempt does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.ledger_attempt import Open, in_files
from support.object_store import URI

from airflow_provider_imagerouter.ledger.document_place import TaskStatePlace


class TaskState:
    """Airflow's task state store, as far as it is used."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.retentions: list[object] = []

    def get(self, key: str) -> Any:
        return json.loads(self.values[key]) if key in self.values else None

    def set(self, key: str, value: Any, *, retention: object = None) -> None:
        self.values[key] = json.dumps(value)
        self.retentions.append(retention)


@pytest.fixture
def task_state() -> TaskState:
    return TaskState()


@pytest.fixture(params=["local", "s3", pytest.param("task state", marks=pytest.mark.needs_airflow("3.3"))])
def place(request: pytest.FixtureRequest, tmp_path: Path, task_state: TaskState) -> Open:
    """Opens the same place each time, as every attempt does."""
    if request.param == "task state":
        return lambda: TaskStatePlace(task_state)
    folder = str(tmp_path / "out")
    if request.param == "s3":
        request.getfixturevalue("object_store")
        folder = f"{URI}/out"
    return lambda: in_files(folder)
