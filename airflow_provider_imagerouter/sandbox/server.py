"""Runs the sandbox with uvicorn."""

from __future__ import annotations

import socket

import uvicorn

from airflow_provider_imagerouter.sandbox.app import create_app
from airflow_provider_imagerouter.sandbox.wire.exchange import SandboxProtocol


def listen(host: str, port: int) -> socket.socket:
    """Open the port.

    :param host: address to listen on
    :param port: 0 for any free one
    :raises OSError: if it is taken
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def serve(listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, then stop at once, whatever is in flight.

    :param listener: an open port
    """
    config = uvicorn.Config(
        create_app(),
        http=SandboxProtocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        server_header=False,
        access_log=False,
        log_level="critical",
        timeout_graceful_shutdown=0,
    )
    uvicorn.Server(config).run(sockets=[listener])
