"""Airflow's API server with the gallery in it, in this process and on loopback, with users who may see this or that."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import requests
import uvicorn
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

from airflow_provider_imagerouter.links.addresses import task_page
from support.real_airflow import free_port

SECRET_DAG = "secret"
"""A Dag that `viewer` may not look into."""


class PickyAuthManager(SimpleAuthManager):
    """Viewers see no XComs of the Dag `secret`, and `blind` sees none at all, but all else."""

    def is_authorized_dag(
        self,
        *,
        method: Any,
        user: Any,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        if access_entity is DagAccessEntity.XCOM and (
            user.username == "blind"
            or (user.username == "viewer" and (details is None or details.id in (None, "secret")))
        ):
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)


class GalleryServer:
    """
    The running server, asked over HTTP.

    :param url: where it listens
    :param passwords: of its users
    """

    def __init__(self, url: str, passwords: dict[str, str]) -> None:
        self.url = url
        self.passwords = passwords
        self._tokens = {name: self._log_in(name, password) for name, password in passwords.items()}

    def _log_in(self, username: str, password: str) -> str:
        body = {"username": username, "password": password}
        answer = requests.post(f"{self.url}/auth/token", json=body, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def get(self, path: str, user: str | None = "admin", **headers: str) -> requests.Response:
        """Ask for a path below the server's root, as a browser does that a user is logged in with."""
        return self.ask("GET", path, user, headers)

    def ask(
        self, method: str, path: str, user: str | None, headers: dict[str, str] | None = None, body: Any = None
    ) -> requests.Response:
        """Ask for a path exactly as it is written: nothing is made plain, such as `..`."""
        with requests.Session() as session:
            session.trust_env = False
            request = requests.Request(method, self.url, headers=headers, json=body).prepare()
            request.url = f"{self.url}/{path.removeprefix('/')}"
            if user:
                request.headers["Cookie"] = f"_token={self._tokens[user]}"
            return session.send(request, timeout=60, allow_redirects=False)

    def edit_xcom(self, run: Any, task_id: str, value: Any, key: str = "return_value", map_index: int = -1) -> None:
        """Change an XCom, as the UI does."""
        path = f"api/v2/dags/{run.dag_id}/dagRuns/{quote(run.run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        answer = self.ask("PATCH", path, "admin", body={"value": value, "map_index": map_index})
        assert answer.ok, answer.text

    def task(self, run: Any, task_id: str, map_index: int = -1, below: str = "", user: str | None = "admin") -> Any:
        """Ask for the page of a task, or for what is below it."""
        return self.get(task_page(run.dag_id, run.run_id, task_id, map_index) + below, user)


@contextmanager
def gallery_server(home: Path) -> Iterator[GalleryServer]:
    """
    Run the server on the database that Airflow uses in this process.

    :param home: an empty folder
    """
    passwords = {name: secrets.token_hex(8) for name in ("admin", "viewer", "blind")}
    (home / "passwords.json").write_text(json.dumps(passwords))
    port = free_port()
    settings = {
        "_AIRFLOW_PROCESS_CONTEXT": "server",  # as the API server sets itself: so connections come from the database
        "AIRFLOW__CORE__AUTH_MANAGER": f"{PickyAuthManager.__module__}.{PickyAuthManager.__name__}",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer,blind:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
    }
    with patch.dict("os.environ", settings):
        from airflow.api_fastapi.app import create_app, purge_cached_app

        purge_cached_app()
        server = uvicorn.Server(
            uvicorn.Config(create_app(apps="core"), host="127.0.0.1", port=port, log_level="warning", lifespan="on")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.05)
        try:
            yield GalleryServer(f"http://127.0.0.1:{port}", passwords)
        finally:
            server.should_exit = True
            thread.join(30)
            purge_cached_app()
