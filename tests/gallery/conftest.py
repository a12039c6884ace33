from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, task

if TYPE_CHECKING:
    from support.gallery_server import GalleryServer


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is not asked for through a proxy that this machine may have."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(scope="module")
def gallery(airflow_db: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GalleryServer]:
    """Run Airflow's API server, with the gallery in it."""
    from support.gallery_server import gallery_server

    with gallery_server(tmp_path_factory.mktemp("gallery")) as server:
        yield server


@pytest.fixture
def left(run_dag: Callable[..., Any], request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a Dag each of whose tasks returns a value: ``left(poster=[…], other=3)``."""

    def left(dag_id: str | None = None, /, **values: Any) -> Any:
        name = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)[:200]
        with DAG(dag_id or name, schedule=None, default_args={"retries": 0}) as dag:
            for task_id, value in values.items():
                _returning(value).override(task_id=task_id)()
        run = run_dag(dag)
        run.dag_id = dag.dag_id
        assert run.state == "success"
        return run

    return left


def _returning(value: Any) -> Any:
    @task
    def give() -> Any:
        return value

    return give
