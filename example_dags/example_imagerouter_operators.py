"""One of each operator: a chair, in other colours, in a catalogue, and turning."""

from airflow.sdk import dag

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator

MODEL = "black-forest-labs/FLUX-1-schnell"


@dag(params={"output_path": "pictures", "material": "oak"})
def example_imagerouter_operators():
    """Draw two chairs, paint them, store them, make a catalogue, and let one turn."""
    # The prompt is in a file beside the Dag, and rendered like any template. Two candidates are two calls.
    chairs = ImageRouterGenerateOperator(task_id="chairs", prompt="chair.prompt", model=MODEL, size="512x512", n=2)

    painted = ImageRouterEditOperator.partial(
        task_id="painted", prompt="Painted in blue", model=MODEL, output_path="{{ params.output_path }}"
    ).expand(image=chairs.output)

    stored = ImageRouterDownloadOperator(
        task_id="stored", image=chairs.output, output_path="{{ params.output_path }}", filename="chair-{{ run_id }}"
    )

    catalogue = ImageRouterBatchOperator(
        task_id="catalogue",
        requests=["A red chair", {"prompt": "A blue chair", "size": "256x256"}],
        model=MODEL,
        result_path="{{ params.output_path }}/catalogue",
        max_cost_usd=0.10,
    )

    turning = ImageRouterVideoOperator(
        task_id="turning",
        image="{{ ti.xcom_pull(task_ids='stored')[0]['uri'] }}",
        prompt="The chair turns slowly",
        model="bytedance/seedance-1-pro-fast",
        seconds=2,
        output_path="{{ params.output_path }}",
    )

    [painted, stored] >> catalogue
    stored >> turning


example_imagerouter_operators()
