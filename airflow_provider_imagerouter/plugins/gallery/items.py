"""What the gallery shows: pure values, made of whatever is in XComs and results, which anybody may have edited."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

LINK_DAYS = 30
"""How long the API's links live (ImageRouter's documents, October 2026)."""

MAX_TEXT = 32_768
"""How many characters of a text are shown; a prompt has 20,000 at most."""

_TEXTS = (
    "uri",
    "url",
    "path",
    "content_type",
    "sha256",
    "model",
    "prompt",
    "revised_prompt",
    "created_at",
)
_NUMBERS = ("width", "height", "duration_seconds", "size_bytes", "cost_usd", "latency_ms")
_TOLD_APART_BY = frozenset({"uri", "url", "path", "sha256", "cost_usd", "created_at"})

Kind = Literal["image", "video", "svg"]


@dataclass(frozen=True)
class Task:
    """
    A task instance.

    :param run_id: the run it belongs to
    :param task_id: with its groups' names
    :param map_index: which instance of a mapped task; -1 if it is not mapped
    :param map_name: what the Dag calls this instance (``map_index_template``), if it does
    :param state: such as ``success``
    :param url: its page, relative to the page that is shown
    :param is_batch: whether its pictures are in a results file
    """

    run_id: str
    task_id: str
    map_index: int = -1
    map_name: str | None = None
    state: str | None = None
    url: str = ""
    is_batch: bool = False

    @property
    def title(self) -> str:
        """The task's id, and the name or the index of the instance, as Airflow's UI writes them."""
        if self.map_index < 0:
            return self.task_id
        return f"{self.task_id} [{self.map_name or self.map_index}]"


@dataclass(frozen=True)
class Input:
    """
    A picture that an edit was made from.

    :param uri: where it is, as far as the record says
    :param url: where the browser gets it; None if it cannot be shown
    :param is_link: whether ``url`` leads out of Airflow
    :param hidden_because: why it cannot be shown
    """

    uri: str
    url: str | None = None
    is_link: bool = False
    hidden_because: str | None = None


@dataclass(frozen=True)
class Picture:
    """
    A picture or video.

    :param name: within its task: its position in the list; of a batch ``ROW-POSITION``
    :param record: its record, every key there, and every value of its type
    :param task: which one made it
    :param row: of the results of a batch, from 0; None for others
    :param url: where the browser gets it, relative to the page; None if it cannot be shown
    :param thumbnail_url: where the browser gets it scaled; None for links, videos and what cannot be shown
    :param is_link: whether ``url`` leads out of Airflow, to the API
    :param dies_on: when the API's link is dead (UTC); only of a link
    :param kind: what it is, as far as its record says
    :param hidden_because: what is shown in place of it, as a sentence; None if it is shown
    :param inputs: what an edit was made from
    :param group: candidates of one request have the same
    """

    name: str
    record: dict[str, Any]
    task: Task
    row: int | None = None
    url: str | None = None
    thumbnail_url: str | None = None
    is_link: bool = False
    dies_on: datetime | None = None
    kind: Kind = "image"
    hidden_because: str | None = None
    inputs: tuple[Input, ...] = ()
    group: str = ""


@dataclass(frozen=True)
class Failure:
    """
    A request that came to nothing: a task's, or one of a batch.

    :param task: which one
    :param row: of the results of a batch, from 0; None for others
    :param prompt: as asked
    :param model: as asked
    :param error_type: class of the error
    :param message: what it says
    :param billed: ``yes``, ``no`` or ``unknown``
    :param cost_usd: USD, if it is known
    :param status: of a batch's row: ``error``, ``not_sent`` or ``in_flight``
    """

    task: Task
    row: int | None = None
    prompt: str | None = None
    model: str | None = None
    error_type: str | None = None
    message: str | None = None
    billed: str = "unknown"
    cost_usd: Decimal | None = None
    status: str = "error"


@dataclass(frozen=True)
class ModelTotal:
    """
    What came from one model.

    :param model: its id; None where it is not known
    :param pictures: how many
    :param cost_usd: USD, as far as it is known
    """

    model: str | None
    pictures: int
    cost_usd: Decimal


@dataclass(frozen=True)
class Totals:
    """
    What all that was found comes to, on whichever page of it.

    :param pictures: how many, videos included
    :param failures: how many requests came to nothing
    :param cost_usd: USD, as far as it is known, failures included
    :param of_unknown_cost: how many pictures have no cost
    :param by_model: what came from each model, the dearest first
    """

    pictures: int = 0
    failures: int = 0
    cost_usd: Decimal = Decimal(0)
    of_unknown_cost: int = 0
    by_model: tuple[ModelTotal, ...] = ()


@dataclass(frozen=True)
class Group:
    """
    Pictures under one heading: of a run on the Dag's page, of a task instance on the others.

    :param title: the heading; empty where the pictures are sorted across tasks
    :param url: the page it leads to, relative; None for none
    :param pictures: those of this page
    :param more: how many more there are on the page that ``url`` leads to
    :param note: a sentence about them, such as why a batch's results cannot be read
    :param task: the task instance, if it is one's
    """

    title: str
    url: str | None = None
    pictures: tuple[Picture, ...] = ()
    more: int = 0
    note: str | None = None
    task: Task | None = None


@dataclass(frozen=True)
class Page:
    """
    A page of the gallery.

    :param scope: what it is of
    :param dag_id: the Dag
    :param run_id: the run; None for a Dag's page
    :param task: the task instance; None for others' pages
    :param title: the heading
    :param root: the way to the Dag's page, relative to this one; empty on it
    :param up_url: the page of the run or the Dag that this is part of, relative; None on the Dag's
    :param groups: runs or tasks with their pictures
    :param totals: of all pages together; on a Dag's page, of the runs that are shown
    :param failures: at most as many as a page has; on the first page only
    :param siblings: the other instances of a mapped task
    :param query: what is searched for
    :param sort: ``time``, ``-time``, ``cost`` or ``-cost``; empty for the order of the tasks
    :param page: from 1
    :param pages: how many there are
    :param empty_because: what is said where there is nothing to show
    :param links_to: the hosts (origins) that pictures which are links only come from
    """

    scope: Literal["dag", "run", "task"]
    dag_id: str
    run_id: str | None
    title: str
    task: Task | None = None
    root: str = ""
    up_url: str | None = None
    groups: tuple[Group, ...] = ()
    totals: Totals = field(default_factory=Totals)
    failures: tuple[Failure, ...] = ()
    siblings: tuple[Task, ...] = ()
    query: str = ""
    sort: str = ""
    page: int = 1
    pages: int = 1
    empty_because: str | None = None
    links_to: tuple[str, ...] = ()


def read_record(value: Any) -> dict[str, Any] | None:
    """
    Return a record with every key there and every value of its type; None if it is no record.

    :param value: anything that JSON can be
    """
    if not isinstance(value, Mapping) or not value.keys() >= _TOLD_APART_BY:
        return None
    unchanged, metadata = value.get("unchanged"), value.get("metadata")
    inputs = value.get("inputs")
    return {
        **{name: read_text(value.get(name)) for name in _TEXTS},
        **{name: read_number(value.get(name)) for name in _NUMBERS},
        "unchanged": unchanged if isinstance(unchanged, bool) else None,
        "metadata": _read_metadata(metadata) if isinstance(metadata, Mapping) else None,
        "inputs": [_read_input(given) for given in inputs[:32]] if isinstance(inputs, list) else [],
    }


def _read_input(value: Any) -> dict[str, str | None]:
    given = value if isinstance(value, Mapping) else {}
    return {"uri": read_text(given.get("uri")), "sha256": read_text(given.get("sha256"))}


def _read_metadata(metadata: Mapping[Any, Any]) -> dict[str, Any]:
    return {read_text(str(name)) or "": _read_plain(value) for name, value in list(metadata.items())[:100]}


def _read_plain(value: Any) -> bool | int | float | str | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < 2**63 else None  # which NaN is not, either
    return read_text(value if isinstance(value, str) else json.dumps(value))


def read_text(value: Any) -> str | None:
    """
    Return a text that can be written as UTF-8, shortened if need be; None for anything else.

    :param value: anything
    """
    if not isinstance(value, str):
        return None
    text = value[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
    return text if len(value) <= MAX_TEXT else f"{text}…"


def read_number(value: Any) -> int | float | None:
    """
    Return a number that a size, a time or a cost can be; None for anything else.

    :param value: anything
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < 10**15 and math.isfinite(value) else None


def read_cost(value: Any) -> Decimal | None:
    """
    Return an amount of money; None for what is none.

    :param value: anything
    """
    number = read_number(value)
    return None if number is None else Decimal(str(number))


def read_time(value: Any) -> datetime | None:
    """
    Return a moment (UTC); None for what is none.

    :param value: anything
    """
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def read_failure(value: Any, task: Task) -> Failure | None:
    """
    Return what a failed task tells (XCom ``error``); None if it is nothing of ours.

    :param value: anything that JSON can be
    :param task: which one
    """
    if not isinstance(value, Mapping) or not value.keys() >= {"type", "message", "billed", "cost_usd"}:
        return None
    return Failure(
        task=task,
        prompt=read_text(value.get("prompt")),
        model=read_text(value.get("model")),
        error_type=read_text(value["type"]),
        message=read_text(value["message"]),
        billed=read_text(value["billed"]) or "unknown",
        cost_usd=read_cost(value["cost_usd"]),
    )


def dies_on(record: Mapping[str, Any]) -> datetime | None:
    """
    Return when a record's link is dead, if the record says when it was made.

    :param record: from :func:`read_record`
    """
    made = read_time(record["created_at"])
    try:
        return made and made + timedelta(days=LINK_DAYS)
    except OverflowError:
        return None


def origin_of(link: str | None) -> str | None:
    """
    Return scheme, host and port of a link that a browser may be given; None for anything else.

    :param link: anything that was in a record
    """
    try:
        parts = urlsplit(link or "")
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname or parts.username is not None:
            return None
        host = parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
        port = "" if parts.port is None else f":{parts.port}"
    except (ValueError, UnicodeError):
        return None
    if ":" in host:
        host = f"[{host}]"
    is_clean = all(character.isalnum() or character in ".-:[]" for character in host)
    return f"{parts.scheme.lower()}://{host}{port}" if is_clean else None


def kind_of(record: Mapping[str, Any]) -> Kind:
    """
    Return what a record says its file is; if it says nothing, what its name says.

    :param record: from :func:`read_record`
    """
    content_type = record["content_type"] or ""
    name = (record["path"] or record["url"] or "").partition("?")[0].lower()
    if content_type == "image/svg+xml" or (not content_type and name.endswith(".svg")):
        return "svg"
    if content_type.startswith("video/") or (not content_type and name.endswith((".mp4", ".webm", ".mov"))):
        return "video"
    return "image"
