"""Two Dags: one makes pictures and updates an asset, the other runs whenever there are new ones, and reads them."""

from airflow.sdk import Asset, dag, task

from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

POSTERS = Asset("imagerouter_posters")


@dag(params={"output_path": "pictures"})
def example_imagerouter_assets():
    """Make a poster; its record goes with the asset's event."""
    ImageRouterGenerateOperator(
        task_id="poster",
        prompt="A travel poster for Porto",
        model="black-forest-labs/FLUX-1-schnell",
        size="512x512",
        output_path="{{ params.output_path }}",
        max_cost_usd=0.01,
        outlets=[POSTERS],
    )


@dag(schedule=[POSTERS])
def example_imagerouter_assets_reader():
    """Read the new posters from the events that started this run."""

    @task
    def read(triggering_asset_events=None) -> list[str]:
        events = triggering_asset_events[POSTERS]
        return [picture["uri"] for event in events for picture in event.extra["pictures"]]

    read()


example_imagerouter_assets()
example_imagerouter_assets_reader()
