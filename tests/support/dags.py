"""Running Dags against the sandbox, and looking at what came of it on both sides."""

from __future__ import annotations

from collections.abc import Callable
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
        dag.__exit__(None, None, None)  # Airflow 3.0 runs no Dag that is still open for operators
        try:
            run = self._run_dag(dag, **conf)
        finally:
            dag.__enter__()
        assert run.state == state
        return run

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The paying calls the sandbox saw, in order."""
        return list(self.sandbox.ledger()["calls"])
