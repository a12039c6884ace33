"""A server on loopback that plays scripted bytes, one script per connection, and keeps what it was sent."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

Script = bytes | Callable[["Visitor"], None]
"""What to do once a request has come: bytes to send before closing, or a function."""


TLS_HELLO = b"\x16\x03"


class Visitor:
    """One connection, its request read."""

    def __init__(self, connection: socket.socket, request: bytes, stopping: threading.Event) -> None:
        self.connection = connection
        self.request = request
        self.stopping = stopping

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)

    def wait_until_gone(self) -> None:
        """Say nothing more until the client hangs up or the test is over."""
        self.connection.settimeout(0.05)
        while not self.stopping.is_set():
            try:
                if not self.connection.recv(65536):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def reset(self) -> None:
        """End the connection with a RST, as a crashed machine or an impatient firewall does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class RawServer:
    """Plays `scripts` in turn, the last one for all further connections."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, port: int = 0, host: str = "127.0.0.1"):
        self.requests: list[bytes] = []
        self.arrivals: list[float] = []
        self._scripts = list(scripts)
        self._tls = tls
        self._stopping = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.host = f"[{host}]" if ":" in host else host
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    @property
    def posts(self) -> int:
        return sum(request.startswith(b"POST ") for request in self.requests)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            thread = threading.Thread(target=self._serve, args=(connection, script), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, script: Script) -> None:
        with suppress(OSError), connection:
            connection.settimeout(20)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                request = _read_request(connection)
                self.arrivals.append(time.monotonic())
                self.requests.append(request)
                visitor = Visitor(connection, request, self._stopping)
                if isinstance(script, bytes):
                    visitor.send(script)
                else:
                    script(visitor)
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                    visitor.wait_until_gone()


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (piece := connection.recv(65536)):
            return received
        received += piece
        if received.startswith(TLS_HELLO):
            return received
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    missing = int(lengths[0]) - len(body) if lengths else 0
    pieces = [received]
    while missing > 0 and (piece := connection.recv(min(missing, 1 << 20))):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def answer(body: bytes | str = b"", status: str = "200 OK", **headers: Any) -> bytes:
    """A whole answer; `content_type=None` leaves that header out."""
    body = body.encode() if isinstance(body, str) else body
    given = {"content_type": "application/json", "content_length": len(body)} | headers
    lines = [f"{name.replace('_', '-').title()}: {value}" for name, value in given.items() if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def chunked(*pieces: bytes, ended: bool = True) -> bytes:
    """A 200 in chunks, as the API sends them; with `ended=False` the last, empty chunk is missing."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + chunks + (b"0\r\n\r\n" if ended else b"")
