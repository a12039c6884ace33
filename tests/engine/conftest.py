"""What the tests of the engine share: attempts of one task instance against the sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.sandbox.process import SandboxProcess


class RunningTask:
    """What an operator sees of its task instance."""

    def __init__(self, task_id: str, run_id: str, map_index: int) -> None:
        self.dag_id = "dag"
        self.task_id = task_id
        self.run_id = run_id
        self.map_index = map_index
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


class Attempts:
    """
    Makes attempts of tasks as a worker does, one call an attempt.

    :param folder: where their pictures go
    :param sandbox: where their calls go
    """

    def __init__(self, folder: Path, sandbox: SandboxProcess) -> None:
        self.folder = folder
        self.sandbox = sandbox

    def run(self, operator: Any, *, run_id: str = "run", map_index: int = -1, **context: Any) -> Any:
        return operator.execute({"ti": RunningTask(operator.task_id, run_id, map_index), **context})

    def generate(self, **arguments: Any) -> Any:
        where = {key: arguments.pop(key) for key in ("run_id", "map_index", "task_state_store") if key in arguments}
        given = {"task_id": "task", "model": "sandbox/slow-0", "prompt": "a cat", "output_path": str(self.folder)}
        return self.run(ImageRouterGenerateOperator(**{**given, **arguments}), **where)

    def batch(self, requests: list[Any], **arguments: Any) -> Any:
        where = {key: arguments.pop(key) for key in ("run_id", "map_index") if key in arguments}
        given = {"task_id": "task", "model": "sandbox/slow-0", "result_path": str(self.folder)}
        return self.run(ImageRouterBatchOperator(requests=requests, **{**given, **arguments}), **where)

    def calls(self) -> Counter[str]:
        """How many calls of each prompt got as far as running."""
        return Counter(call["prompt"] for call in self.sandbox.ledger()["calls"] if call["status"] != "refused")

    @property
    def totals(self) -> dict[str, Any]:
        return dict(self.sandbox.ledger()["totals"])

    def notes(self) -> list[Path]:
        """The files of the ledger under the folder."""
        return sorted(path for path in self.folder.glob(".imagerouter/*/*") if path.is_file())

    def pictures(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.suffix in (".webp", ".jpg", ".png"))


@pytest.fixture
def attempts(tmp_path: Path, imagerouter_connection: SandboxProcess) -> Attempts:
    """Attempts whose pictures and ledger are in a folder of the test's own."""
    return Attempts(tmp_path / "pictures", imagerouter_connection)


@pytest.fixture
def extra(monkeypatch: pytest.MonkeyPatch, imagerouter_connection: SandboxProcess) -> Callable[..., None]:
    """Set the connection's extra fields."""
    import json

    def set_extra(**fields: Any) -> None:
        connection = json.loads(imagerouter_connection.connection_uri())
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps({**connection, "extra": fields}))

    return set_extra
