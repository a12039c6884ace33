"""
Every way the API says no, in one place: by the status of an answer, or in the body of a 200.

Everything that fails after the parameters were accepted arrives as a 200: its headers have gone out by then. Sources:
ImageRouter's server source (commit 9615cf3, February 2026), measured on the wire; its documents (October 2026).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api import errors
from airflow_provider_imagerouter.api.parsing import parse_json, read_number, shorten, to_text

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Reply

UNREADABLE_RETRY_AFTER = 1.0
"""Seconds to wait where a Retry-After header is missing or cannot be read: what the API's own limiters ask for."""

_INSUFFICIENT_CREDITS = re.compile(r"insufficient credits", re.IGNORECASE)
_NOT_SUPPORTED = re.compile(r"does not support|not supported|supports only", re.IGNORECASE)
_CONTENT_POLICY = re.compile(r"moderat(ion|ed)|content.policy|safety|flagged|nsfw|\bsensitive\b", re.IGNORECASE)


def refusal_by_status(reply: Reply) -> errors.ImageRouterError:
    """
    Return the error that an answer is whose status is no success.

    :param reply: with any status but 2xx
    """
    status = reply.status_code
    body = reply.take_body()
    payload = parse_json(body)
    from_api = isinstance(payload, dict) and "error" in payload
    message, error_type = _message_and_type(payload["error"]) if from_api else (shorten(to_text(body)), None)
    said = f"ImageRouter answered {status}: {shorten(message) or 'nothing'}"
    kind: type[errors.ImageRouterError] = errors.ImageRouterInvalidRequestError
    match status:
        case 401:
            kind = errors.ImageRouterAuthenticationError
        case 402:
            kind = errors.ImageRouterInsufficientCreditsError
        case 403:
            kind = errors.ImageRouterAccessError
        case 404 if not from_api:
            said = f"Nothing of ImageRouter's is at this address (404); check the connection's Base URL: {message}"
        case 429:
            return _too_many(reply.header("Retry-After"), from_api, said, error_type)
        case 500 if error_type is not None:
            kind = errors.ImageRouterServerError
        case _ if 300 <= status < 400:
            said = (
                f"ImageRouter's address redirects ({status}) to {reply.header('Location')}. "
                "Redirects are not followed; set the connection's Base URL to the right address"
            )
        case _ if not 400 <= status < 500:
            kind = errors.ImageRouterUnknownOutcomeError
            said = f"Something between here and ImageRouter answered {status}: {message or 'nothing'}"
    return kind(said, status_code=status, error_type=error_type)


def refusal_in_success(payload: Mapping[str, Any]) -> errors.ImageRouterResponseError | None:
    """
    Return the error that a 200 carries in its body; None if it has data and no error.

    What it says of the bill: a known refusal and a provider's failure are given back; a failure that came as a result,
    with a ``cost``, is not; of anything else that went wrong inside the API, such as a booking, nobody knows.

    :param payload: the answer's JSON object
    """
    if payload.get("error") is None and "data" in payload:
        return None
    message, error_type = _message_and_type(payload.get("error") or dict(payload))
    is_result = "cost" in payload  # the provider's own answer, passed on
    error_class, billed = _meaning(message, error_type, is_result)
    if is_result:
        billed = "yes"
    elif payload.get("data"):
        billed = "unknown"
    failed = {
        errors.ImageRouterProviderError: "The provider behind ImageRouter failed",
        errors.ImageRouterServerError: "ImageRouter failed",
    }
    return error_class(
        f"{failed.get(error_class, 'ImageRouter refused')}: {shorten(message)}",
        status_code=200,
        error_type=error_type,
        billed=billed,
        cost=read_number(payload.get("cost")),
    )


def _too_many(
    retry_after: str | None, from_api: bool, said: str, error_type: str | None
) -> errors.ImageRouterResponseError:
    """Tell the API's daily limit, which names no time to wait for, from a limit that passes in a moment."""
    if retry_after is None and from_api:
        return errors.ImageRouterDailyLimitError(said, status_code=429, error_type=error_type)
    return errors.ImageRouterRateLimitError(said, retry_after=read_retry_after(retry_after), error_type=error_type)


def _meaning(
    message: str, error_type: str | None, is_result: bool
) -> tuple[type[errors.ImageRouterResponseError], errors.Billed]:
    internal = error_type == "internal_error" and not is_result
    if message.lower().startswith("failed to postlog usage"):
        return errors.ImageRouterServerError, "unknown"
    if internal and _INSUFFICIENT_CREDITS.search(message):
        return errors.ImageRouterInsufficientCreditsError, "no"
    if _NOT_SUPPORTED.search(message):
        return errors.ImageRouterInvalidRequestError, "no"
    if _CONTENT_POLICY.search(f"{error_type} {message}"):
        return errors.ImageRouterContentPolicyError, "unknown" if internal else "no"
    if internal:
        return errors.ImageRouterServerError, "unknown"
    return errors.ImageRouterProviderError, "no"


def _message_and_type(error: Any) -> tuple[str, str | None]:
    """Return the message and type of an ``error`` value, whatever shape it has."""
    if not isinstance(error, dict):
        return shorten(error), None
    message, error_type = error.get("message"), error.get("type")
    return (
        message if isinstance(message, str) and message else shorten(error),
        error_type if isinstance(error_type, str) else None,
    )


def read_retry_after(retry_after: str | None) -> float:
    """
    Return how many seconds a Retry-After header asks to wait.

    :param retry_after: the header: seconds, or a date (RFC 9110)
    """
    try:
        seconds = float(retry_after or "")
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after or "") - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            seconds = UNREADABLE_RETRY_AFTER
    return max(0.0, seconds) if math.isfinite(seconds) else UNREADABLE_RETRY_AFTER
