"""Running Dags against the sandbox, and looking at what came of it on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk import DAG

from airflow_provider_imagerouter.sandbox.process import SandboxProcess


class Runs:
    """
    Runs Dags in this process, as ``airflow dags test`` does.

    :param run_dag: the fixture
    :param sandbox: where `imagerouter_default` leads
    """

    def __init__(self, run_dag: Callable[..., Any], sandbox: SandboxProcess) -> None:
        self._run_dag = run_dag
        self.sandbox = sandbox

    def __call__(self, dag: DAG, *, state: str = "success", **conf: Any) -> Any:
        with _closed(dag):
            run = self._run_dag(dag, **conf)
        assert run.state == state
        return run

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The paying calls the sandbox saw, in order."""
        return list(self.sandbox.ledger()["calls"])


@contextmanager
def _closed(dag: DAG) -> Iterator[None]:
    """Close a Dag that is open for operators meanwhile: Airflow 3.0 does not run it otherwise."""
    try:
        dag.__exit__(None, None, None)
    except IndexError:  # none is open
        yield
        return
    try:
        yield
    finally:
        dag.__enter__()
