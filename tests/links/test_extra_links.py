"""The links on a task instance's page, as Airflow's REST API hands them to its UI."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from airflow_provider_imagerouter.links.pictures import PictureLink
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator

GALLERY = pytest.mark.needs_airflow("3.1.1")


@pytest.fixture(scope="module")
def run(real_airflow, imagerouter_sandbox_process, tmp_path_factory):
    imagerouter_sandbox_process.reset()
    run = real_airflow.trigger("linked", output_path=str(tmp_path_factory.mktemp("linked")))
    assert run.wait_for_run() == "failed"
    return run


def links(run, task_id: str, map_index: int = -1) -> dict[str, str]:
    query = f"?map_index={map_index}" if map_index >= 0 else ""
    path = f"dags/linked/dagRuns/{quote(run.run_id)}/taskInstances/{task_id}/links{query}"
    return run.airflow.get(path)["extra_links"]


@GALLERY
@pytest.mark.parametrize(
    ("task_id", "map_index", "name", "opened"),
    [
        ("made", -1, "View picture", "#0"),
        ("deferred", -1, "View picture", "#0"),
        ("mapped", 1, "View picture", "#0"),
        ("candidates", -1, "View picture", ""),
        ("failed", -1, "View picture", ""),
        ("batch", -1, "Results", ""),
    ],
)
def test_a_link_leads_to_the_picture_or_its_task_in_the_gallery(run, task_id, map_index, name, opened):
    task = f"{run.airflow.url}/imagerouter/dags/linked/runs/{run.run_id}/tasks/{task_id}/{map_index}/"
    assert links(run, task_id, map_index) == {name: f"{task}{opened}"}


@pytest.mark.parametrize(
    ("result", "link"),
    [
        ([{"url": "https://example.com/a.png"}, {"url": "https://example.com/b.png"}], "https://example.com/a.png"),
        ([{"url": None, "path": "file:///data/a.png"}], ""),
        ([{"url": "javascript:alert(1)"}], ""),
        ([], ""),
        (None, ""),
        ({"results_path": "file:///data/results.jsonl"}, ""),
    ],
    ids=str,
)
def test_without_a_gallery_it_is_imagerouters_link_or_none(result, link, monkeypatch):
    monkeypatch.setattr("airflow_provider_imagerouter.links.pictures.has_pages_of_plugins", lambda: False)
    operator = ImageRouterGenerateOperator(task_id="task", prompt="A cat", model="test/test")
    operator._result = result
    assert PictureLink().get_link(operator, ti_key=None) == link
