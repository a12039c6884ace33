"""Calls that never left, and calls that left and whose end never came: only the first are surely not billed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from support.clients import Clients
from support.raw_server import RawServer, Script, Visitor, answer, chunked
from support.tls import self_signed

from airflow_provider_imagerouter.exceptions import (
    ImageRouterConnectionError,
    ImageRouterError,
    ImageRouterUnknownOutcomeError,
)
from airflow_provider_imagerouter.hooks import httpx_transport, resending

BODY = b'{"data": [{"url": "https://pictures.invalid/a.png"}], "cost": 0.004}'


def reset_at_once(visitor: Visitor) -> None:
    visitor.reset()


def reset_after_headers(visitor: Visitor) -> None:
    visitor.send(chunked(b" ", ended=False))
    visitor.stopping.wait(0.2)
    visitor.reset()


def silence(visitor: Visitor) -> None:
    visitor.wait_until_gone()


def silence_after_headers(visitor: Visitor) -> None:
    visitor.send(chunked(b" ", ended=False))
    visitor.wait_until_gone()


def silence_in_the_json(visitor: Visitor) -> None:
    visitor.send(answer(BODY)[:-5])
    visitor.wait_until_gone()


BROKEN: dict[str, Script] = {
    "closed without an answer": b"",
    "reset without an answer": reset_at_once,
    "reset after the headers": reset_after_headers,
    "silent from the start": silence,
    "silent after a heartbeat": silence_after_headers,
    "silent in the JSON": silence_in_the_json,
    "closed in the status line": b"HTTP/1.1 20",
    "closed in the headers": b"HTTP/1.1 200 OK\r\nContent-Type: appl",
    "closed after the headers": chunked(ended=False),
    "closed after a heartbeat": chunked(b" ", ended=False),
    "last chunk missing": chunked(b" ", BODY, ended=False),
    "closed in a chunk": chunked(b" ", ended=False) + b"ff\r\n" + BODY,
    "broken chunk size": chunked(b" ", ended=False) + b"zz\r\n" + BODY,
    "shorter than its Content-Length": answer(BODY, content_length=len(BODY) + 10),
    "cut off by its Content-Length": answer(BODY, content_length=len(BODY) - 10),
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "garbage": bytes(range(256)),
    "no number as its status": b"HTTP/1.1 abc OK\r\n\r\n",
    "broken gzip": answer(b"no gzip", content_encoding="gzip"),
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
def test_a_call_that_broke_is_not_sent_again(clients: Clients, script: Script) -> None:
    with RawServer(script) as server:
        error = clients(server.url, read_timeout=0.4).error()
        assert type(error) is ImageRouterUnknownOutcomeError
        assert error.billed == "unknown"
        assert server.posts == 1


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def never_left(clients: Clients, url: str, **extra: float) -> ImageRouterError:
    error = clients(url, **{"retry_timeout": 0, **extra}).error()
    assert type(error) is ImageRouterConnectionError
    assert (error.billed, error.status_code) == ("no", None)
    assert "Could not connect to" in str(error)
    return error


def test_connection_refused(clients: Clients) -> None:
    port = refused_port()
    assert f"127.0.0.1:{port}" in str(never_left(clients, f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_does_not_exist(clients: Clients, scheme: str) -> None:
    never_left(clients, f"{scheme}://no-such-host.invalid")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_that_does_not_pick_up(clients: Clients, scheme: str) -> None:
    """A full backlog: the kernel lets further connections wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        never_left(clients, f"{scheme}://127.0.0.1:{address[1]}", connect_timeout=0.3)
        for filler in fillers:
            filler.close()


def test_tls_to_a_port_without_tls(clients: Clients) -> None:
    with RawServer(answer(BODY)) as server:
        never_left(clients, server.url.replace("http://", "https://"))
        assert server.posts == 0


def test_a_tls_handshake_without_an_answer(clients: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        never_left(clients, f"https://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=0.3)


def test_a_certificate_nobody_vouches_for(clients: Clients, tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    with RawServer(answer(BODY), tls=tls) as server:
        assert "certificate" in str(never_left(clients, server.url)).lower()
        assert server.requests == []


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """TLS with a certificate that both transports trust, in the ways their users do it."""
    tls, certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    httpx_transport.ssl_context.cache_clear()
    yield tls
    httpx_transport.ssl_context.cache_clear()


def test_tls(clients: Clients, trusted: object) -> None:
    with RawServer(answer(BODY), tls=trusted) as server:
        assert clients(server.url).generate().pictures
        assert server.posts == 1


def plain_text_inside_tls(visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\n\r\n ")
    raw = socket.socket(fileno=visitor.connection.detach())
    raw.sendall(b"this is no TLS record")
    raw.close()


def gone_without_goodbye(visitor: Visitor) -> None:
    socket.socket(fileno=visitor.connection.detach()).close()


@pytest.mark.parametrize("script", [plain_text_inside_tls, gone_without_goodbye, reset_at_once, silence])
def test_tls_that_breaks_once_the_call_was_sent(clients: Clients, trusted: object, script: Script) -> None:
    with RawServer(script, tls=trusted) as server:
        error = clients(server.url, read_timeout=0.4).error()
        assert type(error) is ImageRouterUnknownOutcomeError
        assert server.posts == 1


def test_a_broken_get_is_worth_another_try(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but time is lost when a question is asked twice."""
    monkeypatch.setattr(resending, "_backoff", lambda state: 0)
    with RawServer(b"", answer("<html>", "502 Bad Gateway"), answer("{}")) as server:
        client = clients(server.url)
        assert client("list_models") == {}
        assert [request.split()[1] for request in server.requests] == [
            *[b"/v1/models"] * 3,
            b"/v2/models",
            b"/v3/models",
        ]
