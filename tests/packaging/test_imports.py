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


def test_the_plugin_brings_no_web_framework_into_processes_that_serve_no_pages():
    """Scheduler, Dag processor, triggerer and workers import it, too."""
    code = "import airflow.plugins_manager, airflow_provider_imagerouter.plugins.imagerouter as plugin"
    new = modules_after(f"{code}; plugin.ImageRouterPlugin()") - modules_after("import airflow.plugins_manager")
    assert {name.split(".")[0] for name in new} - sys.stdlib_module_names <= {
        "airflow_provider_imagerouter",
        "packaging",
    }
    assert "airflow_provider_imagerouter.plugins.gallery" not in new


def test_airflow_finds_the_gallery_where_it_can_show_it():
    """As its processes load plugins: by the entry point."""
    code = """
from airflow import __version__, plugins_manager
from packaging.version import Version
if hasattr(plugins_manager, "ensure_plugins_loaded"):
    plugins_manager.ensure_plugins_loaded()
plugins = getattr(plugins_manager, "_get_plugins", lambda: (plugins_manager.plugins,))()[0]
found = [plugin for plugin in plugins if plugin.name == "imagerouter"]
shown = [view["destination"] for plugin in found for view in plugin.external_views]
assert shown == (["task_instance", "dag_run"] if Version(__version__) >= Version("3.1.1") else []), shown
assert len(found) == 1, found
"""
    assert "airflow_provider_imagerouter.plugins.gallery.app" not in modules_after(code)
