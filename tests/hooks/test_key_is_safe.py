"""The API key goes to the API's own host, and nowhere else: not to others, not into logs, not into errors."""

from __future__ import annotations

import logging
import traceback

import pytest
import requests
from airflow.providers.common.compat.sdk import redact
from support.clients import KEY, Clients
from support.raw_server import RawServer, Script, Visitor, answer, chunked

from airflow_provider_imagerouter.exceptions import ImageRouterServerError
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterHook
from airflow_provider_imagerouter.hooks.requests_transport import new_session

SUCCESS = answer('{"data": [{"url": "https://pictures.invalid/a.png"}], "cost": 0.004}')


def authorization(request: bytes) -> bytes:
    [line] = [line for line in request.split(b"\r\n") if line.lower().startswith(b"authorization:")]
    return line


def test_the_key_is_sent_in_the_authorization_header_only(clients: Clients) -> None:
    with RawServer(SUCCESS) as server:
        clients(server.url).generate()
        [request] = server.requests
    assert authorization(request) == b"Authorization: Bearer " + KEY.encode()
    assert request.count(KEY.encode()) == 1
    assert request.startswith(b"POST /v1/openai/images/generations HTTP/1.1\r\n")


def echo(prefix: bytes, suffix: bytes = b"") -> Script:
    def play(visitor: Visitor) -> None:
        visitor.send(prefix + authorization(visitor.request) + suffix)

    return play


def echo_in(status: str, before: str = "", after: str = "") -> Script:
    def play(visitor: Visitor) -> None:
        visitor.send(answer(before.encode() + authorization(visitor.request) + after.encode(), status))

    return play


ECHOES: dict[str, Script] = {
    "error": echo_in("200 OK", '{"error": {"message": "not this: ', '", "type": "provider_error"}}'),
    "type": echo_in("200 OK", '{"error": {"message": "no", "type": "', '"}}'),
    "strange object": echo_in("200 OK", '{"detail": "', '"}'),
    "401": echo_in("401 Unauthorized", '{"error": {"message": "Invalid: ', '", "type": "unauthorized"}}'),
    "404": echo_in("404 Not Found", "<html>"),
    "502": echo_in("502 Bad Gateway", "<html>"),
    "text": echo_in("200 OK"),
    "cut off JSON": echo_in("200 OK", "{"),
    "link": echo_in("200 OK", '{"data": [{"url": "x', '"}]}'),
    "status line": echo(b""),
    "reason": echo(b"HTTP/1.1 402 ", b"\r\nContent-Length: 0\r\n\r\n"),
    "redirect": echo(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: https://elsewhere.invalid/?", b"\r\n\r\n"),
    "bad header": echo(b"HTTP/1.1 200 OK\r\n\x00", b"\r\n\r\n"),
    "bad chunk": echo(chunked(ended=False), b"\r\n"),
    "bad Content-Length": echo(b"HTTP/1.1 200 OK\r\nContent-Length: ", b"\r\n\r\n{}"),
    "bad encoding": echo(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: ", b"\r\n\r\n{}"),
}


@pytest.mark.parametrize("script", ECHOES.values(), ids=ECHOES)
def test_a_server_that_echoes_the_key(clients: Clients, caplog: pytest.LogCaptureFixture, script: Script) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(script) as server:
        error = clients(server.url, retry_timeout=0).error()
        assert server.posts == 1
    said = [str(error), repr(error), str(error.error_type), *traceback.format_exception(error)]
    assert KEY not in "".join(said)
    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_imagerouter")]
    assert KEY not in "".join(record.getMessage() for record in ours)


def test_airflow_masks_the_key_in_whatever_else_is_logged(clients: Clients) -> None:
    """What a library logs of a server's echo, for one."""
    key = "another-key-".ljust(64, "8")
    with RawServer(SUCCESS) as server:
        clients(server.url, key=key).generate()
    assert redact(f"Failed to parse headers: Bearer {key}") == "Failed to parse headers: Bearer ***"


def test_the_key_is_not_in_the_logs_of_any_library(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(SUCCESS) as server:
        clients(server.url).generate()
        with pytest.raises(ImageRouterServerError):
            clients(server.url)("get_credits")
    assert caplog.records
    for record in caplog.records:
        assert KEY not in record.getMessage()
        assert KEY not in repr(record.__dict__)


def test_the_key_is_not_in_reprs() -> None:
    settings = ConnectionSettings("https://api.invalid", KEY)
    assert KEY not in repr(settings)
    assert KEY not in str(settings)


def session_for(server: RawServer) -> requests.Session:
    return new_session(ConnectionSettings(server.url, KEY))


def test_get_conn_sends_the_key_to_the_apis_host(clients: Clients) -> None:
    with RawServer(SUCCESS) as server:
        client = clients(server.url)
        with ImageRouterHook(client.hook.imagerouter_conn_id).get_conn() as session:
            assert session.get(server.url + "/v1/anything", timeout=5).ok
        assert authorization(server.requests[0]).endswith(KEY.encode())


def test_get_conn_sends_no_key_to_another_host() -> None:
    with RawServer(SUCCESS) as server, RawServer(SUCCESS) as other, session_for(server) as session:
        session.get(other.url, timeout=5)
        session.get(other.url.replace("127.0.0.1", "localhost"), timeout=5)
        assert len(other.requests) == 2
        assert KEY.encode() not in b"".join(other.requests)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_get_conn_sends_no_key_along_a_redirect(status: int) -> None:
    with RawServer(SUCCESS) as other:
        with RawServer(answer(status=f"{status} Moved", location=other.url)) as server, session_for(server) as session:
            assert session.get(server.url, timeout=5).ok
            assert authorization(server.requests[0])
        assert len(other.requests) == 1
        assert KEY.encode() not in other.requests[0]


def test_get_conn_sends_no_key_to_another_host_that_redirects_to_a_third() -> None:
    with RawServer(SUCCESS) as third:
        with RawServer(answer(status="302 Found", location=third.url)) as other, session_for(third) as session:
            session.get(other.url, timeout=5)
        assert KEY.encode() not in b"".join(other.requests + third.requests)
