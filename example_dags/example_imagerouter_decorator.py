"""Prompts written by Python functions: a poster for each city, and one of them by night."""

from airflow.sdk import dag, task

MODEL = "black-forest-labs/FLUX-1-schnell"  # takes pictures, too; $0.0013 each


@dag(params={"cities": ["Lisbon", "Turku"], "output_path": "pictures"})
def example_imagerouter_decorator():
    """Draw a poster for each city, and edit the first one."""

    @task
    def list_cities(params: dict) -> list[str]:
        return params["cities"]

    @task.imagerouter(model=MODEL, size="256x256", output_path="{{ params.output_path }}", max_cost_usd=0.01)
    def poster(city: str) -> str:
        return f"A travel poster for {city}: flat shapes, three colours"

    # For an edit, return a dict with the picture. Each poster is a list of records, as a call may bring several.
    @task.imagerouter(model=MODEL, output_path="{{ params.output_path }}", max_cost_usd=0.01)
    def by_night(posters: list[list[dict]]) -> dict:
        first = posters[0][0]
        return {"prompt": f"By night, under a full moon: {first['prompt']}", "image": first}

    by_night(poster.expand(city=list_cities()))


example_imagerouter_decorator()
