"""Sends the answer to a call that runs: with heartbeats, or broken in one of the ways networks break."""

from __future__ import annotations

import asyncio

from airflow_provider_imagerouter.sandbox.behaviours import Behaviour, Delivery, proxy_page
from airflow_provider_imagerouter.sandbox.wire.exchange import Connection

HEARTBEAT_SECONDS = 3.0
JSON_HEADERS = {"Content-Type": "application/json"}
EVENT_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
HTML_HEADERS = {"Content-Type": "text/html; charset=utf-8"}

_ENDLESS_START = b'{"created":1795344402,"data":[{"revised_prompt":null,"b64_json":"'
_ENDLESS_PIECE = b"QUFB" * 16_384


async def deliver(connection: Connection, work: asyncio.Task[bytes], behaviour: Behaviour) -> None:
    """Send a call's answer when it is there. The call goes on if the client leaves.

    :param work: ends with the answer's JSON
    :param behaviour: says how to send it
    """
    match behaviour.delivery:
        case Delivery.WHOLE:
            await connection.start(200, JSON_HEADERS)
            await _beat(connection, work)
            if work.done():
                await connection.finish(work.result())
        case Delivery.CUT_SHORT:
            await connection.start(200, JSON_HEADERS)
            await _beat(connection, work)
            if work.done():
                body = work.result()
                await connection.write(body[: len(body) // 2])
                await connection.hang_up()
        case Delivery.HANGS_UP:
            await _wait(connection, work)
            await connection.hang_up()
        case Delivery.SILENT:
            await connection.start(200, JSON_HEADERS)
            await connection.gone
        case Delivery.ENDLESS:
            await connection.start(200, JSON_HEADERS)
            await connection.write(_ENDLESS_START)
            while not connection.gone.done():
                await connection.write(_ENDLESS_PIECE)
                await asyncio.sleep(0)
        case Delivery.PROXY:
            await _wait(connection, work)
            page = proxy_page(behaviour.proxy_status).encode()
            await connection.start(behaviour.proxy_status, HTML_HEADERS | {"Content-Length": str(len(page))})
            await connection.finish(page)


async def deliver_events(connection: Connection, work: asyncio.Task[bytes]) -> None:
    """Send server-sent events one by one when they are there. The call goes on if the client leaves.

    :param work: ends with all events
    """
    await connection.start(200, EVENT_HEADERS)
    await _wait(connection, work)
    if work.done():
        *events, rest = work.result().split(b"\n\n")
        for event in events:
            await connection.write(event + b"\n\n")
        await connection.finish(rest)


async def _beat(connection: Connection, work: asyncio.Task[bytes]) -> None:
    """Send a space every three seconds until the work is done or the client is gone."""
    while not await _wait(connection, work, HEARTBEAT_SECONDS):
        await connection.write(b" ")


async def _wait(connection: Connection, work: asyncio.Task[bytes], seconds: float | None = None) -> bool:
    done, _ = await asyncio.wait({work, connection.gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)
