"""Reads JSON bodies as Express's `express.json()` does."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from typing import Any, NoReturn

from starlette.requests import Request

JSON_LIMIT = 102_400
"""Bytes, after decompression."""

WORDS_JSON_LIMIT = 32 * 1024 * 1024
"""The same for text models, which are shown pictures as data URIs: what the API allows there is not known."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_CONTENT_TYPE = re.compile(rf'application/json\s*(?:;\s*{_TOKEN}=(?:{_TOKEN}|"[^"\\]*")\s*)*', re.IGNORECASE)
_CHARSET = re.compile(r';\s*charset="?([^\s";]+)', re.IGNORECASE)
_WINDOWS = {"gzip": 31, "deflate": 15}
"""How zlib is told the format, by Content-Encoding."""


class UnreadableBodyError(Exception):
    """The body is no JSON that Express would read."""


async def read_json(request: Request, limit: int = JSON_LIMIT) -> Any:
    """Read an object or an array, compressed or not; a request of another type, or without a body, is an empty object.

    :param limit: bytes, after decompression
    :raises UnreadableBodyError: if it is anything else, or too large
    """
    content_type = request.headers.get("content-type", "")
    if not _CONTENT_TYPE.fullmatch(content_type.strip()):
        return {}
    if "content-length" not in request.headers and "transfer-encoding" not in request.headers:
        return {}
    charset = _CHARSET.search(content_type)
    body = await _read(request, limit)
    if not body:
        return {}
    text = _decode(body, charset[1].lower() if charset else "utf-8")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableBodyError("no JSON") from error
    if not isinstance(value, dict | list):
        raise UnreadableBodyError("not an object or an array")
    return value


async def _read(request: Request, limit: int) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in (*_WINDOWS, "identity"):
        raise UnreadableBodyError("an encoding that is not known")
    body = bytearray()
    async for chunk in request.stream():
        # Read on to the end, so that the client hears the answer rather than a broken connection.
        if len(body) <= limit:
            body += chunk
    inflated = _inflate(bytes(body), _WINDOWS[encoding], limit) if encoding in _WINDOWS and body else bytes(body)
    if len(inflated) > limit:
        raise UnreadableBodyError("too large")
    return inflated


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise UnreadableBodyError("not what its encoding says") from error
    if not inflater.eof and len(inflated) <= limit:
        raise UnreadableBodyError("ends too early")
    return inflated


def _decode(body: bytes, charset: str) -> str:
    """Decode any kind of Unicode that Express 4 knows; other charsets are refused, us-ascii and utf-32 too."""
    if not charset.startswith("utf-") or charset.startswith("utf-32"):
        raise UnreadableBodyError("no Unicode")
    try:
        text = body.decode(codecs.lookup(charset).name, "replace")
    except LookupError as error:
        raise UnreadableBodyError("a charset that is not known") from error
    return text.removeprefix("\ufeff")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
