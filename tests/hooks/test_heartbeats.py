"""A generation of minutes shows a sign of life in the log, from the API's heartbeats."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from support.clients import Clients
from support.raw_server import RawServer, chunked

from airflow_provider_imagerouter.hooks import transport
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

SUCCESS = b'{"data": [{"url": "https://pictures.invalid/a"}], "cost": 0.004}'


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture):
    """Return the lines of the log so far."""
    caplog.set_level(logging.INFO, logger=transport.__name__)
    return lambda: [record.getMessage() for record in caplog.records if record.name == transport.__name__]


def test_a_line_a_minute_says_how_long_and_that_heartbeats_arrive(lines, monkeypatch) -> None:
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(transport, "time", clock)
    body = transport.Body(ConnectionSettings("https://api.invalid", "k" * 64), 200, {})
    for _ in range(70):
        clock.now += 3
        body.add(b" ")
    clock.now += 100
    body.add(SUCCESS)
    said = "ImageRouter has worked on it for {} s; its heartbeats arrive, the last one just now"
    assert lines() == [said.format(seconds) for seconds in (60, 120, 180)]


def test_both_hooks_say_it(clients: Clients, lines, monkeypatch) -> None:
    monkeypatch.setattr(transport, "SIGN_OF_LIFE_SECONDS", 0)
    with RawServer(chunked(b" ", SUCCESS)) as server:
        assert clients(server.url).generate().pictures
    assert len(lines()) == 1


def test_a_quick_answer_is_not_told_of(clients: Clients, lines) -> None:
    with RawServer(chunked(b" ", SUCCESS)) as server:
        assert clients(server.url).generate().pictures
    assert lines() == []
