"""A Dag that is started by another one's pictures, on a real scheduler."""

from __future__ import annotations

from support.waiting import wait_for


def test_the_second_dag_reads_what_the_first_one_made(real_airflow, imagerouter_sandbox_process, tmp_path):
    imagerouter_sandbox_process.reset()
    made = real_airflow.trigger("example_imagerouter_assets", output_path=str(tmp_path))
    assert made.wait_for_run() == "success"
    reader = type(made)(real_airflow, "example_imagerouter_assets_reader", "")
    runs = wait_for("the reader's run", lambda: real_airflow.get(f"dags/{reader.dag_id}/dagRuns")["dag_runs"])
    read = type(made)(real_airflow, reader.dag_id, runs[0]["dag_run_id"])
    assert read.wait_for_run() == "success"
    assert read.xcom("read") == [file.as_uri() for file in tmp_path.glob("*.webp")] != []
