"""Names in OpenLineage, and how many of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from airflow_provider_imagerouter import lineage
from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.records import Record, record_of_location
from airflow_provider_imagerouter.results import Manifest

SCHEMA = Path(__file__).parents[2] / "docs" / "lineage.schema.json"
CONNECTION = "no_such_connection"


@pytest.fixture(autouse=True)
def database(airflow_db: None) -> None:
    """Without one, there is nowhere to look a connection up."""


def outputs(*locations: str) -> list[tuple[str, str]]:
    records: list[Record] = [record_of_location(location) for location in locations]
    told = lineage.lineage_of_pictures(CONNECTION, records)
    return [(output.namespace, output.name) for output in told.outputs]


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("/data/a b/c?d#e.webp", ("file", "/data/a b/c?d#e.webp")),
        ("file:///data/a.webp", ("file", "/data/a.webp")),
        ("s3://conn@bucket/folder/a?b.webp", ("s3://bucket", "folder/a?b.webp")),
        ("s3a://key:secret@bucket/a.webp", ("s3://bucket", "a.webp")),
        ("gs://conn@bucket/a.webp", ("gs://bucket", "a.webp")),
        ("gcs://bucket/a.webp", ("gs://bucket", "a.webp")),
        ("https://user:secret@host:8443/a/b.webp?sig=secret#f", ("https://host:8443", "/a/b.webp")),
    ],
)
def test_places_have_their_names_by_the_conventions_and_no_secrets(location: str, name: tuple[str, str]):
    assert outputs(location) == [name]


def test_bytes_have_no_place():
    assert outputs("data:image/png;base64,c2VjcmV0") == []
    told = lineage.lineage_of_pictures(CONNECTION, [], b"bytes")
    assert told.inputs == []


def test_a_copy_costs_nothing_once_more():
    picture: Record = {**record_of_location("/data/a.webp"), "cost_usd": 0.04}
    made, copied = (lineage.lineage_of_pictures(CONNECTION, [picture], images) for images in (None, picture))
    assert (made.run_facets["imagerouter"].costUsd, copied.run_facets["imagerouter"].costUsd) == (0.04, 0.0)
    assert copied.outputs[0].facets["imagerouter_picture"].costUsd == 0.04


def test_a_large_batch_is_a_small_event():
    manifest = Manifest(
        results_path="s3://conn@bucket/chairs/results.jsonl",
        result_path="s3://conn@bucket/chairs",
        requests=10_000,
        succeeded=9_999,
        failed=1,
        not_sent=0,
        errors={"ImageRouterProviderError": 1},
        pictures=9_999,
        cost_usd=39.5,
        seconds=60.0,
    )
    requests: list[Any] = ["A chair", *({"image": [f"/in/{i}.png", f"/in/{i}.png"]} for i in range(9_999))]
    operator = ImageRouterBatchOperator(task_id="many", requests=requests, result_path="/out", model="a/model")
    operator._result = manifest
    told = operator.get_openlineage_facets_on_complete(None)
    assert [dataset.name for dataset in told.inputs] == [f"/in/{i}.png" for i in range(lineage.MOST_INPUTS)]
    assert [dataset.name for dataset in told.outputs] == ["chairs", "chairs/results.jsonl"]
    facet = told.run_facets["imagerouter"]
    assert (facet.pictures, facet.failedRequests, facet.costUsd) == (9_999, 1, 39.5)
    assert (facet.models, facet.baseUrl) == (["a/model"], None)


def test_the_docs_example_is_as_events_are():
    page = (SCHEMA.parent / "observability.md").read_text()
    [event] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.S)]
    facets = [event["run"]["facets"]["imagerouter"], event["outputs"][0]["facets"]["imagerouter_picture"]]
    schema = json.loads(SCHEMA.read_text())
    for facet in facets:
        jsonschema.validate(facet, {**schema, "$ref": f"#{facet['_schemaURL'].partition('#')[2]}"})
        assert facet.keys() == schema["$defs"][facet["_schemaURL"].rpartition("/")[2]]["properties"].keys()


def test_a_task_that_made_nothing_has_no_lineage():
    operator = ImageRouterGenerateOperator(task_id="none", prompt="A lighthouse")
    assert operator.get_openlineage_facets_on_complete(None) is None
