"""What all tests share: a real Airflow of its own, and a connection to the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG

    from airflow_provider_imagerouter.sandbox.process import SandboxProcess

pytest_plugins = ["airflow_provider_imagerouter.sandbox.pytest_plugin", "support.object_store", "support.lying_s3"]

AIRFLOW_VERSION = Version(version("apache-airflow-core"))

# Airflow reads these when it is first imported, so they are set here and not in a fixture.
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


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Make Airflow's metadata database (SQLite), once."""
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.fixture
def imagerouter_connection(monkeypatch: pytest.MonkeyPatch, imagerouter_sandbox: SandboxProcess) -> SandboxProcess:
    """Point the connection ``imagerouter_default`` to the sandbox's rich account, and return the sandbox."""
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", imagerouter_sandbox.connection_uri())
    return imagerouter_sandbox


class FinishedRun:
    """A finished run of a Dag, and what its tasks left."""

    def __init__(self, run: DagRun) -> None:
        self.run_id = run.run_id
        self.state = str(run.state)
        self._run = run

    def task_state(self, task_id: str, map_index: int = -1) -> str:
        return str(self._task_instance(task_id, map_index).state)

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        task_instance = self._task_instance(task_id, map_index)
        return task_instance.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)

    def _task_instance(self, task_id: str, map_index: int) -> Any:
        task_instance = self._run.get_task_instance(task_id, map_index=map_index)
        assert task_instance, f"no task {task_id} [{map_index}] in {self._run}"
        return task_instance


@pytest.fixture
def run_dag(airflow_db: None) -> Callable[..., FinishedRun]:
    """Run a Dag in this process as ``airflow dags test`` does: real task instances, XComs and retries."""

    def run(dag: DAG, **conf: Any) -> FinishedRun:
        _put_into_db(dag)
        return FinishedRun(dag.test(run_conf=conf))

    return run


def _put_into_db(dag: DAG) -> None:
    """Do what the Dag processor does; Airflow 3.0 does it itself in ``DAG.test``."""
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:
        return
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(os.devnull)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
