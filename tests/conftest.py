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

pytest_plugins = [
    "airflow_provider_imagerouter.testing.pytest_plugin",
    "support.object_store",
    "support.lying_s3",
    "support.shared_airflow",
    "support.browser",
]

AIRFLOW_VERSION = Version(version("apache-airflow-core"))

# Airflow reads these when it is first imported: no test may find, or make, an Airflow in the user's home.
_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[name]
(Path(_home.name) / "dags").mkdir()
os.environ["AIRFLOW_HOME"] = _home.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


TESTS = Path(__file__).parent

ONCE = (
    "api",
    "contract",
    "docs",
    "hooks/test_api_rows.py",
    "hooks/test_broken_bodies.py",
    "hooks/test_broken_connections.py",
    "hooks/test_huge_answers.py",
    "hooks/test_odd_successes.py",
    "hooks/test_pace.py",
    "hooks/test_retries.py",
    "hooks/test_statuses.py",
    "media",
    "packaging/test_distribution.py",
    "readme",
    "sandbox",
)
"""What knows no Airflow, or brings its own: run on the newest only."""

WAITING = (
    "cli",
    "deferrable",
    "docs/test_commands.py",
    "docs/test_testing.py",
    "packaging",
    "readme",
    "survival",
    "ui",
)
"""What waits for whole Airflows, commands and installations: begun first, beside the rest; left out by `make quick`."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in a hook of its own
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this Airflow need not, or cannot, run; begin with what waits; keep a module in one process."""
    left_out = [item for item in items if _is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    for item in items:
        place = _place(item)
        if place.startswith(WAITING):
            item.add_marker("waiting")
        item.add_marker(pytest.mark.xdist_group("real Airflow" if "real_airflow" in item.fixturenames else place))
    items.sort(key=lambda item: item.get_closest_marker("waiting") is None)


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).as_posix()


def _is_left_out(item: pytest.Item) -> bool:
    """
    ``needs_airflow("3.3")``: only there and on newer ones. What is run once: not on the oldest.

    ``needs_chromium``: where it is installed, as it is where CI runs.
    """
    needed = item.get_closest_marker("needs_airflow")
    if needed and Version(needed.args[0]) > AIRFLOW_VERSION:
        return True
    if item.get_closest_marker("needs_chromium") and not _has_chromium():
        return True
    return Version("3.1") > AIRFLOW_VERSION and _place(item).startswith(ONCE)


def _has_chromium() -> bool:
    from support.browser import chromium  # a plugin, which pytest itself has to import first

    return chromium() is not None


@pytest.fixture
def imagerouter_connection(imagerouter_sandbox: SandboxProcess) -> SandboxProcess:
    """Return the sandbox, to whose rich account the connection ``imagerouter_default`` leads."""
    return imagerouter_sandbox


@pytest.fixture(autouse=True)
def unwrapped_errors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have errors of tasks that run in this process on long lines: where they are wrapped depends on how long paths are.

    A test of that is marked with ``wrapped_errors``.
    """
    if not request.node.get_closest_marker("wrapped_errors"):
        monkeypatch.setattr("airflow_provider_imagerouter.operators.failure.LINE_CHARACTERS", 10_000)
