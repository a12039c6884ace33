"""What it costs a Dag processor to import the operators: no HTTP client, no picture library."""

from __future__ import annotations

import json
import subprocess
import sys

OPERATORS = """
import importlib, pkgutil
import airflow_provider_imagerouter.operators as operators
for module in pkgutil.iter_modules(operators.__path__, operators.__name__ + "."):
    importlib.import_module(module.name)
"""


def modules_after(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return set(json.loads(printed.splitlines()[-1]))


def test_importing_all_operators_brings_nothing_from_outside_airflow():
    new = modules_after(f"import airflow.sdk\n{OPERATORS}") - modules_after("import airflow.sdk")
    assert {name.split(".")[0] for name in new} - sys.stdlib_module_names <= {"airflow", "airflow_provider_imagerouter"}


def test_describing_the_package_to_airflow_brings_our_own_modules_only():
    """Every Airflow process asks for it, whether it uses the package or not."""
    new = modules_after(
        "import airflow_provider_imagerouter.provider_info as p; p.get_provider_info()"
    ) - modules_after("")
    assert {name.split(".")[0] for name in new} - sys.stdlib_module_names == {"airflow_provider_imagerouter"}
