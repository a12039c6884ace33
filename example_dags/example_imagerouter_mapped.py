"""A picture for each prompt and an edit of each, while no worker slot waits for any of them."""

from airflow.sdk import dag, task

from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

MODEL = "black-forest-labs/FLUX-1-schnell"  # takes pictures, too; $0.0013 each


@dag(params={"animals": ["fox", "hen", "owl"], "output_path": "pictures"})
def example_imagerouter_mapped():
    """Draw some animals, put each into the snow, and count the pictures."""

    @task
    def write_prompts(params: dict) -> list[str]:
        return [f"A {animal} in a meadow, woodcut, two colours" for animal in params["animals"]]

    summer = ImageRouterGenerateOperator.partial(
        task_id="summer",
        model=MODEL,
        output_path="{{ params.output_path }}",
        deferrable=True,  # the triggerer waits, not a worker
    ).expand(prompt=write_prompts())

    winter = ImageRouterEditOperator.partial(
        task_id="winter",
        prompt="The same scene in deep snow",
        model=MODEL,
        output_path="{{ params.output_path }}",
        deferrable=True,
    ).expand(image=summer.output)

    @task
    def count(pictures: list[list[dict]]) -> str:
        return f"{sum(map(len, pictures))} pictures in the snow"

    count(winter.output)


example_imagerouter_mapped()
