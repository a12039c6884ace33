from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sandbox_api import Api, png

from airflow_provider_imagerouter.sandbox.process import SandboxProcess


@pytest.fixture(scope="session")
def transport() -> Iterator[httpx.HTTPTransport]:
    """Share one transport: each new one reads all the root certificates."""
    transport = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
    yield transport
    transport.close()


@pytest.fixture
def api(imagerouter_sandbox: SandboxProcess, transport: httpx.HTTPTransport) -> Api:
    client = httpx.Client(base_url=imagerouter_sandbox.url, timeout=20, transport=transport)
    return Api(imagerouter_sandbox, client)


@pytest.fixture
def red_png() -> bytes:
    return png()
