"""Attempts of one task against the sandbox: in this process, or in one of their own that can be killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import traceback
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.sandbox.process import SandboxProcess
from support.ledgers import notes_in_files

OPERATORS: dict[str, Any] = {
    "generate": ImageRouterGenerateOperator,
    "edit": ImageRouterEditOperator,
    "batch": ImageRouterBatchOperator,
}
CONTEXT = ("run_id", "map_index", "max_tries", "task_state_store")


@cache
def processes() -> Any:
    """Return what starts processes: one imports everything, all others are forked from it."""
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.warm_up"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        forkserver.ensure_running()
    return context


class RunningTask:
    """What an operator sees of its task instance."""

    def __init__(self, task_id: str, run_id: str = "run", map_index: int = -1, max_tries: int = 0) -> None:
        self.dag_id = "dag"
        self.task_id = task_id
        self.run_id = run_id
        self.map_index = map_index
        self.try_number, self.max_tries = max_tries + 1, max_tries
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def execute(kind: str, arguments: dict[str, Any]) -> Any:
    """Make one attempt, as a worker does."""
    context = {key: arguments.pop(key) for key in CONTEXT if key in arguments}
    store = {key: context.pop(key) for key in ("task_state_store",) if key in context}
    operator = OPERATORS[kind](task_id="task", **arguments)
    return operator.execute({"ti": RunningTask("task", **context), **store})


class AttemptProcess:
    """
    One attempt in a process of its own.

    :param kind: of operator
    :param arguments: the operator's, and what is to be in its context
    :param end: a file for how it ends
    """

    def __init__(self, kind: str, arguments: dict[str, Any], end: Path) -> None:
        self._end = end
        environment = {
            key: value for key, value in os.environ.items() if key.startswith(("AIRFLOW", "NO_PROXY", "TMP"))
        }
        self._process = processes().Process(target=_run, args=(kind, arguments, environment, str(end)))
        self._process.start()

    @property
    def pid(self) -> int:
        return int(self._process.pid or 0)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.join()

    def wait(self, seconds: float) -> bool:
        """Wait for its end, and return whether it came."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    @property
    def outcome(self) -> dict[str, Any]:
        """What it returned (``result``), or the class of the error it ended with (``error``), once it has ended."""
        assert self.wait(120), "the attempt does not end"
        return dict(json.loads(self._end.read_text()))

    @property
    def result(self) -> Any:
        """What it returned."""
        assert "result" in self.outcome, self.outcome
        return self.outcome["result"]


def _run(kind: str, arguments: dict[str, Any], environment: dict[str, str], end: str) -> None:
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]  # which the server of these processes has from the test that started it, a short lease say
    os.environ.update(environment)
    try:
        outcome = {"result": execute(kind, arguments)}
    except BaseException as error:
        outcome = {"error": type(error).__name__, "trace": traceback.format_exc()}
    Path(end).write_text(json.dumps(outcome, default=str))


class Attempts:
    """
    Makes attempts of one task.

    :param folder: where its pictures go
    :param sandbox: where its calls go
    """

    def __init__(self, folder: Path, sandbox: SandboxProcess) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self._started = 0

    def generate(self, **arguments: Any) -> Any:
        return execute("generate", self._complete("generate", arguments))

    def edit(self, image: Any, **arguments: Any) -> Any:
        return execute("edit", self._complete("edit", {"image": image, **arguments}))

    def batch(self, requests: list[Any], **arguments: Any) -> Any:
        return execute("batch", self._complete("batch", {"requests": requests, **arguments}))

    def start(self, kind: str, **arguments: Any) -> AttemptProcess:
        """Begin an attempt in a process of its own."""
        self._started += 1
        end = self.folder.parent / f"attempt-{self._started}.json"
        return AttemptProcess(kind, self._complete(kind, arguments), end)

    def _complete(self, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
        defaults = {"model": "sandbox/slow-0"}
        if kind == "batch":
            defaults["result_path"] = str(self.folder)
        else:
            defaults |= {"prompt": "a cat", "output_path": str(self.folder)}
        return {**defaults, **arguments}

    @property
    def totals(self) -> dict[str, Any]:
        return dict(self.sandbox.ledger()["totals"])

    @property
    def calls(self) -> Counter[str]:
        """How many calls of each prompt ran."""
        return Counter(call["prompt"] for call in self.sandbox.ledger()["calls"] if call["status"] != "refused")

    @property
    def notes(self) -> list[dict[str, Any]]:
        """The lines of all journals under the folder, in order."""
        return notes_in_files(self.folder)

    @property
    def pictures(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.suffix in (".webp", ".jpg", ".png"))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a batch's results."""
        return [json.loads(line) for line in (self.folder / "results.jsonl").read_text().splitlines()]
