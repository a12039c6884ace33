from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from airflow.sdk import DAG, task
from support.galleries import write_xcom

if TYPE_CHECKING:
    from support.gallery_server import GalleryServer


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is not asked for through a proxy that this machine may have."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which the gallery shows files; the one above it is none."""
    folder = tmp_path / "shown"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__GALLERY_ROOTS", str(folder))
    return folder


@pytest.fixture(scope="module")
def gallery(airflow_db: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GalleryServer]:
    """Run Airflow's API server, with the gallery in it, and nothing kept of earlier tests."""
    from support.gallery_server import gallery_server

    kept = tmp_path_factory.mktemp("kept")
    with (
        patch("airflow_provider_imagerouter.plugins.gallery.cache._folder", lambda: kept),
        gallery_server(tmp_path_factory.mktemp("gallery")) as server,
    ):
        yield server


_runs: dict[tuple[str, ...], Any] = {}


@pytest.fixture
def left(run_dag: Callable[..., Any], request: pytest.FixtureRequest) -> Callable[..., Any]:
    """
    Have tasks leave values: ``left(poster=[…], other=3)`` returns their run.

    The same tasks leave their values in the same run again, whatever was in it; with a Dag's id it is a new one.
    """

    def left(dag_id: str | None = None, /, **values: Any) -> Any:
        tasks = tuple(values)
        if dag_id or tasks not in _runs:
            with DAG(dag_id or "_".join(("left", *tasks)), schedule=None, default_args={"retries": 0}) as dag:
                for task_id in tasks:
                    _returning.override(task_id=task_id)()
            run = run_dag(dag)
            run.dag_id = dag.dag_id
            assert run.state == "success"
            if dag_id is None:
                _runs[tasks] = run
        run = run if dag_id else _runs[tasks]
        for task_id, value in values.items():
            write_xcom(run, task_id, value)
        return run

    return left


@task
def _returning() -> int:
    return 0
