"""The three endpoints of picture and video models, up to the point where a call is accepted."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from airflow_provider_imagerouter.sandbox.acceptance import (
    declined,
    enter_in_books,
    invalid,
    misbehave,
    run_and_answer,
)
from airflow_provider_imagerouter.sandbox.accounts import Account, ApiKey
from airflow_provider_imagerouter.sandbox.behaviours import WELL_BEHAVED, find_behaviour
from airflow_provider_imagerouter.sandbox.books import Call
from airflow_provider_imagerouter.sandbox.gate import RefusedError
from airflow_provider_imagerouter.sandbox.generation import PaidCall
from airflow_provider_imagerouter.sandbox.input_pictures import named_pictures
from airflow_provider_imagerouter.sandbox.limits import FREE_CALLS_PER_DAY
from airflow_provider_imagerouter.sandbox.painting.output import Work
from airflow_provider_imagerouter.sandbox.pricing import highest_price
from airflow_provider_imagerouter.sandbox.validation import InvalidParameterError, check_parameters
from airflow_provider_imagerouter.sandbox.wire import uploads
from airflow_provider_imagerouter.sandbox.wire.answers import error_answer, internal_error
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


async def take_call(request: Request, video: bool) -> Response:
    """Take one paying call: refuse it, or run it and send the answer.

    :param video: on the video endpoint
    """
    world: World = request.app.state.world
    call = world.ledger.open(request.url.path)
    try:
        paid = await _accept(request, video, world, call)
    except RefusedError as refused:
        world.ledger.refuse(call, refused.answer.status_code)
        return refused.answer
    return run_and_answer(request, call, paid.run(), paid.behaviour)


async def _accept(request: Request, video: bool, world: World, call: Call) -> PaidCall:
    key: ApiKey = request.state.key
    call.account, call.api_key = key.account.name, key.name
    form = await _read(request, uploads.VIDEO_FIELDS if video else uploads.IMAGE_FIELDS)
    call.note(form.body)
    call.note_pictures(form.images, form.masks)
    if form.problem:
        raise RefusedError(error_answer(400, f"File upload error: {form.problem}", "invalid_request_error"))
    try:
        parameters = check_parameters(form.body, video, request.app.state.catalogue)
        form.images = named_pictures(form.body, "image", form.images)
        form.masks = [] if video else named_pictures(form.body, "mask", form.masks)
    except InvalidParameterError as error:
        raise invalid(str(error)) from error
    if parameters.model.free:
        _limit_free(world, key.account)
    model_id = parameters.model.id
    behaviour = world.behave(find_behaviour(model_id) or WELL_BEHAVED, model_id, parameters.prompt)
    if behaviour.refusal:
        raise misbehave(request, behaviour.refusal)
    call.note_pictures(form.images, form.masks)
    work = Work(parameters, form.images, form.masks)
    entry = enter_in_books(key, call, highest_price(work), world)
    world.free_calls += parameters.model.free
    try:
        _check_pictures(work)
    except RefusedError:
        entry.correct(0)
        call.cost = 0.0
        raise
    return PaidCall(world, call, entry, work, behaviour, f"http://{request.headers.get('host', '')}")


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
        raise declined("This model does not support image inputs")
    if len(work.images) > 1 and model.single_image:
        raise declined("This model supports only one image input")
    if work.masks and not model.masks:
        raise declined("Mask editing is not supported for this model")
