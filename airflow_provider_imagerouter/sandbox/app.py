"""The routes of the sandbox."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_imagerouter.sandbox.acceptance import SPENT_KEY_TYPES
from airflow_provider_imagerouter.sandbox.api_keys import create_key
from airflow_provider_imagerouter.sandbox.behaviours import Link
from airflow_provider_imagerouter.sandbox.front_door import PICTURE_PATHS, FrontDoor
from airflow_provider_imagerouter.sandbox.gate import RefusedError, authenticate
from airflow_provider_imagerouter.sandbox.listings import (
    UnreadableRequestError,
    model_v1,
    model_v2,
    models_v1,
    models_v2,
    models_v3,
    openapi,
)
from airflow_provider_imagerouter.sandbox.models import Catalogue
from airflow_provider_imagerouter.sandbox.page import page, picture
from airflow_provider_imagerouter.sandbox.pictures_route import take_call
from airflow_provider_imagerouter.sandbox.stored_files import CONTENT_TYPES, find_file
from airflow_provider_imagerouter.sandbox.wire.answers import (
    error_answer,
    internal_error,
    json_answer,
    to_json,
    unknown_route,
)
from airflow_provider_imagerouter.sandbox.words.route import chat_completions, responses
from airflow_provider_imagerouter.sandbox.world import World

FLAKY_FETCHES = 2
SLOW_LINK_SECONDS = 2.0


def create_app() -> FastAPI:
    """Build the sandbox as an ASGI application; it needs the sandbox's own HTTP protocol to hang up on clients."""
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[Middleware(FrontDoor)],
        exception_handlers={404: _unknown_route, 405: _unknown_route, UnreadableRequestError: _failed},
        routes=[
            Route("/", page),
            Route("/sandbox/pictures/{name:path}", picture),
            Route("/health", _health),
            Route("/v1/models", models_v1),
            Route("/v1/models/{model_id:path}", model_v1),
            Route("/v2/models", models_v2),
            Route("/v2/models/{model_id:path}", model_v2),
            Route("/v3/models", models_v3),
            Route("/.well-known/openapi.yaml", openapi),
            Route("/v1/api-keys", create_key, methods=["POST"]),
            Route("/v1/auth/test", _test_key, methods=["POST"]),
            Route("/v1/credits", _credits),
            *(Route(path, _paid, methods=["POST"]) for path in PICTURE_PATHS),
            Route("/v1/openai/chat/completions", chat_completions, methods=["POST"]),
            Route("/v1/openai/responses", responses, methods=["POST"]),
            Route("/storage/{name:path}", _stored),
            Route("/sandbox/ledger", _ledger),
            Route("/sandbox/reset", _reset, methods=["POST"]),
            Route("/sandbox/expire", _expire, methods=["POST"]),
            Route("/sandbox/spent-keys/{status:int}", _answer_spent_keys, methods=["POST"]),
            Route("/sandbox/elsewhere", _elsewhere, methods=["GET", "POST"]),
        ],
    )
    app.state.world = World()
    app.state.catalogue = Catalogue()
    app.state.running = set()
    return app


async def _unknown_route(request: Request, error: Exception) -> Response:
    return unknown_route(request)


async def _failed(request: Request, error: Exception) -> Response:
    return internal_error()


async def _health(request: Request) -> Response:
    return json_answer({"status": "ok"})


async def _test_key(request: Request) -> Response:
    try:
        key = authenticate(request, request.app.state.world)
    except RefusedError as refused:
        return refused.answer
    return json_answer({"success": True, "credits": key.account.remaining})


async def _credits(request: Request) -> Response:
    try:
        key = authenticate(request, request.app.state.world)
    except RefusedError as refused:
        return refused.answer
    return json_answer(key.account.statement(request.query_params.get("by_api_key") == "true"))


async def _paid(request: Request) -> Response:
    return await take_call(request, "/videos/" in request.url.path)


async def _stored(request: Request) -> Response:
    world: World = request.app.state.world
    name: str = request.path_params["name"]
    before = world.ledger.fetch(request.url.path, "authorization" in request.headers)
    file = await find_file(world.storage, name)
    if file is None or file.link is Link.BROKEN or (file.link is Link.EXPIRING and before):
        return error_answer(404, "The specified key does not exist.", "not_found")
    if file.link is Link.FLAKY and before < FLAKY_FETCHES:
        return error_answer(503, "Please reduce your request rate.", "slow_down")
    if file.link is Link.SLOW:
        await asyncio.sleep(SLOW_LINK_SECONDS)
    return Response(file.body, media_type=CONTENT_TYPES[PurePosixPath(name).suffix.removeprefix(".")])


async def _ledger(request: Request) -> Response:
    world: World = request.app.state.world
    report = world.ledger.report(calls=request.query_params.get("calls") != "false")
    return Response(to_json(report), media_type="application/json")


async def _reset(request: Request) -> Response:
    request.app.state.world = World()
    return Response(to_json({"reset": True}), media_type="application/json")


async def _expire(request: Request) -> Response:
    world: World = request.app.state.world
    world.storage.expire()
    return Response(to_json({"expired": True}), media_type="application/json")


async def _answer_spent_keys(request: Request) -> Response:
    """Choose the status with which keys are refused that have spent their limit; 200 is an error in a 200."""
    world: World = request.app.state.world
    status = request.path_params["status"]
    if status not in SPENT_KEY_TYPES:
        return error_answer(400, f"The status must be one of {', '.join(map(str, SPENT_KEY_TYPES))}", "not_found")
    world.spent_key_status = status
    return Response(to_json({"spent_keys": status}), media_type="application/json")


async def _elsewhere(request: Request) -> Response:
    """Stand in for another host, which a redirect points to."""
    world: World = request.app.state.world
    world.ledger.fetch(request.url.path, "authorization" in request.headers)
    return error_answer(404, "This is another host.", "not_found")
