"""Running a Dag in this process, and looking at what its tasks left."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import ModuleType

    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG


class FinishedRun:
    """
    A finished run of a Dag.

    :param run: Airflow's own object
    """

    def __init__(self, run: DagRun) -> None:
        self.run_id: str = run.run_id
        self.state: str = str(run.state)
        self._run = run

    def task_state(self, task_id: str, map_index: int = -1) -> str:
        """
        Return the state a task ended in, such as ``success`` or ``failed``.

        :param task_id: the task, with its groups' names: ``group.task``
        :param map_index: which instance of a mapped task, counted from 0
        :raises LookupError: the run has no such task
        """
        return str(self._task_instance(task_id, map_index).state)

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """
        Return what a task pushed to XCom, or None.

        :param task_id: the task, with its groups' names: ``group.task``
        :param key: ``return_value`` (an operator's records), ``cost_usd`` …
        :param map_index: which instance of a mapped task, counted from 0
        :raises LookupError: the run has no such task
        """
        task_instance = self._task_instance(task_id, map_index)
        return task_instance.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)

    def _task_instance(self, task_id: str, map_index: int) -> Any:
        task_instance = self._run.get_task_instance(task_id, map_index=map_index)
        if not task_instance:
            known = sorted({found.task_id for found in self._run.get_task_instances()})
            raise LookupError(f"no task {task_id!r} with map index {map_index} in the run; it has: {', '.join(known)}")
        return task_instance


class DagRunner(Protocol):
    """What the fixture ``run_dag`` is."""

    def __call__(self, dag: DAG, /, **conf: Any) -> FinishedRun:
        """Run a Dag with these parameters."""


def run_dag(dag: DAG, /, **conf: Any) -> FinishedRun:
    """
    Run a Dag to its end as ``airflow dags test`` does: real task instances, XComs, retries and triggers.

    :param dag: the Dag, wherever it was defined
    :param conf: the run's parameters
    """
    _put_into_database(dag)
    return FinishedRun(dag.test(run_conf=conf))


def _put_into_database(dag: DAG) -> None:
    """Do what the Dag processor does with a file's Dags; Airflow 3.0 does it itself in ``DAG.test``."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    module = dagbag_module()
    if not hasattr(module, "sync_bag_to_db"):
        return
    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = module.DagBag(os.devnull)
    bag.bag_dag(dag)
    module.sync_bag_to_db(bag, "dags-folder", None)


def dagbag_module() -> ModuleType:
    """Return Airflow's module that reads files of Dags."""
    try:
        return import_module("airflow.dag_processing.dagbag")
    except ImportError:  # before Airflow 3.2
        return import_module("airflow.models.dagbag")
