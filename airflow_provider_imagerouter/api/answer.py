"""
What the API's answer to a generation or edit means.

An answer is a success if there is a picture in it that can be used, whatever else it says: it is paid for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from airflow_provider_imagerouter.api import errors
from airflow_provider_imagerouter.api.parsing import clean, decode_base64, read_number, shorten
from airflow_provider_imagerouter.api.refusal import refusal_in_success
from airflow_provider_imagerouter.api.reply import read_json_object

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Reply

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    """
    One picture of an answer: a link to it, or its bytes.

    :param url: where to fetch it; None if the bytes came with the answer
    :param content: its bytes; None if only a link came
    :param revised_prompt: the prompt as the provider changed it
    """

    url: str | None
    content: bytes | None = field(repr=False)  # megabytes, and asyncio asks for a repr of what a task returns
    revised_prompt: str | None


@dataclass(frozen=True)
class Answer:
    """
    The pictures of one successful call, and what they cost.

    :param pictures: at least one
    :param cost: USD, the amount really charged; None if the API did not say
    :param latency_ms: milliseconds the provider took
    :param created_at: when the pictures were made, UTC
    :param dropped: what else the answer said, and cannot be used
    """

    pictures: tuple[Picture, ...]
    cost: Decimal | None
    latency_ms: int | None
    created_at: datetime | None
    dropped: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say in a few words what came."""
        number = len(self.pictures)  # of pictures or videos: an answer does not say which
        price = "an unknown price" if self.cost is None else f"${self.cost}"
        return f"{number} result{'s' if number > 1 else ''} for {price}"


def read_answer(reply: Reply) -> Answer:
    """
    Read the reply to a generation or edit; warns of what cannot be used beside what can.

    :raises ImageRouterResponseError: if the API said no, or the reply makes no sense
    :raises ImageRouterUnknownOutcomeError: if the reply is cut short or comes from a proxy
    """
    payload = read_json_object(reply)
    refusal = refusal_in_success(payload)
    pictures, dropped = _read_pictures(payload.get("data"), reply.base_url)
    if not pictures:
        raise refusal or _no_picture(payload, dropped)
    if refusal:
        dropped.append(str(refusal))
    if dropped:
        others = shorten("; ".join(dropped))
        log.warning("Of an answer that was paid for, %d picture(s) can be used, but not: %s", len(pictures), others)
    return Answer(
        pictures=tuple(pictures),
        cost=_cost(payload.get("cost")),
        latency_ms=_whole_number(payload.get("latency")),
        created_at=_time(payload.get("created")),
        dropped=tuple(dropped),
    )


def _read_pictures(data: Any, base_url: str) -> tuple[list[Picture], list[str]]:
    """Return the pictures that can be used, and what is wrong with the others."""
    if isinstance(data, Mapping):
        data = [data]
    if not isinstance(data, list):
        return [], ["data that is not a list: " + shorten(data)]
    pictures: list[Picture] = []
    dropped: list[str] = []
    for item in data:
        try:
            pictures.append(_read_picture(item, base_url))
        except ValueError as error:
            dropped.append(str(error))
    return pictures, dropped


def _read_picture(item: Any, base_url: str) -> Picture:
    """
    Read one item of the data.

    :raises ValueError: if there is no picture in it; says why
    """
    if not isinstance(item, dict):
        raise ValueError(f"a picture that is no object: {shorten(item)}")  # noqa: TRY004
    revised = item.get("revised_prompt")
    revised_prompt = clean(revised) if isinstance(revised, str) else None
    problems = [] if item.get("b64_json") or item.get("url") else [f"a picture that has no url: {shorten(item)}"]
    if encoded := item.get("b64_json"):
        try:
            return Picture(None, decode_base64(_base64(encoded)), revised_prompt)
        except ValueError:
            problems.append(f"base64 that cannot be decoded: {shorten(encoded)}")
    if url := item.get("url"):
        try:
            if _text(url)[:5].lower() == "data:":
                return Picture(None, decode_base64(url), revised_prompt)
            return Picture(_link(url, base_url), None, revised_prompt)
        except ValueError:
            problems.append(f"a link that is none: {shorten(url)}")
    raise ValueError(", ".join(problems))


def _base64(value: Any) -> str | memoryview:
    return value if isinstance(value, memoryview) else _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")  # noqa: TRY004
    return value


def _link(url: str, base_url: str) -> str:
    """
    Return a link, made absolute.

    :raises ValueError: if it is none
    """
    link = urljoin(f"{base_url}/", url.strip())
    parts = urlsplit(link)
    if parts.scheme not in ("http", "https") or not parts.hostname or not link.isprintable():
        raise ValueError("no link")
    return link


def _no_picture(payload: Mapping[str, Any], dropped: list[str]) -> errors.ImageRouterResponseError:
    """Return the error of an answer without a picture: the provider made none, or there is no making sense of it."""
    empty = payload["data"] == [] or any("no url" in problem for problem in dropped)
    kind = errors.ImageRouterProviderError if empty else errors.ImageRouterServerError
    return kind(
        f"ImageRouter answered with {shorten('; '.join(dropped)) or 'no picture'}",
        status_code=200,
        billed="yes" if "cost" in payload else "unknown",
        cost=read_number(payload.get("cost")),
    )


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
