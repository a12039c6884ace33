"""From a brief to one good picture: words before it, an eye after it, and two more tries where it falls short."""

from importlib.util import find_spec
from typing import Annotated

from airflow.sdk import dag, task, task_group
from pydantic import BaseModel, Field

from airflow_provider_imagerouter.operators.download import ImageRouterDownloadOperator
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

WORDS = {
    "llm_conn_id": "pydanticai_imagerouter_default",
    "model_id": "openai/gpt-5-mini",  # sees, too
    "serialize_output": True,  # dicts in XCom
}
PICTURES = {
    "model": "black-forest-labs/FLUX-1-schnell",  # takes pictures, too; $0.0013 each
    "size": "512x512",
    "output_format": "png",  # which LLMFileAnalysisOperator reads
    "output_path": "{{ params.output_path }}/drafts",
    "max_cost_usd": 0.01,
}


Ideas = Annotated[list[str], Field(min_length=3, max_length=3)]
"""What the writer answers."""


class Opinion(BaseModel):
    """What the judge answers."""

    score: int = Field(ge=1, le=10)
    edit: str = Field(description="The one edit that would do most for the picture, as a prompt")


@dag(params={"brief": "A poster for the fête of a village by the sea", "good_enough": 7, "output_path": "pictures"})
def example_imagerouter_studio():
    """Write prompts, draw and judge pictures, edit the best one up to twice, store it, and say what all of it cost."""
    from airflow.providers.common.ai.operators.llm_file_analysis import LLMFileAnalysisOperator

    @task.llm(system_prompt="You write prompts for pictures.", output_type=Ideas, **WORDS)
    def write() -> str:
        return "Three very different pictures for this brief: {{ params.brief }}"

    def judge(pictures):
        return LLMFileAnalysisOperator.partial(
            task_id="judge",
            prompt="From 1 to 10, how well does the picture answer this brief? {{ params.brief }}",
            output_type=Opinion,
            multi_modal=True,
            **WORDS,
        ).expand(file_path=pictures.map(lambda picture: picture["path"]))

    drawn = ImageRouterGenerateOperator.partial(task_id="draw", **PICTURES).expand(prompt=write())
    judged = judge(drawn.output.map(lambda records: records[0]))

    @task
    def choose(drawn: list[list[dict]], opinions: list[dict]) -> dict:
        drafts = [{"picture": records[0], **opinion} for records, opinion in zip(drawn, opinions, strict=True)]
        return max(drafts, key=lambda draft: draft["score"])

    @task_group
    def improve(best):
        @task.short_circuit(ignore_downstream_trigger_rules=False)
        def falls_short(score: int, params: dict) -> bool:
            return score < params["good_enough"]

        edited = ImageRouterEditOperator(task_id="edit", image=best["picture"], prompt=best["edit"], **PICTURES)
        falls_short(best["score"]) >> edited

        @task(trigger_rule="none_failed")  # also where nothing had to be edited
        def keep_better(best: dict, edited: list[dict] | None, opinions: list[dict]) -> dict:
            drafts = [{"picture": picture, **opinion} for picture, opinion in zip(edited or [], opinions, strict=True)]
            return max(best, *drafts, key=lambda draft: draft["score"]) if drafts else best

        return keep_better(best, edited.output, judge(edited.output).output)

    best = choose(drawn.output, judged.output)
    for _ in range(2):
        best = improve(best)

    stored = ImageRouterDownloadOperator(
        task_id="store", image=best["picture"], output_path="{{ params.output_path }}", filename="studio-{{ run_id }}"
    )

    @task
    def report(ti, dag) -> str:
        def cost(*names: str) -> float:
            tasks = [task_id for task_id in dag.task_ids if task_id.rpartition(".")[2] in names]
            return sum(filter(None, ti.xcom_pull(task_ids=tasks, key="cost_usd")))

        words, pictures = cost("write", "judge"), cost("draw", "edit")
        return f"${words + pictures:.4f}: ${words:.4f} for words, ${pictures:.4f} for pictures"

    stored >> report()


if find_spec("airflow.providers.common.ai"):  # the extra `ai`; without it there is no such Dag
    example_imagerouter_studio()
