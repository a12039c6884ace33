from __future__ import annotations

import pytest
from support.clients import Clients


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is not asked for through a proxy that this machine may have."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(params=["requests", "httpx"])
def clients(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """Run the test once with each hook."""
    return Clients(request.param, monkeypatch)
