"""Errors that arrive as HTTP 200: which of them an answer carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_imagerouter.api.reply import message_and_type, read_number, shorten
from airflow_provider_imagerouter.exceptions import (
    ImageRouterContentPolicyError,
    ImageRouterInsufficientCreditsError,
    ImageRouterInvalidRequestError,
    ImageRouterProviderError,
    ImageRouterResponseError,
)

_INSUFFICIENT_CREDITS = re.compile(r"insufficient credits", re.IGNORECASE)
_NOT_SUPPORTED = re.compile(r"does not support|not supported|supports only", re.IGNORECASE)
_CONTENT_POLICY = re.compile(r"moderat(ion|ed)|content.policy|safety|flagged|nsfw|\bsensitive\b", re.IGNORECASE)


def error_in_answer(payload: Mapping[str, Any]) -> ImageRouterResponseError | None:
    """
    Return the error that a 200 answer carries; None if it has data and no error.

    An error that was thrown is given back; one that was returned as a result carries ``cost``, and is not.

    :param payload: the answer's JSON object
    """
    if payload.get("error") is None and "data" in payload:
        return None
    message, error_type = message_and_type(payload.get("error") or dict(payload))
    return _class_of(message, error_type)(
        f"ImageRouter refused: {shorten(message)}",
        status_code=200,
        error_type=error_type,
        billed="yes" if "cost" in payload else "unknown" if payload.get("data") else "no",
        cost=read_number(payload.get("cost")),
    )


def _class_of(message: str, error_type: str | None) -> type[ImageRouterResponseError]:
    if error_type == "internal_error" and _INSUFFICIENT_CREDITS.search(message):
        return ImageRouterInsufficientCreditsError
    if _NOT_SUPPORTED.search(message):
        return ImageRouterInvalidRequestError
    if _CONTENT_POLICY.search(f"{error_type} {message}"):
        return ImageRouterContentPolicyError
    return ImageRouterProviderError
