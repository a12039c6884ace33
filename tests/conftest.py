"""What all tests share: a real Airflow of its own, and a connection to the sandbox."""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

if TYPE_CHECKING:
    from airflow_provider_imagerouter.sandbox.process import SandboxProcess

pytest_plugins = ["airflow_provider_imagerouter.testing.pytest_plugin", "support.object_store", "support.lying_s3"]

AIRFLOW_VERSION = Version(version("apache-airflow-core"))

# Airflow reads these when it is first imported: no test may find, or make, an Airflow in the user's home.
_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[name]
(Path(_home.name) / "dags").mkdir()
os.environ["AIRFLOW_HOME"] = _home.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests marked ``needs_airflow("3.3")`` where Airflow is older."""
    needed = {item: item.get_closest_marker("needs_airflow") for item in items}
    left_out = [item for item, mark in needed.items() if mark and Version(mark.args[0]) > AIRFLOW_VERSION]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture
def imagerouter_connection(imagerouter_sandbox: SandboxProcess) -> SandboxProcess:
    """Return the sandbox, to whose rich account the connection ``imagerouter_default`` leads."""
    return imagerouter_sandbox
