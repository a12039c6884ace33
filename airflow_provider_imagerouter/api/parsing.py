"""Reading what came, whatever it is: JSON with exact numbers, base64, and texts for error messages."""

from __future__ import annotations

import binascii
import io
import json
import re
import time
from decimal import Decimal
from typing import Any
from uuid import uuid4

JsonBody = bytes | bytearray

SHOWN_CHARACTERS = 300
"""How much of an unexpected value an error message shows."""

LARGE_BYTES = 256 * 1024
"""A body from this size on has pictures in it, and is read with care: other threads have to wait meanwhile."""

BASE64_CHARACTERS_AT_A_TIME = 256 * 1024
"""How much base64 is decoded in one go."""

_URLSAFE = bytes.maketrans(b"-_", b"+/")

_BASE64_BEGINS = re.compile(rb'"b64_json"\s*:\s*"')


def to_text(body: JsonBody) -> str:
    """
    Return a JSON body as text, whatever Unicode it is in.

    :param body: of an answer
    """
    return body.decode(json.detect_encoding(body), "replace")


def parse_json(body: JsonBody) -> Any:
    """
    Return a JSON value, numbers with a point as Decimal; None if it is none.

    The ``b64_json`` of a large body stays where it is, and is a memoryview: it is not copied before it is decoded.

    :param body: JSON, spaces around it
    """
    rest, pictures = _take_base64_out(body) if len(body) >= LARGE_BYTES else (body, {})

    def put_base64_in(value: dict[str, Any]) -> dict[str, Any]:
        name = value.get("b64_json")
        return {**value, "b64_json": pictures[name]} if isinstance(name, str) and name in pictures else value

    try:
        return json.loads(
            to_text(rest),
            parse_float=_parse_number,
            parse_int=_parse_number,
            object_hook=put_base64_in if pictures else None,
        )
    except (ValueError, RecursionError):
        return None


def _take_base64_out(body: JsonBody) -> tuple[JsonBody, dict[str, memoryview]]:
    """Return a body with a name in place of each ``b64_json`` in it, and what the names stand for."""
    rest, pictures, position = bytearray(), {}, 0
    while begins := _BASE64_BEGINS.search(body, position):
        start = begins.end()
        end = body.find(b'"', start)
        if end < 0:
            break
        rest += body[position:start]
        if body.find(b"\\", start, end) < 0:
            name = uuid4().hex
            rest += name.encode()
            pictures[name] = memoryview(body)[start:end]
        else:  # escaped characters, or text after all
            rest += body[start:end]
        position = end
    return rest + body[position:], pictures


def read_number(value: Any) -> Decimal | None:
    """
    Read a number as the API sends them; anything else (wrong types, absurd sizes) is unknown.

    :param value: a value from a JSON body
    """
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value < 10**15:
        return Decimal(value)
    return None


def decode_base64(text: str | memoryview) -> bytes:
    """
    Decode base64 as tolerantly as browsers do; lets other threads go on in between.

    :param text: base64 in the usual or the URL-safe alphabet, with or without line breaks, padding and the beginning
        of a data URI
    :raises ValueError: if it is something else, or nothing
    """
    start = 0
    if (head := _ascii(text[:500]).lower()).startswith(b"data:"):
        start = head.find(b",") + 1
        if not head[:start].endswith(b";base64,"):
            raise ValueError("a data URI without base64")
    decoded, rest = io.BytesIO(), b""
    for begin in range(start, len(text), BASE64_CHARACTERS_AT_A_TIME):
        piece = _ascii(text[begin : begin + BASE64_CHARACTERS_AT_A_TIME])
        piece = rest + piece.translate(_URLSAFE, b" \t\r\n\f")
        whole = len(piece) // 4 * 4
        decoded.write(binascii.a2b_base64(piece[:whole], strict_mode=True))
        rest = piece[whole:]
        time.sleep(0)
    decoded.write(binascii.a2b_base64(rest + b"=" * (-len(rest) % 4), strict_mode=True))
    if not decoded.tell():
        raise ValueError("nothing")
    return decoded.getvalue()


def _ascii(text: str | memoryview) -> bytes:
    return text.encode("ascii") if isinstance(text, str) else bytes(text)


def clean(text: str) -> str:
    """Return a text without what JSON can carry, but databases and logs refuse: NUL and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def shorten(value: Any) -> str:
    """Return the start of an unexpected value, on one line, for an error message."""
    text = value if isinstance(value, str) else _as_json(value)
    text = " ".join(clean(text[: 10 * SHOWN_CHARACTERS]).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _parse_number(digits: str) -> int | Decimal | None:
    """Read a number of any length; None if it is beyond even Decimal."""
    try:
        return int(digits) if len(digits) < 20 and digits.lstrip("-").isdigit() else Decimal(digits)
    except ArithmeticError:
        return None


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, default=_described, ensure_ascii=False)
    except RecursionError:
        return f"a deeply nested {type(value).__name__}"


def _described(value: Any) -> str:
    return to_text(bytes(value[:SHOWN_CHARACTERS])) if isinstance(value, memoryview) else str(value)
