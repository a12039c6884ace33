"""
Run one Dag as ``airflow dags test`` does, and write down what came of it: ``python run_dag.py DAG_FILE CONF RESULT``.

The result is a JSON file: ``state``, ``pictures`` (the records of each task) and ``errors`` (why tasks failed).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import DAG


def load_dag(file: Path) -> DAG:
    """Return the only Dag of a file."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(file)
    if bag.import_errors:
        sys.exit("\n".join(bag.import_errors.values()))
    (dag,) = bag.dags.values()
    return dag


def run(dag: DAG, conf: dict[str, Any]) -> dict[str, Any]:
    """Run a Dag and return its state, its pictures and its errors by task."""
    errors: dict[str, str] = {}

    def note_error(context: Mapping[str, Any]) -> None:
        errors[context["task"].task_id] = f"{type(context['exception']).__name__}: {context['exception']}"

    for task in dag.tasks:
        task.on_failure_callback = [note_error]
    dag_run = dag.test(run_conf=conf)
    pictures = {}
    for task_instance in sorted(dag_run.get_task_instances(), key=lambda found: found.start_date or found.task_id):
        output = task_instance.xcom_pull(task_ids=task_instance.task_id)
        if isinstance(output, list):
            pictures[task_instance.task_id] = output
    return {"state": dag_run.state, "pictures": pictures, "errors": errors}


if __name__ == "__main__":
    dag_file, dag_conf, result_file = sys.argv[1:]
    result = run(load_dag(Path(dag_file)), json.loads(dag_conf))
    Path(result_file).write_text(json.dumps(result))
