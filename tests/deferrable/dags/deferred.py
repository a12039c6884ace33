"""The Dags of these tests; each run's configuration says what its task does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

CONF = {"model": "sandbox/slow-3", "prompt": "A lighthouse", "n": 1, "requests": 8, "prefix": "", "output_path": ""}

# Airflow 3.3.2 may take a task that is resumed soon for one that was killed: hence the retries, which may not cost
# anything, either. A task without retries needs a model that takes longer.
COMMON: dict[str, Any] = {"deferrable": True, "retries": 2, "retry_delay": timedelta(seconds=0)}


def dag(dag_id: str) -> DAG:
    return DAG(dag_id, schedule=None, params=CONF, render_template_as_native_obj=True)


def generate(task_id: str = "generate", **options: Any) -> ImageRouterGenerateOperator:
    return ImageRouterGenerateOperator(
        **{
            "task_id": task_id,
            "prompt": "{{ params.prompt }}",
            "model": "{{ params.model }}",
            "size": "64x64",
            "n": "{{ params.n }}",
            "output_path": "{{ params.output_path }}",
            **COMMON,
            **options,
        }
    )


for name, options in {
    "generate": {},
    "links": {"retries": 0, "output_path": None},
    "generate_timeout": {"retries": 1, "execution_timeout": timedelta(seconds=10)},
    "generate_base64": {"response_format": "b64_ephemeral"},
}.items():
    with dag(name):
        generate(**options)

for name, options in {
    "batch": {"max_concurrency": 2},
    "batch_fail": {"max_concurrency": 2, "on_orphaned_intent": "fail", "retries": 0},
}.items():
    with dag(name):

        @task
        def prompts(params: dict | None = None) -> list[dict]:
            assert params
            prefix = params["prefix"] or "Picture"
            return [{"prompt": f"{prefix} {number}", "size": "64x64"} for number in range(params["requests"])]

        ImageRouterBatchOperator(
            task_id="batch",
            requests=prompts(),
            model="{{ params.model }}",
            result_path="{{ params.output_path }}",
            **{**COMMON, **options},
        )

with dag("mapped"):
    ImageRouterGenerateOperator.partial(
        task_id="generate", model="{{ params.model }}", size="64x64", output_path="{{ params.output_path }}", **COMMON
    ).expand(prompt=[f"Picture {number}" for number in range(8)])

with dag("slot"):
    generate(pool="one_slot", priority_weight=10)

    @task(pool="one_slot")
    def other() -> str:
        return "ran"

    other()
