"""Three pictures, a person who picks one of them in Airflow and says what to change, and the edit that is stored."""

from datetime import timedelta
from importlib.util import find_spec

from airflow.sdk import Param, dag, task

from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

MODEL = "black-forest-labs/FLUX-1-schnell"  # takes pictures, too; $0.0013 each
NONE = "None of them"


@dag(params={"brief": "A poster for the fête of a village by the sea", "output_path": "pictures"})
def example_imagerouter_review():
    """Draw candidates, wait for somebody's answer, and pay for an edit only if one of them will do."""
    from airflow.providers.standard.operators.hitl import HITLOperator

    draw = ImageRouterGenerateOperator(
        task_id="draw",
        prompt="{{ params.brief }}",
        model=MODEL,
        size="512x512",
        n=3,
        output_path="{{ params.output_path }}/candidates",
        max_cost_usd=0.01,
    )

    review = HITLOperator(
        task_id="review",
        subject="Which picture shall be finished?",
        body=(
            "{% for picture in ti.xcom_pull(task_ids='draw') %}"
            "**{{ loop.index }}**: {{ picture.width }} x {{ picture.height }}, ${{ picture.cost_usd }}\n\n"
            "![Candidate {{ loop.index }}]({{ picture.url }})\n\n"
            "{% endfor %}"
        ),
        options=["1", "2", "3", NONE],
        defaults=NONE,  # the answer, if nobody gives one in time
        response_timeout=timedelta(days=2),
        params={"change": Param("The same, at dusk", type="string", title="What to change in it")},
    )

    @task.short_circuit
    def pick(candidates: list[dict], answer: dict) -> dict | None:
        [choice] = answer["chosen_options"]
        return None if choice == NONE else candidates[int(choice) - 1]

    finished = ImageRouterEditOperator(
        task_id="finish",
        image=pick(draw.output, review.output),
        prompt="{{ ti.xcom_pull(task_ids='review')['params_input']['change'] }}",
        model=MODEL,
        output_path="{{ params.output_path }}",
        filename="reviewed-{{ run_id }}",
        max_cost_usd=0.01,
    )

    draw >> review >> finished


if find_spec("airflow.sdk.execution_time.hitl"):  # Airflow 3.1 or newer; without it there is no such Dag
    example_imagerouter_review()
