"""Fetching links: patient, bounded, and without the API key."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import tenacity
from support.raw_server import RawServer, Script, Visitor, answer, chunked
from support.tls import self_signed

from airflow_provider_imagerouter.files import fetching as module
from airflow_provider_imagerouter.files import hosts
from airflow_provider_imagerouter.files.errors import ReadError

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
        with pytest.raises(ReadError, match=r"/a\.png") as caught:
            fetch(server.url + "/a.png")
        assert len(server.requests) == module.ATTEMPTS
    assert caught.value.may_pass


@pytest.mark.parametrize(
    "script",
    [answer("", "404 No"), answer("", "500 Oops"), b"", answer(b"x" * 1000)],
    ids=["404", "500", "closed", "large"],
)
def test_no_log_and_no_error_tells_a_links_secrets(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", module.log.name)
    with RawServer(script) as server, pytest.raises(ReadError, match=r"/a\.png\?…") as caught:
        fetch(server.url.replace("//", "//me:hush@") + "/a.png?X-Amz-Signature=hush#hush", max_bytes=100)
    told = [record.getMessage() for record in caplog.records if record.name == module.log.name]  # httpx's Airflow hides
    assert "hush" not in f"{caught.value} {told}"


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 410, 451])
def test_what_is_not_there_is_asked_for_once(status: int) -> None:
    with RawServer(answer("", f"{status} No", content_length=None if status == 204 else 0)) as server:
        with pytest.raises(ReadError, match=str(status)) as caught:
            fetch(server.url + "/a.png")
        assert caught.value.status_code == status
        assert not caught.value.may_pass
        assert len(server.requests) == 1


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ReadError, match="ConnectError"):
        fetch(f"http://127.0.0.1:{port}/a.png")


@pytest.mark.parametrize(
    "url", ["http://", "http:///a.png", "http://[::1/a.png", "http://💩/", "http://a..b/", "ftp://x/"]
)
def test_what_is_no_link(url: str) -> None:
    with pytest.raises(ReadError):
        fetch(url)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    with RawServer(GOOD) as elsewhere, RawServer(answer("", f"{status} Moved", location=elsewhere.url)) as server:
        assert fetch(server.url) == b"the picture"


def test_redirects_without_end() -> None:
    with RawServer(answer("", "302 Found", location="/")) as server, pytest.raises(ReadError):
        fetch(server.url)


def test_what_is_too_large_is_an_error_and_not_cut() -> None:
    sent = 0

    def endless(visitor: Visitor) -> None:
        nonlocal sent
        visitor.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 1 << 30:
            visitor.send(b"x" * 65536)
            sent += 65536

    for script in (endless, answer(b"x" * 100_001)):
        with RawServer(script) as server:
            with pytest.raises(ReadError, match=r"/a\.png is too large: more than 100000 bytes") as caught:
                fetch(server.url + "/a.png", max_bytes=100_000)
            assert not caught.value.may_pass
            assert len(server.requests) == 1
    assert sent < 1 << 26
    with RawServer(answer(b"x" * 100_000)) as server:
        assert len(fetch(server.url, max_bytes=100_000)) == 100_000


def test_nothing_is_sent_that_could_be_a_key() -> None:
    with RawServer(GOOD) as server:
        fetch(server.url)
        assert b"authorization" not in server.requests[0].lower()
        assert b"cookie" not in server.requests[0].lower()


PUBLIC = "127.0.0.2"
"""An address of this machine that the tests take for a public one."""


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> None:
    really = hosts.is_public_address
    for place in (hosts, module):
        monkeypatch.setattr(place, "is_public_address", lambda address: address == PUBLIC or really(address))


PRIVATE = {
    "address": "http://127.0.0.1:{port}/",
    "name": "http://localhost:{port}/",
    "name with a dot": "http://localhost.:{port}/",
    "IPv4 in IPv6": "http://[::ffff:127.0.0.1]:{port}/",
    "hexadecimal": "http://0x7f000001:{port}/",
    "decimal": "http://2130706433:{port}/",
    "short": "http://127.1:{port}/",
    "zero": "http://0:{port}/",
    "with a user": "http://public.example@127.0.0.1:{port}/",
}


@pytest.mark.parametrize("private", PRIVATE.values(), ids=PRIVATE)
def test_a_redirect_never_leads_from_a_public_host_to_a_private_one(internet: None, private: str) -> None:
    with RawServer(GOOD) as secret:
        leading = answer("", "302 Found", location=private.format(port=secret.port))
        with RawServer(leading, host=PUBLIC) as server, pytest.raises(ReadError, match="not a public host"):
            fetch(server.url)
        with (
            RawServer(leading, host=PUBLIC) as server,
            RawServer(answer("", "302 Found", location=server.url)) as first,
            pytest.raises(ReadError, match="not a public host"),
        ):
            fetch(first.url)
        assert secret.requests == []


def test_a_redirect_leads_from_a_public_host_to_another_one(internet: None) -> None:
    with (
        RawServer(GOOD, host=PUBLIC) as other,
        RawServer(
            answer("", "302 Found", location=other.url), answer("", "302 Found", location="/b.png"), GOOD, host=PUBLIC
        ) as server,
    ):
        assert fetch(server.url) == b"the picture"
        assert fetch(server.url) == b"the picture"
        assert server.requests[2].startswith(b"GET /b.png ")


@pytest.mark.parametrize("private", PRIVATE.values(), ids=PRIVATE)
def test_private_links_are_refused_altogether_if_that_is_wanted(internet: None, private: str) -> None:
    with RawServer(GOOD) as secret:
        with pytest.raises(ReadError, match="not a public host"):
            fetch(private.format(port=secret.port), public_only=True)
        assert secret.requests == []
    with RawServer(GOOD, host=PUBLIC) as server:
        assert fetch(server.url, public_only=True) == b"the picture"


def test_a_name_that_leads_elsewhere_once_it_was_looked_up(internet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is connected to the address that was found to be public, and not looked up again."""
    really, asked = socket.getaddrinfo, []

    def look_up(host: str, *args: object, **kwargs: object) -> object:
        if host == "rebound.example":
            asked.append(host)
            host = PUBLIC if len(asked) == 1 else "127.0.0.1"
        return really(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with RawServer(GOOD, host=PUBLIC) as server, RawServer(GOOD, port=server.port) as secret:
        assert fetch(f"http://rebound.example:{server.port}/a.png", public_only=True) == b"the picture"
        assert f"host: rebound.example:{server.port}".encode() in server.requests[0].lower()
        with pytest.raises(ReadError, match="not a public host"):
            fetch(f"http://rebound.example:{server.port}/a.png", public_only=True)
        assert secret.requests == []


def test_a_name_that_leads_to_a_public_address_and_a_private_one(
    internet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = socket.getaddrinfo

    def look_up(host: str, port: int, *args: object, **kwargs: object) -> object:
        return [found for name in (PUBLIC, "127.0.0.1") for found in really(name, port)]

    with RawServer(GOOD, host=PUBLIC) as server:
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        with pytest.raises(ReadError, match="not a public host"):
            fetch(f"http://both.example:{server.port}", public_only=True)


def test_a_certificate_has_to_be_the_names_own(internet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Though it is the address that is connected to."""
    really = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args, **kwargs: really(PUBLIC, *args, **kwargs))
    for name, is_right in (("safe.example", True), ("other.example", False)):
        ours, certificate = self_signed(tmp_path, name)
        trusting = ssl.create_default_context(cafile=certificate)
        monkeypatch.setattr(module, "ssl_context", lambda trusting=trusting: trusting)
        with RawServer(GOOD, tls=ours, host=PUBLIC) as server:
            url = f"https://safe.example:{server.port}/"
            if is_right:
                assert fetch(url, public_only=True) == b"the picture"
            else:
                with pytest.raises(ReadError, match="certificate"):
                    fetch(url, public_only=True)


def test_behind_a_proxy_names_are_looked_up_by_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = answer("", "302 Found", location="http://elsewhere.invalid/a.png")
    back = answer("", "302 Found", location="http://localhost/a.png")
    with RawServer(moved, GOOD, back) as proxy:
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert fetch("http://public.invalid/a.png", public_only=True) == b"the picture"
        with pytest.raises(ReadError, match="localhost, which is not a public host"):
            fetch("http://public.invalid/a.png")
        assert [request.split()[1] for request in proxy.requests] == [
            b"http://public.invalid/a.png",
            b"http://elsewhere.invalid/a.png",
            b"http://public.invalid/a.png",
        ]


ADDRESSES = {
    "8.8.8.8": True,
    "2001:4860:4860::8888": True,
    "::ffff:8.8.8.8": True,
    "64:ff9b::808:808": True,
    "10.0.0.1": False,
    "172.16.0.1": False,
    "192.168.1.1": False,
    "169.254.169.254": False,
    "100.64.0.1": False,
    "0.0.0.0": False,
    "255.255.255.255": False,
    "224.0.0.1": False,
    "::1": False,
    "::": False,
    "fe80::1%eth0": False,
    "fd00:ec2::254": False,
    "::ffff:10.0.0.1": False,
    "64:ff9b::a00:1": False,
}


@pytest.mark.parametrize(("address", "is_public"), ADDRESSES.items())
def test_addresses(address: str, is_public: bool) -> None:
    assert hosts.is_public_address(address) == is_public


class KeptConnections(ThreadingHTTPServer):
    """A server that keeps connections, and counts them."""

    connections = 0
    daemon_threads = True

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        cookies: ClassVar[list[str | None]] = []

        def do_GET(self) -> None:
            self.cookies.append(self.headers["Cookie"])
            self.send_response(200)
            self.send_header("Content-Length", "11")
            self.send_header("Set-Cookie", "who=you")
            self.end_headers()
            self.wfile.write(b"the picture")

        def log_message(self, *args: object) -> None:
            pass

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)


KEPT = """
import asyncio, sys
from airflow_provider_imagerouter.files.fetching import fetch

async def main():
    for _ in range(5):
        assert await fetch(sys.argv[1], connect_timeout=2, read_timeout=2) == b"the picture"

asyncio.run(main())
asyncio.run(main())
"""


def test_a_connection_is_kept_for_the_next_link_and_closed_in_the_end() -> None:
    """One for each event loop; no cookie is kept with it."""
    with KeptConnections(("127.0.0.1", 0), KeptConnections.Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        command = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", KEPT, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert "unclosed" not in done.stderr
    assert server.connections == 2
    assert server.Handler.cookies == [None] * 10
