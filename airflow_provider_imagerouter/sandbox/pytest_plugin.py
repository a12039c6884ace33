"""A sandbox for your tests: put this module's name into `pytest_plugins`, and ask for `imagerouter_sandbox`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_imagerouter.sandbox.process import SandboxProcess


@pytest.fixture(scope="session")
def imagerouter_sandbox_process() -> Iterator[SandboxProcess]:
    """Run one sandbox for all tests."""
    with SandboxProcess() as sandbox:
        yield sandbox


@pytest.fixture
def imagerouter_sandbox(imagerouter_sandbox_process: SandboxProcess) -> SandboxProcess:
    """Hand out the sandbox with full accounts and an empty ledger."""
    imagerouter_sandbox_process.reset()
    return imagerouter_sandbox_process
