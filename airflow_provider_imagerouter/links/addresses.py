"""The addresses of the gallery's pages; text only, so that whatever links to one can import it."""

from __future__ import annotations

from urllib.parse import quote

PREFIX = "/imagerouter"
"""Under which path of the API server the gallery is."""

NO_MAP_INDEX = "{MAP_INDEX}"
"""What Airflow's UI puts in place of the map index of a task that is not mapped."""


def dag_page(dag_id: str) -> str:
    """
    Return the path of the page with all runs of a Dag, relative to the API server's own root.

    :param dag_id: the Dag
    """
    return f"imagerouter/dags/{quote(dag_id, safe='')}/"


def run_page(dag_id: str, run_id: str) -> str:
    """
    Return the path of the page of a run, relative to the API server's own root.

    :param dag_id: the Dag
    :param run_id: the run
    """
    return f"{dag_page(dag_id)}{below_dag(run_id)}"


def task_page(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    """
    Return the path of the page of a task instance, relative to the API server's own root.

    :param dag_id: the Dag
    :param run_id: the run
    :param task_id: the task, with its groups' names
    :param map_index: which instance of a mapped task; -1 if it is not mapped
    """
    return f"{dag_page(dag_id)}{below_dag(run_id, task_id, map_index)}"


def below_dag(run_id: str, task_id: str | None = None, map_index: int = -1) -> str:
    """
    Return the path of the page of a run or a task instance, relative to that of its Dag.

    :param run_id: the run
    :param task_id: the task, with its groups' names; None for the run
    :param map_index: which instance of a mapped task; -1 if it is not mapped
    """
    run = f"runs/{quote(run_id, safe='')}/"
    return run if task_id is None else f"{run}tasks/{quote(task_id, safe='')}/{map_index}/"
