from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.receivers import StatsD

from airflow_provider_imagerouter.sandbox.process import SandboxProcess

SCRIPT = Path(__file__).with_name("told_calls.py")


class Told(NamedTuple):
    """What a process that made calls got, logged, and told."""

    got: list[str]
    log: str
    metrics: list[tuple[str, str]]
    spans: list[dict[str, Any]]
    calls: list[dict[str, Any]]

    def values(self, name: str) -> list[str]:
        """Return all values of a metric."""
        return [value for told, value in self.metrics if told == f"airflow.imagerouter.{name}"]


@pytest.fixture(scope="module")
def tell(imagerouter_sandbox_process: SandboxProcess) -> Callable[..., Told]:
    """Run the script's calls in a process that sends its metrics to this one."""

    def run(name: str, **environ: str) -> Told:
        imagerouter_sandbox_process.reset()
        with StatsD() as statsd:
            finished = subprocess.run(
                [sys.executable, SCRIPT, name],
                env={
                    **os.environ,
                    "AIRFLOW_CONN_IMAGEROUTER_DEFAULT": imagerouter_sandbox_process.connection_uri(),
                    "NO_PROXY": "*",
                    "PYTHONPATH": path(),
                    **statsd.environ,
                    **environ,
                },
                capture_output=True,
                text=True,
                check=False,
            )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        printed = next(json.loads(line) for line in finished.stdout.splitlines() if line.startswith('{"got"'))
        log = finished.stdout + finished.stderr
        calls = imagerouter_sandbox_process.ledger()["calls"]
        return Told(printed["got"], log, statsd.told(), printed["spans"], calls)

    return run


def path() -> str:
    return os.pathsep.join([str(SCRIPT.parent), str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
