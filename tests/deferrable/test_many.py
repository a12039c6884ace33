"""Many deferred tasks at once in a real Airflow."""

from __future__ import annotations


def test_mapped_tasks(airflow, counts, tmp_path):
    run = airflow.trigger("mapped", model="sandbox/slow-5", output_path=str(tmp_path))
    assert run.wait_for_run() == "success"
    assert counts.totals["succeeded"] == 8
    assert len(list(tmp_path.glob("*.webp"))) == 8
