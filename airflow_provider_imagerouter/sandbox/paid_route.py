"""The three endpoints that cost money, up to the point where a call is accepted."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from airflow_provider_imagerouter.sandbox.accounts import CREDITS_PER_USD, Account, ApiKey, Entry, credits_for
from airflow_provider_imagerouter.sandbox.behaviours import Refusal, error_body
from airflow_provider_imagerouter.sandbox.books import Call
from airflow_provider_imagerouter.sandbox.gate import RefusedError
from airflow_provider_imagerouter.sandbox.generation import PaidCall
from airflow_provider_imagerouter.sandbox.inputs import named_pictures
from airflow_provider_imagerouter.sandbox.limits import FREE_CALLS_PER_DAY
from airflow_provider_imagerouter.sandbox.models import Catalogue
from airflow_provider_imagerouter.sandbox.painting.output import Work
from airflow_provider_imagerouter.sandbox.pricing import highest_price
from airflow_provider_imagerouter.sandbox.validation import (
    InvalidParameterError,
    check_parameters,
)
from airflow_provider_imagerouter.sandbox.wire import uploads
from airflow_provider_imagerouter.sandbox.wire.answers import (
    error_answer,
    internal_error,
    json_answer,
    to_json,
    untyped_answer,
)
from airflow_provider_imagerouter.sandbox.wire.delivery import deliver
from airflow_provider_imagerouter.sandbox.wire.exchange import Connection, ConnectionAnswer
from airflow_provider_imagerouter.sandbox.wire.uploads import BrokenBodyError, Form
from airflow_provider_imagerouter.sandbox.world import World

_NO_DEPOSIT = (
    "Free models are only available on the website for accounts without a deposit. Please deposit any amount to use "
    "them through the API: https://imagerouter.io/pricing"
)
_DAILY_LIMIT = (
    f"Daily limit of {FREE_CALLS_PER_DAY} free requests reached. There is no limit on paid models, so you can "
    'continue by removing ":free" from the model name.'
)


async def take_call(request: Request, video: bool, catalogue: Catalogue, running: set[asyncio.Task[bytes]]) -> Response:
    """Take one paying call: refuse it, or run it and send the answer.

    :param video: on the video endpoint
    :param running: keeps the calls that go on by themselves
    """
    world: World = request.app.state.world
    call = world.ledger.open(request.url.path)
    try:
        paid = await _accept(request, video, catalogue, world, call)
    except RefusedError as refused:
        world.ledger.refuse(call, refused.answer.status_code)
        return refused.answer
    work = asyncio.create_task(paid.run())
    running.add(work)
    work.add_done_callback(running.discard)

    async def send(connection: Connection) -> None:
        try:
            await deliver(connection, work, paid.behaviour)
        finally:
            call.http_status = connection.status
            if connection.client_left:
                world.ledger.leave(call)

    request.state.bare = paid.behaviour.proxy_status > 0
    return ConnectionAnswer(send)


async def _accept(request: Request, video: bool, catalogue: Catalogue, world: World, call: Call) -> PaidCall:
    key: ApiKey = request.state.key
    call.account, call.api_key = key.account.name, key.name
    form = await _read(request, uploads.VIDEO_FIELDS if video else uploads.IMAGE_FIELDS)
    call.note(form.body)
    call.note_pictures(form.images, form.masks)
    if form.problem:
        raise RefusedError(error_answer(400, f"File upload error: {form.problem}", "invalid_request_error"))
    try:
        parameters = check_parameters(form.body, video, catalogue)
        form.images = named_pictures(form.body, "image", form.images)
        form.masks = [] if video else named_pictures(form.body, "mask", form.masks)
    except InvalidParameterError as error:
        raise RefusedError(untyped_answer(400, error_body(str(error), "invalid_request_error"))) from error
    if parameters.model.free:
        _limit_free(world, key.account)
    behaviour = world.behaviour(parameters.model.id, parameters.prompt)
    if behaviour.refusal:
        raise RefusedError(_refusal(request, behaviour.refusal))
    call.note_pictures(form.images, form.masks)
    work = Work(parameters, form.images, form.masks)
    entry = _enter(key, highest_price(work))
    world.free_calls += parameters.model.free
    try:
        _check_pictures(work)
    except RefusedError:
        entry.correct(0)
        raise
    call.cost = entry.amount / CREDITS_PER_USD
    return PaidCall(world, call, entry, work, behaviour, f"http://{request.headers.get('host', '')}")


def _enter(key: ApiKey, price: float) -> Entry:
    """Enter a call in the books at its highest price, if the account can pay it."""
    amount = credits_for(price)
    if amount and key.account.remaining < amount:
        raise _declined(
            f"Insufficient credits (this model needs minimum ${to_json(price).decode()} credits), please topup your "
            "ImageRouter account: https://imagerouter.io/pricing"
        )
    return key.enter(amount)


async def _read(request: Request, allowed: tuple[str, ...]) -> Form:
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/"):
        return Form(body=request.state.json)
    try:
        return await uploads.read_form(content_type, request.stream(), allowed)
    except (BrokenBodyError, ClientDisconnect) as error:
        raise RefusedError(internal_error()) from error


def _limit_free(world: World, account: Account) -> None:
    if not account.deposited:
        raise RefusedError(error_answer(403, _NO_DEPOSIT, "access_denied"))
    if world.free_calls >= FREE_CALLS_PER_DAY:
        raise RefusedError(error_answer(429, _DAILY_LIMIT, "rate_limit_error"))


def _check_pictures(work: Work) -> None:
    model = work.parameters.model
    if work.images and not model.edits:
        raise _declined("This model does not support image inputs")
    if len(work.images) > 1 and model.single_image:
        raise _declined("This model supports only one image input")
    if work.masks and not model.masks:
        raise _declined("Mask editing is not supported for this model")


def _declined(message: str) -> RefusedError:
    return RefusedError(untyped_answer(200, error_body(message, "internal_error")))


def _refusal(request: Request, refusal: Refusal) -> Response:
    if isinstance(refusal.body, dict):
        return json_answer(refusal.body, refusal.status, dict(refusal.headers))
    request.state.bare = True
    host, _, port = request.headers.get("host", "").partition(":")
    elsewhere = f"http://{'127.0.0.1' if host == 'localhost' else 'localhost'}:{port}/sandbox/elsewhere"
    headers = {name: value.format(elsewhere=elsewhere) for name, value in refusal.headers}
    return Response(refusal.body, refusal.status, headers, media_type="text/html" if refusal.body else None)
