"""A Dag of all operators, in the worker and in the triggerer; its run's configuration says where pictures go."""

from __future__ import annotations

from airflow.providers.openlineage.utils.selective_enable import enable_lineage
from airflow.sdk import DAG

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator

FOLDER = "{{ params.folder }}"

with DAG("observed", schedule=None, params={"folder": ""}) as dag:
    drawn = ImageRouterGenerateOperator(
        task_id="drawn", prompt="A secret lighthouse", model="sandbox/slow-0.6", output_path=f"{FOLDER}/drawn"
    )
    # With retries: Airflow 3.3.2 may take a task that is resumed soon for one that was killed.
    edited = ImageRouterEditOperator(
        task_id="edited",
        prompt="At night",
        image=drawn.output,
        model="sandbox/slow-4.1",
        n=2,
        output_path=f"{FOLDER}/edited",
        deferrable=True,
        retries=2,
    )
    ImageRouterBatchOperator(
        task_id="many",
        requests=[{"prompt": "Chair", "image": drawn.output}, "Table"],
        model="sandbox/rate-limited",
        result_path=f"{FOLDER}/many",
    )
    linked = ImageRouterVideoOperator(task_id="linked", prompt="A wave", model="ir/test-video")
    ImageRouterDownloadOperator(task_id="stored", image=linked.output, output_path=f"{FOLDER}/stored")
    ImageRouterGenerateOperator(task_id="failed", prompt="A secret failure", model="sandbox/fails")

enable_lineage(dag)
