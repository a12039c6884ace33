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

from airflow_provider_imagerouter.testing.runs import dagbag_module, run_dag


def load_dag(file: Path) -> DAG:
    """Return the only Dag of a file."""
    bag = dagbag_module().DagBag(file)
    if bag.import_errors:
        sys.exit("\n".join(bag.import_errors.values()))
    dag: DAG
    (dag,) = bag.dags.values()
    return dag


def run(dag: DAG, conf: dict[str, Any]) -> dict[str, Any]:
    """Run a Dag and return its state, its pictures and its errors by task."""
    errors: dict[str, str] = {}

    def note_error(context: Mapping[str, Any]) -> None:
        errors[context["task"].task_id] = f"{type(context['exception']).__name__}: {context['exception']}"

    for task in dag.tasks:
        task.on_failure_callback = [note_error]
    finished = run_dag(dag, **conf)
    outputs = {task_id: finished.xcom(task_id) for task_id in dag.task_ids}
    pictures = {task_id: output for task_id, output in outputs.items() if isinstance(output, list)}
    return {"state": finished.state, "pictures": pictures, "errors": errors}


if __name__ == "__main__":
    dag_file, dag_conf, result_file = sys.argv[1:]
    result = run(load_dag(Path(dag_file)), json.loads(dag_conf))
    Path(result_file).write_text(json.dumps(result))
