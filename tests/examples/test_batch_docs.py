"""The tasks that docs/batch.md shows read a batch's results, as they stand there."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, ObjectStoragePath

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator

PAGE = (Path(__file__).parents[2] / "docs" / "batch.md").read_text()
TASKS = {"list_pictures", "cost_by_model", "average_width", "to_parquet", "into_database"}


def shown_tasks() -> dict[str, Any]:
    """Return what the blocks of the section define."""
    section = PAGE.partition("## Reading the results")[2].partition("\n## ")[0]
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        exec(block, names)
    return {name: names[name] for name in TASKS}


def test_what_the_docs_show_reads_results(imagerouter_connection, run_dag, tmp_path, monkeypatch):
    file = tmp_path / "warehouse.db"
    database = sqlite3.connect(file)
    columns = "id TEXT PRIMARY KEY, status TEXT, prompt TEXT, model TEXT, cost_usd REAL, metadata TEXT, pictures TEXT"
    database.execute(f"CREATE TABLE pictures ({columns})")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))

    tasks = shown_tasks()
    with DAG("docs_batch") as dag:
        batch = ImageRouterBatchOperator(
            task_id="batch",
            requests=[
                {"prompt": "a", "size": "512x512", "metadata": {"sku": "A-1"}},
                {"prompt": "b", "size": "256x256", "n": 2},
                {"prompt": "c", "model": "sandbox/refuses"},
            ],
            model="sandbox/slow-0",
            result_path=str(tmp_path / "out"),
            fail_on_partial_error=False,
        )
        for task in tasks.values():
            task(batch.output)
    run = run_dag(dag)

    assert run.state == "success"
    pictures = run.xcom("list_pictures")
    assert [path.rpartition("/")[2][:5] for path in pictures] == ["00000", "00001", "00001"]
    assert all(ObjectStoragePath(path).exists() for path in pictures)
    assert run.xcom("cost_by_model") == [
        {"model": "sandbox/refuses", "cost_usd": 0.0},
        {"model": "sandbox/slow-0", "cost_usd": 0.012},
    ]
    assert run.xcom("average_width") == (512 + 2 * 256) / 3
    assert ObjectStoragePath(run.xcom("to_parquet")).stat().st_size > 0
    rows = database.execute("SELECT status, prompt, json_array_length(pictures) FROM pictures ORDER BY id").fetchall()
    assert rows == [("success", "a", 1), ("success", "b", 2), ("error", "c", 0)]
