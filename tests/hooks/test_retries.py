"""What the hooks send again by themselves: calls that surely did not run, and no others."""

from __future__ import annotations

import threading

import pytest
import tenacity
from support.clients import Clients
from support.raw_server import RawServer, Script, answer

from airflow_provider_imagerouter.exceptions import ImageRouterConnectionError, ImageRouterRateLimitError
from airflow_provider_imagerouter.hooks import resending

SUCCESS = answer('{"data": [{"url": "https://pictures.invalid/a.png"}], "cost": 0.004}')


def too_many(retry_after: str) -> bytes:
    body = '{"error": {"message": "Too many requests, please try again later.", "type": "rate_limit_error"}}'
    return answer(body, "429 Too Many Requests", retry_after=retry_after)


def test_a_429_is_sent_again_after_the_time_asked_for(clients: Clients) -> None:
    with RawServer(too_many("0.5"), too_many("0.25"), SUCCESS) as server:
        assert clients(server.url).generate().pictures
        assert server.posts == 3
        first, second, third = server.arrivals
        assert second - first >= 0.5
        assert third - second >= 0.25
        assert len(set(server.requests)) == 1


def test_a_429_that_asks_for_more_time_than_there_is(clients: Clients) -> None:
    with RawServer(too_many("3600"), SUCCESS) as server:
        assert type(clients(server.url).error()) is ImageRouterRateLimitError
        assert server.posts == 1


def test_429s_without_end(clients: Clients) -> None:
    with RawServer(too_many("0.05")) as server:
        assert type(clients(server.url, retry_timeout=1.5).error()) is ImageRouterRateLimitError
        assert server.posts > 1


def test_no_time_for_retries(clients: Clients) -> None:
    with RawServer(too_many("0"), SUCCESS) as server:
        assert type(clients(server.url, retry_timeout=0).error()) is ImageRouterRateLimitError
        assert server.posts == 1


def test_a_server_that_comes_up_late(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second try finds it: the server is started in the pause between the two."""
    with RawServer(SUCCESS) as other:
        port = other.port
    servers: list[RawServer] = []

    def come_up(state: tenacity.RetryCallState) -> float:
        assert isinstance(state.outcome.exception(), ImageRouterConnectionError)
        servers.append(RawServer(SUCCESS, port=port).__enter__())
        return 0

    monkeypatch.setattr(resending, "_backoff", come_up)
    try:
        assert clients(f"http://127.0.0.1:{port}").generate().pictures
        assert servers[0].posts == 1
    finally:
        for server in servers:
            server.__exit__(None, None, None)


def test_nobody_there_at_all(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    monkeypatch.setattr(resending, "_backoff", lambda state: tries.append(1) or 0.2)
    with RawServer(SUCCESS) as other:
        url = other.url
    assert type(clients(url, retry_timeout=1).error()) is ImageRouterConnectionError
    assert 1 < len(tries) < 8


def test_retries_are_said(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with RawServer(too_many("0.1"), SUCCESS) as server:
        clients(server.url).generate()
    said = [record.getMessage() for record in caplog.records if record.name == resending.__name__]
    assert len(said) == 1
    assert "Too many requests" in said[0]
    assert "trying again in" in said[0]


@pytest.mark.parametrize(
    "first",
    [
        answer('{"error": {"message": "Daily limit", "type": "rate_limit_error"}}', "429 Too Many Requests"),
        answer('{"error": {"message": "Internal server error", "type": "internal_error"}}', "500 Oops"),
        answer('{"error": {"message": "broke", "type": "provider_error"}}'),
        answer("", "503 Service Unavailable", retry_after="0"),
        answer("", "502 Bad Gateway"),
        answer("<html>"),
        answer(""),
        b"",
    ],
    ids=["daily limit", "500", "provider", "503", "502", "HTML", "empty", "closed"],
)
def test_nothing_else_is_sent_again(clients: Clients, first: Script) -> None:
    with RawServer(first, SUCCESS) as server:
        clients(server.url).error()
        assert server.posts == 1


def test_many_calls_on_one_hook(clients: Clients) -> None:
    """Each in an event loop of its own, where there is one, and from several threads."""
    with RawServer(SUCCESS) as server:
        client = clients(server.url)
        client.generate()
        threads = [threading.Thread(target=client.generate) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        client.generate()
        assert server.posts == 7
