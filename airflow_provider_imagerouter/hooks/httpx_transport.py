"""Carrying out calls with httpx."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx

from airflow_provider_imagerouter.hooks.transport import Body, broken, not_sent

if TYPE_CHECKING:
    import ssl

    from airflow_provider_imagerouter.api.call import Call, Reply
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.InvalidURL,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@cache
def ssl_context() -> ssl.SSLContext:
    """Return the process's one TLS context: making one takes tens of milliseconds."""
    return httpx.create_ssl_context()


def new_client(settings: ConnectionSettings) -> httpx.AsyncClient:
    """Return a client for the connection; it keeps no connection open, so it need not be closed."""
    return httpx.AsyncClient(
        verify=ssl_context(),
        headers={**settings.headers, "Authorization": settings.authorization},
        timeout=httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout, pool=None),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        follow_redirects=False,
    )


async def exchange(client: httpx.AsyncClient, settings: ConnectionSettings, call: Call[Any]) -> Reply:
    """
    Send a call and return the reply, whatever its status.

    A reply that is whole is returned even if the task is cancelled before the connection is closed: it is paid for.

    :raises ImageRouterConnectionError: if nothing was sent
    :raises ImageRouterUnknownOutcomeError: if it was sent, and no whole reply came
    """
    body: Body | None = None
    try:
        async with client.stream(
            call.method,
            settings.base_url + call.path,
            params=call.params,
            json=call.json,
            data=call.data,
            files=call.files,
        ) as response:
            body = Body(settings, response.status_code, response.headers)
            async for chunk in response.aiter_bytes():
                body.add(chunk)
            return body.reply()
    except _NOT_SENT as error:
        raise not_sent(settings, error) from None
    except (httpx.HTTPError, OSError) as error:  # an OSError, where TLS breaks off after its handshake
        raise broken(settings, call, error) from None
    except asyncio.CancelledError:
        reply = body.reply() if body else None
        if reply is None or not reply.is_whole:
            raise
        return reply
