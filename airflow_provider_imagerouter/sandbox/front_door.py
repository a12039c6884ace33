"""What happens to every request before and after its route: JSON, limits, keys, headers, counting bytes."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_imagerouter.sandbox.gate import RefusedError, admit, greet
from airflow_provider_imagerouter.sandbox.wire.answers import HELMET, internal_error, is_fresh
from airflow_provider_imagerouter.sandbox.wire.json_bodies import (
    JSON_LIMIT,
    WORDS_JSON_LIMIT,
    UnreadableBodyError,
    read_json,
)
from airflow_provider_imagerouter.sandbox.world import World

OUTSIDE = ("/storage/", "/sandbox/")
"""Paths that are no part of the API: another host's in reality, or the sandbox's own."""

MODEL_PATHS = ("/v1/models/", "/v2/models/")

PICTURE_PATHS = (
    "/v1/openai/images/generations",
    "/v1/openai/images/edits",
    "/v1/openai/videos/generations",
)
WORD_PATHS = ("/v1/openai/chat/completions", "/v1/openai/responses")
PAID_PATHS = PICTURE_PATHS + WORD_PATHS


class FrontDoor:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it at the door."""
        world: World = scope["app"].state.world
        outside = scope["path"] == "/" or scope["path"].startswith(OUTSIDE)
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
        paid = next((path for path in PAID_PATHS if f"{request.url.path}/".startswith(f"{path}/")), None)
        client = request.client.host if request.client else ""
        try:
            request.state.json = await read_json(request, WORDS_JSON_LIMIT if paid in WORD_PATHS else JSON_LIMIT)
            greet(request, world, client)
            if paid:
                request.state.key = admit(request, world, client, video="/videos/" in paid)
        except UnreadableBodyError:
            return self._refuse(request, world, internal_error())
        except RefusedError as refused:
            return self._refuse(request, world, refused.answer)
        return None

    def _refuse(self, request: Request, world: World, answer: Response) -> Response:
        if request.method == "POST" and request.url.path in PAID_PATHS:
            call = world.ledger.open(request.url.path)
            call.note(request.state.json)
            world.ledger.refuse(call, answer.status_code)
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
        if self._scope["path"] != "/" and not self._scope["path"].startswith("/sandbox"):
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
    """Spell a path as the routes do: to Express neither case matters nor a slash at the end, but in a model's id."""
    known = path.lower()
    for prefix in MODEL_PATHS:
        if known.startswith(prefix) and len(path) > len(prefix):
            return prefix + path[len(prefix) :]
    return known.removesuffix("/") or "/"


def _preflight(request: Request) -> Response:
    headers = {"Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE", "Content-Length": "0"}
    headers["Vary"] = "Access-Control-Request-Headers"
    if asked := request.headers.get("access-control-request-headers"):
        headers["Access-Control-Allow-Headers"] = asked
    return Response(None, 204, headers)
