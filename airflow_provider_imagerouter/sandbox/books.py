"""What happened: every paying call with its end and its bill, and every fetch of a link."""

from __future__ import annotations

import uuid
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from airflow_provider_imagerouter.sandbox.accounts import CREDITS_PER_USD
from airflow_provider_imagerouter.sandbox.input_pictures import InputPicture

MAX_CALLS = 20_000
MAX_LINKS = 20_000

_SHOWN_APART = ("model", "prompt", "image", "mask", "messages", "input")


@dataclass
class Call:
    """One paying call.

    :param account: whose key it came with, None if with nobody's
    :param api_key: name of that key
    :param images: SHA-256 of each input picture, those behind links once they were fetched
    :param mask: the same of the first mask
    :param masks: the same of all masks
    :param made: names of the pictures that were made, below `/storage/`
    :param status: `processing`, `success`, `error` (it ran and failed) or `refused` (it never ran)
    :param http_status: what the client was answered with, once that is over; None if it got no answer
    :param cost: USD, as billed up to now: the highest price while it runs
    :param client_left: whether the client went away before it had the whole answer
    """

    path: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    account: str | None = None
    api_key: str | None = None
    model: str | None = None
    prompt: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    mask: str | None = None
    masks: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    status: str = "processing"
    http_status: int | None = None
    cost: float = 0.0
    client_left: bool = False

    def note(self, body: object) -> None:
        """Write down what was asked for, whether or not it makes sense.

        :param body: JSON, or the text fields of a form
        """
        fields = body if isinstance(body, dict) else {}
        self.parameters = {name: value for name, value in fields.items() if name not in _SHOWN_APART}
        model, prompt = fields.get("model"), fields.get("prompt")
        self.model = model if isinstance(model, str) else None
        self.prompt = prompt if isinstance(prompt, str) else None

    def note_pictures(self, images: Iterable[InputPicture], masks: Iterable[InputPicture]) -> None:
        """Write down the input pictures that are there by now."""
        self.images = [picture.sha256 for picture in images if picture.link is None or picture.body]
        self.masks = [picture.sha256 for picture in masks if picture.link is None or picture.body]
        self.mask = self.masks[0] if self.masks else None


class Ledger:
    """All paying calls since the last reset; the totals go on when old calls are dropped."""

    def __init__(self) -> None:
        """Start empty."""
        self._calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self._ends: Counter[str] = Counter()
        self._billed_credits = 0
        self._fetches: Counter[str] = Counter()
        self.bytes_received = 0
        self.bytes_sent = 0
        self.authorization_seen_at_links = False

    def open(self, path: str) -> Call:
        """Write down a call that came in.

        :param path: where it was sent
        """
        call = Call(path)
        self._calls.append(call)
        self._ends["calls"] += 1
        return call

    def refuse(self, call: Call, http_status: int) -> None:
        """Close a call that never ran."""
        call.http_status = http_status
        self._close(call, "refused")

    def fail(self, call: Call) -> None:
        """Close a call that ran, failed, and was given its money back."""
        call.cost = 0.0
        self._close(call, "error")

    def bill(self, call: Call, amount: int, succeeded: bool) -> None:
        """Close a call that ran and is paid for.

        :param amount: credits
        :param succeeded: false for an error that is billed all the same
        """
        call.cost = amount / CREDITS_PER_USD
        self._billed_credits += amount
        self._ends["billed"] += amount > 0
        self._close(call, "success" if succeeded else "error")

    def _close(self, call: Call, status: str) -> None:
        call.status = status
        self._ends[status] += 1

    def leave(self, call: Call) -> None:
        """Note that a call's client went away."""
        call.client_left = True
        self._ends["left"] += 1

    def fetch(self, link: str, authorized: bool) -> int:
        """Note the fetch of a link, and say how many there were before.

        :param link: its path
        :param authorized: whether an Authorization header came with it
        """
        before = self._fetches[link]
        self._fetches[link] += 1
        if len(self._fetches) > MAX_LINKS:
            del self._fetches[next(iter(self._fetches))]
        self.authorization_seen_at_links |= authorized
        return before

    def latest(self, number: int) -> list[Call]:
        """Give the latest calls, the newest first."""
        return list(islice(reversed(self._calls), number))

    def report(self, calls: bool) -> dict[str, Any]:
        """Answer `GET /sandbox/ledger`.

        :param calls: with every call and every link, not the totals only
        """
        ends = self._ends
        ended = ends["refused"] + ends["success"] + ends["error"]
        answer: dict[str, Any] = {
            "totals": {
                "calls": ends["calls"],
                "refused": ends["refused"],
                "succeeded": ends["success"],
                "failed": ends["error"],
                "in_flight": ends["calls"] - ended,
                "clients_left": ends["left"],
                "billed_calls": ends["billed"],
                "billed_usd": self._billed_credits / CREDITS_PER_USD,
                "bytes_received": self.bytes_received,
                "bytes_sent": self.bytes_sent,
            },
            "authorization_seen_at_links": self.authorization_seen_at_links,
        }
        if calls:
            answer["calls"] = [asdict(call) for call in self._calls]
            answer["fetches"] = dict(self._fetches)
        return answer
