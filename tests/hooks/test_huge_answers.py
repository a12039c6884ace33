"""An answer that does not end is given up, long before memory is full."""

from __future__ import annotations

import tracemalloc

import pytest
from support.clients import Clients
from support.raw_server import RawServer, Visitor, answer

from airflow_provider_imagerouter.exceptions import ImageRouterServerError
from airflow_provider_imagerouter.hooks import transport

MEGABYTE = 1024 * 1024


class Endless:
    """Sends until the client hangs up, or until 3 GB are sent."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self, visitor: Visitor) -> None:
        visitor.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b'{"data": "')
        while self.sent < 3 * 1024 * MEGABYTE:
            visitor.send(b"x" * MEGABYTE)
            self.sent += MEGABYTE


@pytest.mark.parametrize("limit", [1, 8])
def test_an_endless_answer_is_given_up(clients: Clients, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", limit * MEGABYTE)
    endless = Endless()
    with RawServer(endless) as server:
        client = clients(server.url)
        tracemalloc.start()
        error = client.error()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert server.posts == 1
    assert type(error) is ImageRouterServerError
    assert (error.billed, error.status_code) == ("unknown", 200)
    assert '{"data": "xxx' in str(error)
    assert len(str(error)) < 600
    assert endless.sent < (limit + 40) * MEGABYTE
    assert peak < (3 * limit + 20) * MEGABYTE


def test_an_answer_just_below_the_limit(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"data": [{"url": "https://pictures.invalid/a.png"}]}'
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", len(body))
    with RawServer(answer(body), answer(body + b" ")) as server:
        assert clients(server.url).generate().pictures
        assert type(clients(server.url).error()) is ImageRouterServerError
