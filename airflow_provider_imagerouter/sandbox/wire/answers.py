"""Answers in the shapes Express gives them."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import AsyncIterator, Iterable
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from airflow_provider_imagerouter.sandbox.behaviours import error_body

HELMET = {
    "Content-Security-Policy": (
        "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';"
        "frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';"
        "script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=15552000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",
    "Access-Control-Allow-Origin": "*",
}
"""The headers on every answer of the API."""

_KEPT_IN_PATHS = "!#$%&'()*+,-./:;=?@[\\]^_|~"

_NOT_FOUND = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Error</title>
</head>
<body>
<pre>Cannot {method} {path}</pre>
</body>
</html>
"""


def to_json(value: object) -> bytes:
    """Write JSON as `JSON.stringify` does: compact, in UTF-8, whole numbers without a point."""
    text = json.dumps(_whole_numbers(value), separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def _whole_numbers(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(each) for each in value]
    return value


def json_answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON, its length and an ETag, as `res.json` does."""
    body = to_json(value)
    return Response(body, status, _tag(body) | (headers or {}), media_type="application/json; charset=utf-8")


def text_answer(text: str, kind: str) -> Response:
    """Answer with a text, its length and an ETag, as `res.send` does.

    :param kind: its Content-Type
    """
    return Response(text, 200, _tag(text.encode()) | {"Content-Type": kind})


def _tag(body: bytes) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest())[:27].decode()
    return {"ETag": f'W/"{len(body):x}-{digest}"'}


def error_answer(status: int, message: str, kind: str) -> Response:
    """Answer with an error, as `res.json` does."""
    return json_answer(error_body(message, kind), status)


def untyped_answer(status: int, value: object) -> Response:
    """Answer with JSON as `res.write` does: chunked and without a Content-Type."""
    return StreamingResponse(_once(to_json(value)), status)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def internal_error() -> Response:
    """Answer as the API's last error handler does."""
    return error_answer(500, "Internal server error", "internal_error")


def unknown_route(request: Request) -> Response:
    """Answer as Express does where it has no route."""
    path = quote(request.scope.get("raw_path", request.url.path.encode()), safe=_KEPT_IN_PATHS)
    page = _NOT_FOUND.format(method=request.method, path=html.escape(path).replace("&#x27;", "&#39;"))
    headers = {"Content-Security-Policy": "default-src 'none'"}
    return Response(page, 404, headers, media_type="text/html; charset=utf-8")


def is_fresh(request_headers: Headers, answer_headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Say whether the client already has this answer, by its ETag; a strong tag matches a weak one."""
    if "no-cache" in request_headers.get("cache-control", ""):
        return False
    asked = request_headers.get("if-none-match", "")
    tags = {value.decode("latin-1").removeprefix("W/") for name, value in answer_headers if name.lower() == b"etag"}
    return bool(tags) and (asked == "*" or any(tag.strip().removeprefix("W/") in tags for tag in asked.split(",")))
