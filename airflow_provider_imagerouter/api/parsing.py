"""Reading what came, whatever it is: JSON with exact numbers, base64, and texts for error messages."""

from __future__ import annotations

import binascii
import io
import json
from decimal import Decimal
from typing import Any

SHOWN_CHARACTERS = 300
"""How much of an unexpected value an error message shows."""

BASE64_CHARACTERS_AT_A_TIME = 1 << 20
"""How much base64 is decoded in one go: other threads have to wait that long."""

_URLSAFE = bytes.maketrans(b"-_", b"+/")


def parse_json(text: str) -> Any:
    """
    Return a JSON value, numbers with a point as Decimal; None if it is none.

    :param text: JSON, spaces around it
    """
    try:
        return json.loads(text, parse_float=_parse_number, parse_int=_parse_number)
    except (ValueError, RecursionError):
        return None


def read_number(value: Any) -> Decimal | None:
    """
    Read a number as the API sends them; anything else (wrong types, absurd sizes) is unknown.

    :param value: a value from a JSON body
    """
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value < 10**15:
        return Decimal(value)
    return None


def decode_base64(text: str) -> bytes:
    """
    Decode base64 as tolerantly as browsers do.

    :param text: base64 in the usual or the URL-safe alphabet, with or without line breaks, padding and the beginning
        of a data URI
    :raises ValueError: if it is something else, or nothing
    """
    start = 0
    if text[:5].lower() == "data:":
        start = text.find(",", 0, 500) + 1
        if not text[:start].lower().endswith(";base64,"):
            raise ValueError("a data URI without base64")
    decoded, rest = io.BytesIO(), b""
    for begin in range(start, len(text), BASE64_CHARACTERS_AT_A_TIME):
        piece = text[begin : begin + BASE64_CHARACTERS_AT_A_TIME].encode("ascii")
        piece = rest + piece.translate(_URLSAFE, b" \t\r\n\f")
        whole = len(piece) // 4 * 4
        decoded.write(binascii.a2b_base64(piece[:whole], strict_mode=True))
        rest = piece[whole:]
    decoded.write(binascii.a2b_base64(rest + b"=" * (-len(rest) % 4), strict_mode=True))
    if not decoded.tell():
        raise ValueError("nothing")
    return decoded.getvalue()


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
        return json.dumps(value, default=str, ensure_ascii=False)
    except RecursionError:
        return f"a deeply nested {type(value).__name__}"
