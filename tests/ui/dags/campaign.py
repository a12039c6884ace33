"""A Dag with all that the gallery shows: candidates, edits, a video, a batch, mapped tasks, links, and what failed."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator

FLUX = "black-forest-labs/FLUX-1-schnell"
STORED: dict[str, Any] = {"output_path": "{{ params.output_path }}"}
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")

with DAG("poster_campaign", schedule=None, params={"output_path": ""}, default_args={"retries": 0}):
    posters = ImageRouterGenerateOperator(
        task_id="posters",
        prompt="A travel poster for Lisbon: a wide sky, hills and the sea, in few flat colours",
        model=FLUX,
        n=3,
        size="768x512",
        **STORED,
    )

    autumn = ImageRouterEditOperator(
        task_id="autumn",
        image="{{ ti.xcom_pull(task_ids='posters')[0]['uri'] }}",
        prompt="The same poster in autumn: warm colours, long shadows, a low sun above the hills",
        model=FLUX,
        size="768x512",
        **STORED,
    )

    trailer = ImageRouterVideoOperator(
        task_id="trailer",
        prompt="Clouds move slowly over the sea",
        model="ir/test-video",
        size="640x360",
        seconds=5,
        **STORED,
    )

    cities = ImageRouterGenerateOperator.partial(
        task_id="cities", model=FLUX, size="512x512", map_index_template="{{ task.prompt }}", **STORED
    ).expand(prompt=["Porto", "Faro"])

    catalogue = ImageRouterBatchOperator(
        task_id="catalogue",
        requests=[
            *(f"A {colour} chair on a white background" for colour in COLOURS),
            {"prompt": "A chair that nobody may draw", "model": "sandbox/refuses"},
            {"prompt": "A chair that breaks", "model": "sandbox/fails"},
        ],
        model=FLUX,
        result_path="{{ params.output_path }}/catalogue",
        fail_on_partial_error=False,
    )

    sign = ImageRouterGenerateOperator(task_id="sign", prompt="A sign", model="sandbox/svg", **STORED)

    sketch = ImageRouterGenerateOperator(task_id="sketch", prompt="A quick sketch", model=FLUX, size="512x512")

    refused = ImageRouterGenerateOperator(
        task_id="refused", prompt="What no provider wants to draw", model="sandbox/refuses", **STORED
    )

    @task
    def count() -> int:
        return 3

    posters >> autumn
    count()
