"""The page on notifications: what Slack gets is the picture and what it cost, or why there is none."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.code_blocks import REPOSITORY, blocks
from support.raw_server import RawServer, answer

[BLOCK] = blocks(REPOSITORY / "docs" / "notifications.md", "python")
MODEL = "black-forest-labs/FLUX-1-schnell"


@pytest.fixture
def posted(
    connect: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run_dag: Callable[..., Any]
) -> Callable[[str], tuple[Any, dict[str, Any]]]:
    """Run the page's Dag with a model; return the run, and what Slack was sent."""

    def run(model: str) -> tuple[Any, dict[str, Any]]:
        from airflow.sdk import DAG

        from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

        code = BLOCK.code.replace("s3://aws_default@pictures", str(tmp_path)).replace(MODEL, model)
        with RawServer(answer("ok", content_type="text/plain")) as slack, DAG("notifications") as dag:
            connection = {"conn_type": "slackwebhook", "host": slack.url, "password": "T0/B0/hush"}
            monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
            monkeypatch.setenv("NO_PROXY", "*")
            exec(textwrap.dedent(code), {"ImageRouterGenerateOperator": ImageRouterGenerateOperator})
            finished = run_dag(dag)
            [request] = slack.requests
        return finished, json.loads(request.partition(b"\r\n\r\n")[2])

    return run


def test_a_picture_and_its_cost_are_posted(posted: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    run, message = posted(MODEL)
    [record] = run.xcom("poster")
    assert message["text"] == "poster: a picture for $0.0013"
    picture, caption = message["blocks"]
    assert picture == {"type": "image", "image_url": record["url"], "alt_text": record["prompt"]}
    assert caption["text"]["text"] == "A poster for the fête of a village by the sea, $0.0013"


def test_a_failure_is_posted_with_what_it_cost(posted: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    run, message = posted("sandbox/refuses")
    assert run.task_state("poster") == "failed"
    assert message["text"].startswith("poster failed: ")
    assert "Nothing was billed" in message["text"]
