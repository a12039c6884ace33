"""The record: the JSON of one finished picture, as it goes into XCom."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any, TypedDict, cast

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.api.request import Request

log = logging.getLogger(__name__)


class Input(TypedDict):
    """
    A picture that another one was made from.

    :param uri: where it was: a link without user info, query and fragment, which may be secrets, or a URI that
        ObjectStoragePath opens; None for a data URI
    :param sha256: of its bytes, hexadecimal
    """

    uri: str | None
    sha256: str


class Record(TypedDict):
    """
    One picture or video. JSON types only; every key is always there.

    :param uri: where to get it: ``path`` if stored, else ``url``
    :param url: the API's link, dead after 30 days (ImageRouter's documents, October 2026); None for an answer in base64
    :param path: where it was stored: a URI that ObjectStoragePath opens
    :param content_type: media type, found from the bytes; None while not fetched
    :param width: pixels
    :param height: pixels
    :param duration_seconds: length of a video, where known; None for a picture
    :param size_bytes: bytes
    :param sha256: of the bytes, hexadecimal
    :param model: which one made it, as asked; None if only a link is known
    :param prompt: as asked; None if none was given, or only a link is known
    :param revised_prompt: the prompt as the provider changed it
    :param cost_usd: this picture's share of what its call cost, USD
    :param unchanged: whether it is one of the edit's own input pictures, come back as it was and paid for; None while
        not fetched
    :param inputs: the pictures that an edit or a video was made from, in order, without masks; empty for one made from
        text, or where that is not known
    :param metadata: of a batch's request, as the request has it
    :param latency_ms: milliseconds the provider took for the call
    :param created_at: ISO 8601, UTC
    """

    uri: str
    url: str | None
    path: str | None
    content_type: str | None
    width: int | None
    height: int | None
    duration_seconds: float | None
    size_bytes: int | None
    sha256: str | None
    model: str | None
    prompt: str | None
    revised_prompt: str | None
    cost_usd: float | None
    unchanged: bool | None
    inputs: list[Input]
    metadata: dict[str, Any] | None
    latency_ms: int | None
    created_at: str


def records_of(
    request: Request, answer: Answer, inputs: Sequence[Input] = (), metadata: dict[str, Any] | None = None
) -> list[Record]:
    """
    Return the records of an answer, its pictures not fetched yet.

    :param request: what was asked
    :param answer: what came
    :param inputs: the pictures it was made from
    :param metadata: of a batch's request
    """
    import pendulum

    created_at = pendulum.instance(answer.created_at or pendulum.now("UTC")).to_iso8601_string()
    shares = share_cost(answer.cost, len(answer.pictures))
    return [
        {
            **record_of_location(picture.url or ""),
            "model": request.model,
            "prompt": request.prompt,
            "revised_prompt": picture.revised_prompt,
            "cost_usd": None if share is None else float(share),
            "inputs": list(inputs),
            "metadata": metadata,
            "latency_ms": answer.latency_ms,
            "created_at": created_at,
        }
        for picture, share in zip(answer.pictures, shares, strict=True)
    ]


def record_of_location(location: str) -> Record:
    """
    Return the record of a picture of which nothing is known but where it is.

    :param location: a link, a path or a URI
    """
    import pendulum

    is_link = location.lower().startswith(("http://", "https://"))
    return Record(
        uri=location,
        url=location if is_link else None,
        path=None if is_link else location or None,
        content_type=None,
        width=None,
        height=None,
        duration_seconds=None,
        size_bytes=None,
        sha256=None,
        model=None,
        prompt=None,
        revised_prompt=None,
        cost_usd=None,
        unchanged=None,
        inputs=[],
        metadata=None,
        latency_ms=None,
        created_at=pendulum.now("UTC").to_iso8601_string(),
    )


def completed(record: Mapping[str, Any]) -> Record:
    """
    Return a record with every key, though an older version of this package wrote it.

    :param record: as it was written
    """
    return cast("Record", {"inputs": [], **record})


def came_back(record: Record, sha256: str) -> bool:
    """
    Return whether a picture is one of those that it was made from.

    :param record: of the picture
    :param sha256: of the bytes that came
    """
    return any(each["sha256"] == sha256 for each in record["inputs"])


def judged(record: Record, is_input: bool) -> Record:
    """
    Return the record of a picture that was fetched with whether it is an input that came back; warns if it is.

    :param record: of the picture
    :param is_input: whether it is
    """
    if record["unchanged"] is not None:  # it was judged before, perhaps with inputs that an older version did not note
        return record
    if is_input:
        log.warning(
            "%s is the input picture, byte by byte: %s did not edit it, and was paid%s",
            record["uri"],
            record["model"],
            "" if record["cost_usd"] is None else f" ${record['cost_usd']}",
        )
    return {**record, "unchanged": is_input}


def describe(record: Record) -> str:
    """
    Say in a line where a picture is, and what is known of it.

    :param record: the picture's
    """
    pixels = f"{record['width']} x {record['height']}" if record["width"] else None
    size = None if record["size_bytes"] is None else f"{record['size_bytes']} bytes"
    known = ", ".join(filter(None, [record["content_type"], pixels, size, _usd(record["cost_usd"])]))
    return f"{record['uri']} ({known})" if known else record["uri"]


def describe_all(records: Sequence[Record]) -> str:
    """
    Say in a few words how many pictures there are, and what they cost together.

    :param records: the pictures
    """
    videos = sum(record["duration_seconds"] is not None for record in records)
    what = "picture" if not videos else "video" if videos == len(records) else "picture or video"
    number = f"{len(records)} {what}{'' if len(records) == 1 else 's'}"
    return f"{number} for {_usd(total_cost(records)) or 'a cost that is not known'}"


def _usd(cost: float | None) -> str | None:
    return None if cost is None else f"${Decimal(str(cost)).normalize():f}"


def share_cost(cost: Decimal | None, number: int) -> list[Decimal | None]:
    """
    Split a call's cost over its pictures; the shares add up to it exactly.

    :param cost: USD, or None if it is not known
    :param number: how many pictures
    """
    if cost is None:
        return [None] * number
    exponent = Decimal(1).scaleb(min(-4, int(cost.as_tuple().exponent)))
    share = (cost / number).quantize(exponent, rounding=ROUND_DOWN)
    shares: list[Decimal | None] = [share] * number
    shares[0] = cost - share * (number - 1)
    return shares


def total_cost(records: Sequence[Record]) -> float | None:
    """
    Return what pictures cost together, USD; None if a share is not known.

    :param records: the pictures
    """
    costs = [record["cost_usd"] for record in records]
    known = [Decimal(str(cost)) for cost in costs if cost is not None]
    return float(sum(known, Decimal(0))) if len(known) == len(costs) else None
