"""A picture for each product of a catalogue, in one task and under a budget."""

from airflow.sdk import dag, task

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.results import read_results


@dag(params={"output_path": "pictures"})
def example_imagerouter_batch():
    """Draw chairs and lamps, and list where the pictures are."""

    @task
    def write_requests() -> list:
        chairs = [f"A {colour} chair on a white background" for colour in ("red", "green", "blue", "yellow")]
        lamp = {"prompt": "A paper lamp, lit, in a dark room", "size": "512x768", "n": 2}
        return [*chairs, lamp]

    catalogue = ImageRouterBatchOperator(
        task_id="catalogue",
        requests=write_requests(),
        model="black-forest-labs/FLUX-1-schnell",  # $0.0013 a picture
        result_path="{{ params.output_path }}/{{ run_id }}",  # a folder for each run
        max_concurrency=4,
        max_cost_usd=0.05,  # over all attempts
        retries=2,  # a retry sends only what failed
    )

    @task
    def list_pictures(manifest: dict) -> list[str]:
        return [record["path"] for row in read_results(manifest) for record in row["records"]]

    list_pictures(catalogue.output)


example_imagerouter_batch()
