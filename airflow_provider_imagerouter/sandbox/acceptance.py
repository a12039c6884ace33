"""What all calls that cost money share: being entered in the books or declined, running, being answered."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_imagerouter.sandbox.accounts import CREDITS_PER_USD, ApiKey, Entry, credits_for
from airflow_provider_imagerouter.sandbox.behaviours import Behaviour, Refusal, error_body
from airflow_provider_imagerouter.sandbox.books import Call
from airflow_provider_imagerouter.sandbox.gate import RefusedError
from airflow_provider_imagerouter.sandbox.wire.answers import json_answer, to_json, untyped_answer
from airflow_provider_imagerouter.sandbox.wire.delivery import deliver, deliver_events
from airflow_provider_imagerouter.sandbox.wire.exchange import Connection, ConnectionAnswer
from airflow_provider_imagerouter.sandbox.world import World

SPENT_KEY_TYPES = {
    200: "internal_error",
    401: "unauthorized",
    402: "payment_required",
    403: "access_denied",
    429: "rate_limit_error",
}
"""The ways in which a key that has spent its limit can be refused, with the errors' types: which one is the API's is
not known."""


def enter_in_books(key: ApiKey, call: Call, price: float, world: World) -> Entry:
    """Enter a call in the books at its highest price, if key and account can pay it.

    :param price: USD
    :raises RefusedError: if they cannot
    """
    amount = credits_for(price)
    if amount and not key.affords(amount):
        raise RefusedError(_spent(world.spent_key_status))
    if amount and key.account.remaining < amount:
        raise declined(
            f"Insufficient credits (this model needs minimum ${to_json(price).decode()} credits), please topup your "
            "ImageRouter account: https://imagerouter.io/pricing"
        )
    call.cost = amount / CREDITS_PER_USD
    return key.enter(amount)


def _spent(status: int) -> Response:
    body = error_body("This API key has reached its spend limit", SPENT_KEY_TYPES[status])
    return json_answer(body, status) if status != 200 else untyped_answer(200, body)


def declined(message: str) -> RefusedError:
    """Turn a call down after the 200 went out."""
    return RefusedError(untyped_answer(200, error_body(message, "internal_error")))


def invalid(message: str) -> RefusedError:
    """Turn a call down for a parameter that is wrong."""
    return RefusedError(untyped_answer(400, error_body(message, "invalid_request_error")))


def misbehave(request: Request, refusal: Refusal) -> RefusedError:
    """Turn a call down as one of the sandbox's own models does."""
    if isinstance(refusal.body, dict):
        return RefusedError(json_answer(refusal.body, refusal.status, dict(refusal.headers)))
    request.state.bare = True
    host, _, port = request.headers.get("host", "").partition(":")
    elsewhere = f"http://{'127.0.0.1' if host == 'localhost' else 'localhost'}:{port}/sandbox/elsewhere"
    headers = {name: value.format(elsewhere=elsewhere) for name, value in refusal.headers}
    kind = "text/html" if refusal.body else None
    return RefusedError(Response(refusal.body, refusal.status, headers, media_type=kind))


def run_and_answer(
    request: Request, call: Call, work: Coroutine[Any, Any, bytes], behaviour: Behaviour, events: bool = False
) -> Response:
    """Run a call that was accepted, and answer when it is done; it goes on if the client leaves.

    :param work: ends with the answer's body
    :param events: the body is server-sent events
    """
    world: World = request.app.state.world
    running: set[asyncio.Task[bytes]] = request.app.state.running
    task = asyncio.create_task(work)
    running.add(task)
    task.add_done_callback(running.discard)

    async def send(connection: Connection) -> None:
        try:
            if events:
                await deliver_events(connection, task)
            else:
                await deliver(connection, task, behaviour)
        finally:
            call.http_status = connection.status
            if connection.client_left:
                world.ledger.leave(call)

    request.state.bare = behaviour.proxy_status > 0
    return ConnectionAnswer(send)
