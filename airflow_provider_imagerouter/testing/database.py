"""An Airflow metadata database for the time of the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch


@contextmanager
def throw_away_database(home: Path) -> Iterator[None]:
    """
    Let Airflow, in this process and in those that it starts, use a new database, whatever it is configured to use.

    :param home: an empty folder for the database, the logs, and no Dags
    :raises RuntimeError: Airflow could not make the database; with what it printed
    """
    with patch.dict(os.environ, _settings(home)):
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if made.returncode:
            raise RuntimeError(f"Airflow could not make a database for the tests:\n{made.stdout}{made.stderr}")
        _connect_again()
        yield


def _settings(home: Path) -> dict[str, str]:
    """Return the settings of an Airflow that shares nothing with the user's own."""
    (home / "dags").mkdir()
    bundle = {"name": "dags-folder", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}}
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"sqlite+aiosqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
    }


def _connect_again() -> None:
    """Do again what Airflow did with its settings when it was imported, which the tests' own imports may have done."""
    from airflow import settings

    settings.configure_vars()  # type: ignore[no-untyped-call]
    settings.reconfigure_orm()  # type: ignore[no-untyped-call]
