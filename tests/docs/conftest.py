"""The reader of the docs: somebody with a connection to the sandbox that has a default model."""

from __future__ import annotations

import json

import pytest

from airflow_provider_imagerouter.sandbox.process import SandboxProcess


@pytest.fixture
def connect(imagerouter_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch):
    """Set the connection, with another key if one is given."""

    def set_connection(**options: str) -> None:
        connection = json.loads(imagerouter_sandbox.connection_uri(**options))
        connection["extra"] = {"default_model": "black-forest-labs/FLUX-1-schnell"}
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))

    set_connection()
    return set_connection
