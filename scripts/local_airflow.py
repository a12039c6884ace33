"""What the demo and the UI share: an Airflow of their own in the repository, and what its connection leads to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from airflow_provider_imagerouter.sandbox.process import SandboxProcess

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = REPOSITORY / "example_dags"
AIRFLOW_HOME = REPOSITORY / ".airflow"
OUTPUT = REPOSITORY / "demo-output"


@contextmanager
def connection() -> Iterator[tuple[str, dict[str, str]]]:
    """Give what is talked to a name, and the environment variable that makes it Airflow's connection."""
    if key := os.environ.get("IMAGEROUTER_API_KEY"):
        yield "the real ImageRouter", as_environment(json.dumps({"conn_type": "imagerouter", "password": key}))
        return
    with SandboxProcess() as sandbox:
        yield "the sandbox", as_environment(sandbox.connection_uri())


def as_environment(connection: str) -> dict[str, str]:
    """Name a connection ``imagerouter_default``; that for text models takes its key."""
    return {
        "AIRFLOW_CONN_IMAGEROUTER_DEFAULT": connection,
        "AIRFLOW_CONN_PYDANTICAI_IMAGEROUTER_DEFAULT": "pydanticai-imagerouter://",
    }


def airflow_environment() -> dict[str, str]:
    """Return the environment of an Airflow that has the example Dags and nothing else."""
    return {
        **os.environ,
        "AIRFLOW_HOME": str(AIRFLOW_HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__IMAGEROUTER__GALLERY_ROOTS": str(OUTPUT),
    }


def run_logged(arguments: list[str], environment: dict[str, str], log: Path) -> int:
    """Run Python in that Airflow and return its exit code; what it prints is added to the log."""
    with log.open("a") as output:
        return subprocess.run(
            [sys.executable, *arguments],
            env={**airflow_environment(), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode


def prepare_database(log: Path) -> None:
    """Make Airflow's metadata database, once for each version of Airflow."""
    done = AIRFLOW_HOME / f"migrated-{version('apache-airflow')}"
    if done.exists():
        return
    print(f"Preparing Airflow {version('apache-airflow')} in {AIRFLOW_HOME.name}/ …", flush=True)
    if run_logged(["-m", "airflow", "db", "migrate"], {}, log) != 0:
        sys.exit(f"Airflow's database could not be made; see {log.relative_to(REPOSITORY)}")
    done.touch()
