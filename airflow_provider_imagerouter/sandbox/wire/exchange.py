"""The connection to one client: what is sent, whether it is still there, and hanging up on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import h11
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


class SandboxProtocol(H11Protocol):
    """Hands its transport to the application, so that it can close the connection at any point."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the transport of a new connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}

    def eof_received(self) -> None:
        """Complain, as Node does, if the client stops sending in the middle of a request."""
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.write(BAD_REQUEST)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as Node does."""
        self.transport.write(BAD_REQUEST)
        self.transport.close()


class Connection:
    """One answer on its way to the client.

    :param gone: ends when the client goes away
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin watching for the client's leaving."""
        self._send = send
        self._transport: asyncio.Transport = scope["state"]["transport"]
        self._ended = False
        self.status: int | None = None
        self.gone = asyncio.create_task(_until_gone(receive))

    @property
    def client_left(self) -> bool:
        """Whether the client went away before it had everything."""
        return self.gone.done() and not self._ended

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Send the status line and headers."""
        self.status = status
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, body: bytes) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def finish(self, body: bytes) -> None:
        """Send the last part of the body."""
        self._ended = not self.gone.done()
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def hang_up(self) -> None:
        """Close the TCP connection after what was sent up to now."""
        self._ended = not self.gone.done()
        self._transport.close()
        await self.gone


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class ConnectionAnswer(Response):
    """An answer that a function sends over the connection as it likes.

    :param deliver: sends it
    """

    def __init__(self, deliver: Callable[[Connection], Awaitable[Any]]) -> None:
        """Keep the function for when the answer is due."""
        super().__init__()
        self._deliver = deliver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        connection = Connection(scope, receive, send)
        try:
            await self._deliver(connection)
        finally:
            connection.gone.cancel()
