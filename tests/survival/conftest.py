from __future__ import annotations

from pathlib import Path

import pytest
from support.attempts import Attempts

from airflow_provider_imagerouter.sandbox.process import SandboxProcess

LEASE_SECONDS = 0.6


@pytest.fixture
def attempts(tmp_path: Path, imagerouter_connection: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """Attempts that are taken for dead soon after they were killed."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", str(LEASE_SECONDS))
    return Attempts(tmp_path / "pictures", imagerouter_connection)
