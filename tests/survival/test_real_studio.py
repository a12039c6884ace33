"""The studio on a real scheduler, whose workers talk to Airflow from within the loop that waits for words."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.needs_airflow("3.3")


def test_the_studio_runs_and_its_sum_is_what_was_billed(real_airflow, imagerouter_sandbox, tmp_path):
    run = real_airflow.trigger("example_imagerouter_studio", output_path=str(tmp_path), good_enough=1)
    assert run.wait_for_run(600) == "success"
    totals = imagerouter_sandbox.ledger()["totals"]
    assert totals["calls"] == 1 + 3 + 3
    assert run.xcom("report").startswith(f"${totals['billed_usd']:.4f}: ")
    assert [path.suffix for path in tmp_path.iterdir() if path.is_file()] == [".png"]
