"""The Grafana dashboard shows what is told, by the mapping that stands beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "grafana.json").read_text())
MAPPINGS = yaml.safe_load((DOCS / "statsd-mapping.yml").read_text())["mappings"]
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def series(tell) -> dict[str, dict[str, str]]:
    """What Prometheus has of all that is told: names of series, with their labels."""
    told = tell("all_kinds").metrics + tell("engine").metrics
    mapped = [mapping for name, _ in told if (mapping := mapping_of(name))["name"] != "dropped"]
    return {mapping["name"]: mapping["labels"] for mapping in mapped}


def mapping_of(name: str) -> dict[str, Any]:
    """Return the first mapping that matches, as statsd_exporter does: a star is all up to the next dot."""
    for mapping in MAPPINGS:
        pattern = re.escape(mapping["match"]).replace(r"\*", "[^.]*")
        if re.fullmatch(pattern, name):
            assert mapping["match"].count("*") == len(mapping.get("labels", [1]))
            return mapping
    raise AssertionError(f"no mapping for {name}")


def test_each_query_asks_for_what_is_told_and_all_that_is_told_is_asked_for(series):
    asked = {
        name.removesuffix("_bucket") for query in QUERIES for name in re.findall(r"airflow_imagerouter_\w+", query)
    }
    opentelemetry = {"airflow_imagerouter_call_duration_milliseconds"}
    assert asked - opentelemetry == set(series)
    variables = [variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
    assert variables == ["label_values(airflow_imagerouter_calls_total, model)"]


def test_queries_use_labels_that_there_are(series):
    for query in QUERIES:
        for name, selector in re.findall(r"(airflow_imagerouter_\w+?)(?:_bucket)?(?:\{([^}]*)\})?\[", query):
            labels = series[name.replace("_milliseconds", "_seconds")]
            used = {*re.findall(r'(\w+)=~?"', selector), *re.findall(r"by \((?:le, )?(\w+)\)", query)}
            assert used <= set(labels), query


def test_panels_do_not_cover_each_other():
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
