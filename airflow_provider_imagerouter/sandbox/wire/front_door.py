"""What happens to every request before and after its route: JSON, the general limit, headers, counting bytes."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_imagerouter.sandbox.limits import GENERAL_LIMIT
from airflow_provider_imagerouter.sandbox.wire.answers import HELMET, error_answer, internal_error, is_fresh
from airflow_provider_imagerouter.sandbox.world import World

JSON_LIMIT = 102_400
OUTSIDE = ("/storage/", "/sandbox/")
"""Paths that are no part of the API: another host's in reality, or the sandbox's own."""

MODEL_PATH = "/v1/models/"

PAID_PATHS = (
    "/v1/openai/images/generations",
    "/v1/openai/images/edits",
    "/v1/openai/videos/generations",
)


class FrontDoor:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it at the door."""
        world: World = scope["app"].state.world
        outside = scope["path"].startswith(OUTSIDE)
        if not outside:
            scope["path"] = _as_routed(scope["path"])
        scope["state"].update(json={}, verdict=None, bare=outside)

        async def counting_receive() -> Message:
            message = await receive()
            world.ledger.bytes_received += len(message.get("body", b""))
            return message

        dressing = _Dressing(scope, world, send)
        answer = None if outside else await self._admit(Request(scope, counting_receive), world)
        await (answer or self._app)(scope, counting_receive, dressing.send)

    async def _admit(self, request: Request, world: World) -> Response | None:
        if request.method == "OPTIONS":
            return _preflight(request)
        try:
            request.state.json = await _read_json(request)
        except (ValueError, RecursionError):
            return self._refuse(request, world, internal_error())
        client = request.client.host if request.client else ""
        request.state.verdict = world.clients.hit(client, GENERAL_LIMIT)
        if request.state.verdict.exceeded:
            message = "Too many requests, please try again later."
            return self._refuse(request, world, error_answer(429, message, "rate_limit_error"))
        return None

    def _refuse(self, request: Request, world: World, answer: Response) -> Response:
        if request.method == "POST" and request.url.path in PAID_PATHS:
            world.ledger.refuse(world.ledger.open(request.url.path), answer.status_code)
        return answer


class _Dressing:
    """Adds to an answer the headers that come with every one, and counts its bytes."""

    def __init__(self, scope: Scope, world: World, send: Send) -> None:
        self._scope = scope
        self._world = world
        self._send = send
        self._fresh = False

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer."""
        if message["type"] == "http.response.start":
            self._dress(message)
        elif self._fresh:
            message["body"] = b""
        if not self._scope["path"].startswith("/sandbox"):
            self._world.ledger.bytes_sent += len(message.get("body", b""))
        await self._send(message)

    def _dress(self, message: Message) -> None:
        headers: list[tuple[bytes, bytes]] = list(message["headers"])
        state = self._scope["state"]
        request_headers = Headers(scope=self._scope)
        extra = {"Access-Control-Allow-Origin": "*"} if state["bare"] else dict(HELMET)
        if state["verdict"] and not state["bare"]:
            extra |= state["verdict"].headers
        if request_headers.get("connection", "").lower() != "close":
            extra |= {"Connection": "keep-alive", "Keep-Alive": "timeout=5"}
        present = {name.lower() for name, _ in headers}
        headers += [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in extra.items()
            if name.lower().encode("latin-1") not in present
        ]
        if self._scope["method"] in ("GET", "HEAD") and message["status"] == 200:
            self._fresh = is_fresh(request_headers, headers)
        if self._fresh:
            message["status"] = 304
            headers = [header for header in headers if header[0].lower() not in (b"content-type", b"content-length")]
        message["headers"] = headers


def _as_routed(path: str) -> str:
    """Spell a path as the routes do: to Express neither case matters, but in a model's id, nor a slash at the end."""
    path = path.rstrip("/") or "/"
    known = path.lower()
    return MODEL_PATH + path[len(MODEL_PATH) :] if known.startswith(MODEL_PATH) else known


def _preflight(request: Request) -> Response:
    headers = {"Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE", "Content-Length": "0"}
    headers["Vary"] = "Access-Control-Request-Headers"
    if asked := request.headers.get("access-control-request-headers"):
        headers["Access-Control-Allow-Headers"] = asked
    return Response(None, 204, headers)


async def _read_json(request: Request) -> Any:
    """Read a JSON body as Express does: an object or an array, under 100 KB; no body at all is an empty object.

    :raises ValueError: if it is anything else
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return {}
    body = b""
    async for chunk in request.stream():
        # Read on to the end, so that the client hears the answer rather than a broken connection.
        body = (body + chunk)[: JSON_LIMIT + 1]
    if len(body) > JSON_LIMIT:
        raise ValueError("request entity too large")
    if not body:
        return {}
    value = json.loads(body.decode("utf-8-sig", "replace"), parse_constant=_refuse_constant)
    if not isinstance(value, dict | list):
        raise ValueError("not an object or an array")  # noqa: TRY004
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
