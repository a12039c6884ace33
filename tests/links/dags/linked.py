"""What has links: tasks that make pictures here, in the triggerer, and mapped; one that fails; a batch."""

from airflow.sdk import DAG

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

PICTURE = {"prompt": "A cat", "model": "test/test"}

with DAG("linked", default_args={"retries": 0}, params={"output_path": "pictures"}):
    ImageRouterGenerateOperator(task_id="made", **PICTURE)
    ImageRouterGenerateOperator(task_id="deferred", deferrable=True, **PICTURE)
    ImageRouterGenerateOperator.partial(task_id="mapped", model="test/test").expand(prompt=["A cat", "A dog"])
    ImageRouterGenerateOperator(task_id="candidates", n=2, **PICTURE)
    ImageRouterGenerateOperator(task_id="failed", prompt="A cat", model="sandbox/refuses")
    ImageRouterBatchOperator(
        task_id="batch", requests=["A cat"], model="test/test", result_path="{{ params.output_path }}"
    )
