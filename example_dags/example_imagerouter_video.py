"""From a picture to a video that begins with it."""

from airflow.sdk import dag

from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.video import ImageRouterVideoOperator


@dag(params={"output_path": "videos"})
def example_imagerouter_video():
    """Draw a lighthouse, and let the waves around it move."""
    lighthouse = ImageRouterGenerateOperator(
        task_id="lighthouse",
        prompt="A lighthouse on a rock, seen from the sea, early morning",
        model="black-forest-labs/FLUX-1-schnell",
        size="1280x720",
    )

    ImageRouterVideoOperator(
        task_id="waves",
        image=lighthouse.output,
        prompt="The waves move slowly, the light goes round",
        model="bytedance/seedance-1-pro-fast",
        seconds=2,
        max_cost_usd=0.40,  # no more than that, whatever happens
        validate_model=True,  # does the model take a picture, and make two seconds?
        output_path="{{ params.output_path }}",
    )


example_imagerouter_video()
