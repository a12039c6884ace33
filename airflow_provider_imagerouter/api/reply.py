"""Reading any reply of the API: its status, its JSON, its refusals."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.exceptions import (
    ImageRouterAccessError,
    ImageRouterAuthenticationError,
    ImageRouterDailyLimitError,
    ImageRouterError,
    ImageRouterInvalidRequestError,
    ImageRouterRateLimitError,
    ImageRouterServerError,
    ImageRouterUnknownOutcomeError,
)

SHOWN_CHARACTERS = 300
"""How much of an unexpected body an error message shows."""

UNREADABLE_RETRY_AFTER = 1.0
"""Seconds to wait where a Retry-After header cannot be read: what the API's own limiters ask for."""


def read_json_object(reply: Reply) -> dict[str, Any]:
    """
    Return the JSON object of a 2xx reply; numbers with a point are Decimal.

    :raises ImageRouterResponseError: for any other status, or a body that is no JSON object
    :raises ImageRouterUnknownOutcomeError: if the body is cut short, or a proxy answered for the API
    """
    if not 200 <= reply.status_code < 300:
        raise _error_for_status(reply)
    text = reply.body.strip()
    payload = _parse(text)
    if isinstance(payload, dict):
        return payload
    if not text:
        raise ImageRouterUnknownOutcomeError(
            "ImageRouter's answer ended before it said anything", status_code=reply.status_code
        )
    if payload is None and text.startswith(b"{"):
        raise ImageRouterUnknownOutcomeError(
            f"ImageRouter's answer is cut short: {shorten(text)}", status_code=reply.status_code
        )
    raise ImageRouterServerError(
        f"ImageRouter's answer makes no sense: {shorten(text)}",
        status_code=reply.status_code,
        billed="unknown",
    )


def shorten(value: Any) -> str:
    """Return the start of an unexpected value, on one line, for an error message."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else _one_line(value)
    text = " ".join(clean(text).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def clean(text: str) -> str:
    """Return a text without what JSON can carry, but databases and logs refuse: NUL and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def message_and_type(error: Any) -> tuple[str, str | None]:
    """Return the message and type of an ``error`` value, whatever shape it has."""
    if not isinstance(error, dict):
        return shorten(error), None
    message, error_type = error.get("message"), error.get("type")
    return (
        message if isinstance(message, str) and message else shorten(error),
        error_type if isinstance(error_type, str) else None,
    )


def read_number(value: Any) -> Decimal | None:
    """
    Read a number as the API sends them; anything else (wrong types, absurd sizes) is unknown.

    :param value: a value from a JSON body
    """
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value < 10**15:
        return Decimal(value)
    return None


def _parse(text: bytes) -> Any:
    """Return the JSON value, None if it is none; bytes that are no UTF-8 are replaced, not refused."""
    try:
        return json.loads(
            text.decode(json.detect_encoding(text), "replace"), parse_float=_read_number, parse_int=_read_number
        )
    except (ValueError, RecursionError):
        return None


def _read_number(digits: str) -> int | Decimal | None:
    """Read a number of any length; None if it is beyond even Decimal."""
    try:
        return int(digits) if len(digits) < 20 and digits.lstrip("-").isdigit() else Decimal(digits)
    except ArithmeticError:
        return None


def _one_line(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, default=str, ensure_ascii=False)
    except RecursionError:
        return f"a deeply nested {type(value).__name__}"


def _error_for_status(reply: Reply) -> ImageRouterError:
    status = reply.status_code
    payload = _parse(reply.body.strip())
    ours = isinstance(payload, dict) and "error" in payload
    message, error_type = message_and_type(payload["error"]) if ours else (shorten(reply.body), None)
    said = f"ImageRouter answered {status}: {message or 'nothing'}"
    if status == 401:
        return ImageRouterAuthenticationError(said, status_code=status, error_type=error_type)
    if status == 403:
        return ImageRouterAccessError(said, status_code=status, error_type=error_type)
    if status == 429:
        return _too_many(reply, said, error_type)
    if status == 500 and error_type is not None:
        return ImageRouterServerError(said, status_code=status, error_type=error_type)
    if status >= 500 or status < 200:
        return ImageRouterUnknownOutcomeError(
            f"Something between here and ImageRouter answered {status}: {message or 'nothing'}",
            status_code=status,
            error_type=error_type,
        )
    if 300 <= status < 400:
        said = (
            f"ImageRouter's address redirects ({status}) to {reply.header('Location')}. "
            "Redirects are not followed; set the connection's Base URL to the right address"
        )
    elif status == 404 and not ours:
        said = f"Nothing of ImageRouter's is at this address (404); check the connection's Base URL: {message}"
    return ImageRouterInvalidRequestError(said, status_code=status, error_type=error_type)


def _too_many(reply: Reply, said: str, error_type: str | None) -> ImageRouterError:
    retry_after = reply.header("Retry-After")
    if retry_after is None:
        return ImageRouterDailyLimitError(said, status_code=429, error_type=error_type)
    return ImageRouterRateLimitError(said, retry_after=_seconds(retry_after), error_type=error_type)


def _seconds(retry_after: str) -> float:
    """Read a Retry-After header: seconds, or a date (RFC 9110)."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            seconds = UNREADABLE_RETRY_AFTER
    return max(0.0, seconds) if math.isfinite(seconds) else UNREADABLE_RETRY_AFTER
