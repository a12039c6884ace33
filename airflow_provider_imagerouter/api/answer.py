"""
What the API's answer to a generation or edit means.

Everything that fails after the parameters were accepted arrives as HTTP 200 with an error in the body, so the status
says little: an answer is a success only if it carries pictures and no error. (Source: ImageRouter's server source,
commit 9615cf3, measured.)
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.api.refusal import error_in_answer
from airflow_provider_imagerouter.api.reply import clean, read_json_object, read_number, shorten
from airflow_provider_imagerouter.exceptions import Bill, ImageRouterProviderError, ImageRouterServerError


@dataclass(frozen=True)
class Picture:
    """
    One picture of an answer: a link to it, or its bytes.

    :param url: where to fetch it; None if the bytes came with the answer
    :param content: its bytes; None if only a link came
    :param revised_prompt: the prompt as the provider changed it
    """

    url: str | None
    content: bytes | None
    revised_prompt: str | None


@dataclass(frozen=True)
class Answer:
    """
    The pictures of one successful call, and what they cost.

    :param pictures: at least one
    :param cost: USD, the amount really charged; None if the API did not say
    :param latency_ms: milliseconds the provider took
    :param created_at: when the pictures were made, UTC
    """

    pictures: tuple[Picture, ...]
    cost: Decimal | None
    latency_ms: int | None
    created_at: datetime | None

    def __str__(self) -> str:
        """Say in a few words what came."""
        return f"{len(self.pictures)} picture(s) for {'an unknown price' if self.cost is None else f'${self.cost}'}"


def read_answer(reply: Reply) -> Answer:
    """
    Read the reply to a generation or edit.

    :raises ImageRouterResponseError: if the API said no, or the reply makes no sense
    :raises ImageRouterUnknownOutcomeError: if the reply is cut short or comes from a proxy
    """
    payload = read_json_object(reply)
    if error := error_in_answer(payload):
        raise error
    items = payload["data"]
    if not isinstance(items, list):
        raise _senseless("data that is not a list", items, payload)
    if not items:
        raise _no_picture("without a picture", payload)
    return Answer(
        pictures=tuple(_picture(item, payload) for item in items),
        cost=_cost(payload.get("cost")),
        latency_ms=_whole_number(payload.get("latency")),
        created_at=_time(payload.get("created")),
    )


def _picture(item: Any, payload: Mapping[str, Any]) -> Picture:
    if not isinstance(item, dict):
        raise _senseless("a picture that is no object", item, payload)
    url, encoded, revised_prompt = item.get("url"), item.get("b64_json"), item.get("revised_prompt")
    if not url and not encoded:
        raise _no_picture(f"with a picture that has no url: {shorten(item)}", payload)
    content = None
    if encoded:
        url, content = None, _decode(encoded, payload)
    elif not isinstance(url, str) or not url.lower().startswith(("http://", "https://")):
        raise _senseless("a link that is none", url, payload)
    return Picture(url, content, clean(revised_prompt) if isinstance(revised_prompt, str) else None)


def _decode(encoded: Any, payload: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise _senseless("base64 that cannot be decoded", encoded, payload) from None


def _no_picture(how: str, payload: Mapping[str, Any]) -> ImageRouterProviderError:
    return ImageRouterProviderError(f"ImageRouter answered {how}", status_code=200, **_bill(payload))


def _senseless(what: str, value: Any, payload: Mapping[str, Any]) -> ImageRouterServerError:
    return ImageRouterServerError(
        f"ImageRouter answered with {what}: {shorten(value)}", status_code=200, **_bill(payload)
    )


def _bill(payload: Mapping[str, Any]) -> Bill:
    return {"billed": "yes" if "cost" in payload else "unknown", "cost": read_number(payload.get("cost"))}


def _cost(value: Any) -> Decimal | None:
    """Read USD; as many digits as survive in a JSON number of any reader."""
    number = read_number(value)
    return None if number is None or number >= 10**6 else number.quantize(Decimal("1e-9")).normalize()


def _whole_number(value: Any) -> int | None:
    number = read_number(value)
    return None if number is None else int(number)


def _time(value: Any) -> datetime | None:
    """Read seconds (real models) or milliseconds (the test model) since 1970."""
    seconds = _whole_number(value)
    if seconds is None:
        return None
    if seconds > 100_000_000_000:
        seconds //= 1000
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
