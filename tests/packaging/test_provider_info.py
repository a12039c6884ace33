"""What Airflow is told about the package."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import airflow
import jsonschema
import pytest
from airflow.providers.common.compat.sdk import BaseHook, BaseOperator

import airflow_provider_imagerouter
from airflow_provider_imagerouter.provider_info import get_provider_info

PACKAGE = "airflow_provider_imagerouter"


def providers(*arguments: str) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "airflow", "providers", *arguments, "--output", "json"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows: list[dict[str, str]] = json.loads(printed[printed.index("[{") :])
    return rows


def test_it_is_valid_by_airflows_own_schema():
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        pytest.param("hooks", BaseHook, marks=pytest.mark.needs_airflow("3.3")),  # where the extra `ai` is installed
        ("operators", BaseOperator),
    ],
)
def test_it_names_every_module_that_brings_a(kind, base):
    named = {module for entry in get_provider_info()[kind] for module in entry["python-modules"]}
    assert named == {name for name in modules(kind) if public_classes(name, base)}


def modules(subpackage: str) -> list[str]:
    package = importlib.import_module(f"{PACKAGE}.{subpackage}")
    names = [module.name for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
    for name in names:
        importlib.import_module(name)
    return names


def public_classes(module: str, base: type) -> list[type]:
    """Return what users take from a module: classes that are not there for others to inherit from."""
    members = inspect.getmembers(importlib.import_module(module), inspect.isclass)
    own = [found for _, found in members if issubclass(found, base) and found.__module__ == module]
    return [found for found in own if not any(kind.__module__.startswith(PACKAGE) for kind in found.__subclasses__())]


def test_airflow_lists_the_provider(airflow_db):
    (info,) = providers("get", "airflow-provider-imagerouter", "--full")
    assert info["package-name"] == "airflow-provider-imagerouter"
    assert info["versions"] == [airflow_provider_imagerouter.__version__]


def test_airflow_lists_the_connection_type(airflow_db):
    (hook,) = [row for row in providers("hooks") if row["connection_type"] == "imagerouter"]
    assert hook["class"] == f"{PACKAGE}.hooks.imagerouter.ImageRouterHook"
    assert hook["hook_name"] == "ImageRouter"
    assert hook["conn_id_attribute_name"] == "imagerouter_conn_id"
