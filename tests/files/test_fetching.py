"""Fetching links: patient, bounded, and without the API key."""

from __future__ import annotations

import asyncio
import socket

import pytest
import tenacity
from support.raw_server import RawServer, Script, Visitor, answer, chunked

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.files import fetching as module

GOOD = answer(b"the picture", content_type="image/png")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(module.fetch.retry, "wait", tenacity.wait_none())


def fetch(url: str, **options: float) -> bytes:
    return asyncio.run(module.fetch(url, **{"connect_timeout": 2, "read_timeout": 0.4, **options}))


def silence(visitor: Visitor) -> None:
    visitor.wait_until_gone()


FLAKY: dict[str, Script] = {
    "500": answer("", "500 Oops"),
    "502": answer("", "502 Oops"),
    "503": answer("", "503 Oops"),
    "429": answer("", "429 Slow down"),
    "closed": b"",
    "cut off": GOOD[:-3],
    "chunk missing": chunked(b"the pic", ended=False),
    "silent": silence,
    "broken gzip": answer(b"no gzip", content_encoding="gzip"),
}


@pytest.mark.parametrize("script", FLAKY.values(), ids=FLAKY)
def test_a_failure_that_passes(script: Script) -> None:
    with RawServer(script, script, GOOD) as server:
        assert fetch(server.url + "/a.png") == b"the picture"
        assert len(server.requests) == 3


@pytest.mark.parametrize("script", FLAKY.values(), ids=FLAKY)
def test_a_failure_that_does_not_pass(script: Script) -> None:
    with RawServer(script) as server:
        with pytest.raises(ImageRouterStorageError, match=r"/a\.png") as caught:
            fetch(server.url + "/a.png")
        assert len(server.requests) == module.ATTEMPTS
    assert caught.value.billed == "yes"


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 410, 451])
def test_what_is_not_there_is_asked_for_once(status: int) -> None:
    with RawServer(answer("", f"{status} No", content_length=None if status == 204 else 0)) as server:
        with pytest.raises(ImageRouterStorageError, match=str(status)) as caught:
            fetch(server.url + "/a.png")
        assert caught.value.status_code == status
        assert len(server.requests) == 1


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ImageRouterStorageError, match="ConnectError"):
        fetch(f"http://127.0.0.1:{port}/a.png")


@pytest.mark.parametrize(
    "url", ["http://", "http:///a.png", "http://[::1/a.png", "http://💩/", "http://a..b/", "ftp://x/"]
)
def test_what_is_no_link(url: str) -> None:
    with pytest.raises(ImageRouterStorageError):
        fetch(url)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    with RawServer(GOOD) as elsewhere, RawServer(answer("", f"{status} Moved", location=elsewhere.url)) as server:
        assert fetch(server.url) == b"the picture"


def test_redirects_without_end() -> None:
    with RawServer(answer("", "302 Found", location="/")) as server, pytest.raises(ImageRouterStorageError):
        fetch(server.url)


def test_no_more_is_fetched_than_is_wanted() -> None:
    sent = 0

    def endless(visitor: Visitor) -> None:
        nonlocal sent
        visitor.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 1 << 30:
            visitor.send(b"x" * 65536)
            sent += 65536

    with RawServer(endless) as server:
        assert len(fetch(server.url, max_bytes=100_000)) >= 100_000
    assert sent < 1 << 26


def test_nothing_is_sent_that_could_be_a_key() -> None:
    with RawServer(GOOD) as server:
        fetch(server.url)
        assert b"authorization" not in server.requests[0].lower()
        assert b"cookie" not in server.requests[0].lower()
