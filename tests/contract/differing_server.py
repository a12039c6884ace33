"""A server that stands before another and changes its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx

NOT_PASSED_ON = ("content-length", "transfer-encoding", "date", "server")


@dataclass
class Exchange:
    """One request, and the answer to it, which may be changed."""

    method: str
    path: str
    body: bytes
    status: int
    headers: dict[str, str]
    answer: bytes

    @property
    def json(self) -> Any:
        """The answer's JSON; None if it is none."""
        try:
            return json.loads(self.answer)
        except ValueError:
            return None

    @json.setter
    def json(self, value: Any) -> None:
        self.answer = json.dumps(value).encode()


Difference = Callable[[Exchange], None]


class DifferingServer:
    """
    Passes everything on to another server, and its answers back, changed.

    :param behind: the other server's URL
    :param differences: each may change an answer
    """

    def __init__(self, behind: str, differences: Sequence[Difference]) -> None:
        self._behind = behind
        self._differences = differences
        self._client = httpx.Client(timeout=30)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._client.close()

    def _exchange(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Exchange:
        answered = self._client.request(method, self._behind + path, headers=headers, content=body)
        kept = {name: value for name, value in answered.headers.items() if name not in NOT_PASSED_ON}
        exchange = Exchange(method, path, body, answered.status_code, kept, answered.content)
        for differ in self._differences:
            differ(exchange)
        return exchange

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._pass_on()

            def do_POST(self) -> None:
                self._pass_on()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                exchange = server._exchange(self.command, self.path, dict(self.headers), body)
                self.send_response_only(exchange.status)
                for name, value in exchange.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(exchange.answer)))
                self.end_headers()
                self.wfile.write(exchange.answer)

        return Handler
