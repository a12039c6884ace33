"""From a prompt to two stored pictures, and what they cost."""

from airflow.sdk import dag, task

from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

MODEL = "black-forest-labs/FLUX-1-schnell"  # takes pictures, too; $0.0013 each


@dag(params={"city": "Lisbon", "output_path": "pictures"})
def example_imagerouter_quickstart():
    """Draw a travel poster of a city, make an autumn edition of it, and say what they cost."""

    @task
    def write_prompt(params: dict) -> str:
        return f"A travel poster for {params['city']}: a wide sky, hills and the sea, in few flat colours"

    poster = ImageRouterGenerateOperator(
        task_id="poster",
        prompt=write_prompt(),
        model=MODEL,
        output_path="{{ params.output_path }}",  # a folder, or any URI such as s3://conn@bucket/folder
    )

    autumn = ImageRouterEditOperator(
        task_id="autumn",
        image=poster.output,
        prompt="The same poster in autumn: warm colours, long shadows, a low sun above the hills",
        model=MODEL,
        output_path="{{ params.output_path }}",
    )

    @task
    def report(costs: list[float]) -> str:
        return f"{len(costs)} calls cost ${sum(costs):.4f}"

    report([poster.output["cost_usd"], autumn.output["cost_usd"]])


example_imagerouter_quickstart()
