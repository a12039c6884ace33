"""What a whole Airflow, worker and triggerer, tells StatsD, an OpenTelemetry collector and OpenLineage of a Dag run."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jsonschema
import pytest
from support.real_airflow import RealAirflow, Run
from support.receivers import Receivers, Span
from support.waiting import wait_for

from airflow_provider_imagerouter.compat import has_pages_of_plugins
from airflow_provider_imagerouter.sandbox.keys import RICH_KEY
from airflow_provider_imagerouter.sandbox.process import SandboxProcess

SCHEMA = Path(__file__).parents[2] / "docs" / "lineage.schema.json"
TASKS = ("drawn", "edited", "many", "linked", "stored")


@pytest.fixture(scope="module")
def already_counted(receivers: Receivers) -> int:
    """How many metrics came of other tests' runs."""
    return len(receivers.statsd.told())


@pytest.fixture(scope="module")
def run(already_counted: int, real_airflow: RealAirflow, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of the Dag; one of its tasks failed."""
    run = real_airflow.trigger("observed", folder=str(tmp_path_factory.mktemp("pictures")))
    assert run.wait_for_run() == "failed"
    states = {name: run.state(name) for name in TASKS}
    assert states == dict.fromkeys(TASKS, "success"), real_airflow.logs(last=50)
    return run


@pytest.fixture(scope="module")
def told(run: Run, receivers: Receivers) -> dict[str, dict[str, Any]]:
    """OpenLineage's event of the end of each task."""

    def look() -> dict[str, dict[str, Any]] | None:
        events = {
            event["job"]["name"].removeprefix("observed."): event
            for event in receivers.events()
            if event["eventType"] in ("COMPLETE", "FAIL")
        }
        return events if events.keys() >= {*TASKS, "failed"} else None

    events: dict[str, dict[str, Any]] = wait_for("OpenLineage's events", look)
    return events


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in datasets]


def stored(record: dict[str, Any]) -> tuple[str, str]:
    return "file", record["path"].removeprefix("file://")


def test_worker_and_triggerer_count_their_calls(run: Run, receivers: Receivers, already_counted: int):
    counted = receivers.statsd.told()[already_counted:]
    for model, calls in {"slow-0_6": 1, "slow-4_1": 2, "rate-limited": 2}.items():  # worker, triggerer, a batch
        mine = [(name, value) for name, value in counted if f"sandbox_{model}" in name]
        assert mine.count((f"airflow.imagerouter.calls.sandbox_{model}.success", "1|c")) == calls
        assert len([name for name, _ in mine if ".stored_bytes." in name]) == calls
    assert ("airflow.imagerouter.calls.sandbox_fails.ImageRouterProviderError", "1|c") in counted
    records = run.xcom("edited")
    size = sum(record["size_bytes"] for record in records)
    told = [value for name, value in counted if name == "airflow.imagerouter.stored_bytes.sandbox_slow-4_1"]
    assert sum(int(value.removesuffix("|c")) for value in told) == size
    cost = [value for name, value in counted if name == "airflow.imagerouter.cost_micro_usd.sandbox_slow-4_1.success"]
    assert sum(int(value.removesuffix("|c")) for value in cost) == run.xcom("edited", "cost_usd") * 1_000_000


@pytest.mark.needs_airflow("3.2")  # before that, tasks have no spans
@pytest.mark.parametrize(
    ("model", "calls", "parent"),
    [
        ("sandbox/slow-0.6", 1, "worker.drawn"),
        ("sandbox/slow-4.1", 2, "trigger.edited"),
        ("sandbox/rate-limited", 2, "worker.many"),
        ("sandbox/fails", 1, "worker.failed"),
    ],
)
def test_each_call_is_a_span_below_its_tasks(run: Run, receivers: Receivers, model: str, calls: int, parent: str):
    def look() -> list[tuple[Span, Span]] | None:
        spans = receivers.collector.spans
        by_id = {span.span_id: span for span in spans}
        mine = [span for span in spans if span.attributes.get("gen_ai.request.model") == model]
        pairs = [(span, by_id[span.parent_id]) for span in mine if span.parent_id in by_id]
        pairs = [(span, above) for span, above in pairs if above.attributes["airflow.dag_run.run_id"] == run.run_id]
        return pairs if len(pairs) == calls else None

    for span, above in wait_for(f"{calls} spans of {model} and the one above", look):
        assert above.name == parent
        assert span.trace_id == above.trace_id
        assert span.failed == (model == "sandbox/fails")
        assert span.events == (["resent"] if model == "sandbox/rate-limited" else [])


def test_an_edit_is_of_its_input_picture_also_when_deferred(run: Run, told: dict[str, dict[str, Any]]):
    [drawn] = run.xcom("drawn")
    assert names(told["drawn"]["inputs"]) == []
    assert names(told["drawn"]["outputs"]) == names(told["edited"]["inputs"]) == [stored(drawn)]
    edited = run.xcom("edited")
    assert names(told["edited"]["outputs"]) == [stored(record) for record in edited]
    for record, output in zip(edited, told["edited"]["outputs"], strict=True):
        facet = output["facets"]["imagerouter_picture"]
        assert {facet["model"], facet["costUsd"], facet["sha256"], facet["contentType"], facet["width"]} == {
            record[name] for name in ("model", "cost_usd", "sha256", "content_type", "width")
        }
        statistics = output["outputFacets"]["outputStatistics"]
        assert (statistics["size"], statistics["fileCount"]) == (record["size_bytes"], 1)


def test_a_batch_makes_a_folder_and_its_results(run: Run, told: dict[str, dict[str, Any]]):
    manifest, event = run.xcom("many"), told["many"]
    assert names(event["inputs"]) == names(told["drawn"]["outputs"])
    places = [manifest[name].removeprefix("file://") for name in ("result_path", "results_path")]
    assert names(event["outputs"]) == [("file", place) for place in places]
    assert event["outputs"][0]["outputFacets"]["outputStatistics"]["fileCount"] == 2
    assert event["outputs"][1]["outputFacets"]["outputStatistics"]["rowCount"] == 2


def test_what_is_stored_later_is_of_the_link(run: Run, told: dict[str, dict[str, Any]]):
    [linked], [video] = run.xcom("linked"), run.xcom("stored")
    link = urlsplit(linked["url"])
    assert names(told["linked"]["outputs"]) == [(f"http://{link.netloc}", link.path)]
    assert names(told["stored"]["inputs"]) == names(told["linked"]["outputs"])
    assert names(told["stored"]["outputs"]) == [stored(video)]


def test_runs_say_what_they_paid_to_whom(
    run: Run, told: dict[str, dict[str, Any]], imagerouter_sandbox_process: SandboxProcess
):
    for name in TASKS:
        facet = told[name]["run"]["facets"]["imagerouter"]
        assert facet["baseUrl"] == imagerouter_sandbox_process.url
        assert facet["costUsd"] == run.xcom(name, "cost_usd") or name == "stored"
        assert facet["pictures"] == (2 if name in ("edited", "many") else 1)
    assert told["edited"]["run"]["facets"]["imagerouter"]["models"] == ["sandbox/slow-4.1"]
    assert "imagerouter" not in told["failed"]["run"]["facets"]
    assert told["failed"]["outputs"] == []


def test_facets_follow_their_schema(told: dict[str, dict[str, Any]]):
    schema = json.loads(SCHEMA.read_text())
    facets = [event["run"]["facets"]["imagerouter"] for name, event in told.items() if name in TASKS]
    facets += [
        output["facets"]["imagerouter_picture"]
        for name in ("drawn", "edited", "linked", "stored")
        for output in told[name]["outputs"]
    ]
    assert len(facets) == 10
    for facet in facets:
        place, _, fragment = facet["_schemaURL"].partition("#")
        assert place.endswith(SCHEMA.name)
        jsonschema.validate(facet, {**schema, "$ref": f"#{fragment}"})


def test_no_prompt_and_no_key_is_told(
    told: dict[str, dict[str, Any]], receivers: Receivers, imagerouter_sandbox_process: SandboxProcess
):
    ours = [
        [event["inputs"], event["outputs"], event["run"]["facets"].get("imagerouter")] for event in told.values()
    ] + [str(receivers.collector.spans), receivers.statsd.told()]
    assert "A secret" not in str(ours)
    everything = f"{receivers.lineage.read_text()}{ours}"
    assert imagerouter_sandbox_process.rich_key not in everything


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # one of SQLite's, which come and go
        return b""


def test_the_key_is_nowhere(run: Run, told: dict[str, dict[str, Any]], receivers: Receivers, real_airflow: RealAirflow):
    """In no log, no XCom, no rendered template, nothing of Airflow's database and what it tells, nor in any page."""
    key = RICH_KEY.encode()
    folders = real_airflow.home, Path(run.xcom("many")["result_path"].removeprefix("file://"))
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert {real_airflow.database, folders[1] / "results.jsonl"} <= set(files)
    assert [file for file in files if key in read(file)] == []
    assert RICH_KEY not in repr((receivers.statsd.told(), receivers.collector.spans, receivers.events()))
    page = f"{real_airflow.url}/imagerouter/dags/observed/runs/{quote(run.run_id)}/"
    for address in (page, f"{page}records.csv", f"{page}pictures.zip") if has_pages_of_plugins() else ():
        with urllib.request.urlopen(address, timeout=60) as response:
            assert key not in response.read()
