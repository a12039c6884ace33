"""The Dags of these tests; each run's configuration says what its task does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

try:
    from airflow_provider_imagerouter.retry_policy import ImageRouterRetryPolicy
except Exception:  # Airflow is older than 3.3
    PATIENT: dict[str, Any] = {}
else:
    PATIENT = {"retry_policy": ImageRouterRetryPolicy()}

PARAMS = {"model": "sandbox/slow-1", "folder": ""}
CATS = [{"prompt": f"cat {number}", "size": "64x64"} for number in range(12)]


def dag(dag_id: str) -> DAG:
    return DAG(f"worked_{dag_id}", schedule=None, params=PARAMS)


def batch(**options: Any) -> None:
    given = {"retries": 1, "retry_delay": timedelta(0), "max_concurrency": 3, **options}
    ImageRouterBatchOperator(
        task_id="task", requests=CATS, model="{{ params.model }}", result_path="{{ params.folder }}", **given
    )


with dag("batch"):
    batch()

with dag("batch_without_retries"):
    batch(retries=0)

with dag("settled"):
    # Pictures that are made, that fail once and are given back, and that are refused once.
    MODELS = ("sandbox/slow-0.5", "sandbox/flaky-0.5", "sandbox/rate-limited")
    ImageRouterBatchOperator.partial(
        task_id="task",
        result_path="{{ params.folder }}",
        imagerouter_conn_id="imagerouter_managed",
        on_orphaned_intent="resubmit_unbilled",
        max_concurrency=1,
        retries=30,
        retry_delay=timedelta(0),
    ).expand(
        requests=[
            [{"prompt": f"cat {task}-{number}", "model": MODELS[number % 3]} for number in range(12)]
            for task in range(4)
        ]
    )

with dag("batch_with_timeout"):
    batch(retries=6, execution_timeout=timedelta(seconds=8))

with dag("candidates_without_folder"):
    ImageRouterGenerateOperator(
        task_id="task", prompt="a cat", model="{{ params.model }}", n=6, retries=1, retry_delay=timedelta(0)
    )

with dag("patient"):
    ImageRouterGenerateOperator(
        task_id="task",
        prompt="a cat",
        model="sandbox/rate-limited",
        imagerouter_conn_id="imagerouter_impatient",
        retries=1,
        retry_delay=timedelta(hours=1),
        **PATIENT,
    )
