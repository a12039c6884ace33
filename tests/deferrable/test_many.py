"""Errors, and many deferred tasks at once, in a real Airflow."""

from __future__ import annotations


def test_errors_fail_at_once_or_are_retried_as_they_would_be_in_a_worker(airflow, counts):
    """The rate limit's retry comes when the server said, though the task's own ``retry_delay`` is an hour."""
    run = airflow.trigger("errors")
    expected = {
        "refuses": ("failed", 1),
        "blocked": ("failed", 1),
        "daily-limit": ("failed", 1),
        "fails": ("failed", 2),
        "rate-limited": ("success", 2),
    }
    ends = {task: (run.wait_for_end(task), run.task(task)["try_number"]) for task in expected}
    assert ends == expected
    logs = airflow.logs()
    for name in ("ContentPolicy", "Access", "DailyLimit", "Provider", "RateLimit"):
        assert f"ImageRouter{name}Error" in logs


def test_mapped_tasks(airflow, counts, tmp_path):
    run = airflow.trigger("mapped", model="sandbox/slow-1", output_path=str(tmp_path))
    assert run.wait_for_run() == "success"
    assert (counts.sent, counts.totals["refused"]) == (12, 0)
    assert len(list(tmp_path.glob("*.webp"))) == 12
