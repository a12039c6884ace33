"""
What a journal says of each request, line by line.

::

    (nothing) ──intent──> Orphaned ──answered──> Answered ──stored──> Stored
                              │
                              └──ended──> Free       (without a picture; what it cost counts)

An intent without an answer is orphaned, since journals are read only once their attempts are over.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.answer import Answer, Picture
from airflow_provider_imagerouter.ledger.last_notes import LastNotes
from airflow_provider_imagerouter.records import completed

if TYPE_CHECKING:
    from airflow_provider_imagerouter.exceptions import Billed
    from airflow_provider_imagerouter.records import Record


@dataclass(frozen=True)
class Free:
    """Nothing was sent, or it ended without a picture: it may be sent."""


@dataclass(frozen=True)
class Orphaned:
    """
    It was sent by an earlier attempt that never learnt its end: it may have been made and billed.

    :param billed: whether it was, as far as the API's books say
    :param cost: USD, what it was billed, if the books say that
    :param said: what the books say, in words
    :param may_be_known_later: whether it is only that the books cannot be read now
    :param file_id: under which the API stored its picture, before it failed to book it; None if that was not so
    """

    billed: Billed = "unknown"
    cost: Decimal | None = None
    said: str = "it may have been made and billed"
    may_be_known_later: bool = False
    file_id: str | None = None


@dataclass(frozen=True)
class Answered:
    """
    It is paid for; its pictures are not stored yet.

    :param answer: the answer; of pictures that came as bytes, `contents` names the files
    :param contents: the file with the bytes of each picture, beside the journal; None where a link came
    :param noted: whether a later attempt will find it
    """

    answer: Answer
    contents: tuple[str | None, ...]
    noted: bool = True


@dataclass(frozen=True)
class Stored:
    """
    It is done.

    :param records: of its pictures
    :param contents: the files with the bytes of its pictures, as far as they are still beside the journal
    """

    records: tuple[Record, ...]
    contents: tuple[str | None, ...]


State = Free | Orphaned | Answered | Stored


@dataclass(frozen=True)
class Intent:
    """
    A call that was about to be sent.

    :param price: USD, what it may cost at most; 0 if that was not known
    :param model: the model that was asked, if that was noted
    :param sent_at: seconds since 1970, if that was noted
    :param api_key: name of the API key that it was made with; None for the connection's
    :param is_over: whether it is known to have ended, though not how
    """

    key: str
    price: Decimal
    model: str | None
    sent_at: float | None
    api_key: str | None
    is_over: bool = False


@dataclass
class KeyCalls:
    """
    What the journals say of the calls that were made with an API key of an attempt's own.

    :param name: of the API key
    :param id: of the API key, if ImageRouter said it
    :param open: calls without an end, by the key of their request
    :param spent: USD, what the others cost, as far as ImageRouter said
    :param answered: how many of the others ended in pictures
    :param failed: how many of the others did not
    :param unsaid: how many of the others were billed, but not said how much
    """

    name: str
    id: str | None
    open: dict[str, Intent] = field(default_factory=dict)
    spent: Decimal = Decimal(0)
    answered: int = 0
    failed: int = 0
    unsaid: int = 0

    def end(self, key: str, note: Mapping[str, Any]) -> None:
        """Take in how a call ended: a line that says *answered* or *ended*."""
        self.open.pop(key, None)
        is_answer = "answered" in note
        cost = note["answer"]["cost"] if is_answer else None if note.get("guessed") else note["cost"]
        self.answered += is_answer
        self.failed += not is_answer
        self.unsaid += cost is None
        self.spent += _usd(cost)


class Entries:
    """
    What the journals of all attempts say together.

    :param lines: of all journals, in order
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.spent = Decimal(0)
        self.is_new = True
        self.last_notes = LastNotes()
        self.api_keys: dict[str, KeyCalls] = {}
        self.link: str | None = None
        self._open: dict[str, Intent] = {}
        self._settled: dict[str, Orphaned] = {}
        for line in lines:
            if note := _read_line(line):
                self._take(note, line)
        self.spent += sum((intent.price for intent in self._open.values()), Decimal(0))

    def state(self, key: str) -> State:
        """
        Return what is known of a request.

        :param key: of the request
        """
        note = _read_line(self.last_notes.get(key)) or {}
        match note:
            case {"stored": _, "records": [*records], "contents": [*contents]}:
                return Stored(tuple(map(completed, records)), tuple(contents))
            case {"answered": _, "answer": dict(answer)}:
                return _answer_from_json(answer)
            case {"intent": _} | {"unbooked": _}:
                found = self._settled.get(key, Orphaned())
                return Free() if found.billed == "no" else replace(found, file_id=note.get("file"))
            case _:
                return Free()

    @property
    def orphans(self) -> list[Intent]:
        """The calls that are orphaned, and were made with an API key of an attempt's own."""
        intents = (intent for calls in self.api_keys.values() for intent in calls.open.values())
        return [intent for intent in intents if self._is_orphan(intent)]

    def settle(self, intent: Intent, found: Orphaned) -> None:
        """
        Take in what the API's books say of an orphaned call.

        :param intent: the call
        :param found: what became of it; one that was not billed is one no longer
        """
        self._settled[intent.key] = found
        cost = Decimal(0) if found.billed == "no" else found.cost
        if cost is not None:
            self.spent += cost - intent.price
            if calls := self.api_keys.get(intent.api_key or ""):
                calls.open.pop(intent.key, None)
                calls.spent += cost

    def _is_orphan(self, intent: Intent) -> bool:
        """Return whether a call without an end is what the journals say last of its request."""
        return self._open.get(intent.key) is intent and isinstance(self.state(intent.key), Orphaned)

    def _take(self, note: dict[str, Any], line: bytes) -> None:
        match note:
            case {"api_key": str(name), "id": key_id}:
                self.api_keys.setdefault(name, KeyCalls(name, key_id))
            case {"intent": str(key), "price": price}:
                self.is_new = False
                if before := self._open.get(key):
                    self.spent += before.price
                self._set_open(Intent(key, _usd(price), note.get("model"), note.get("at"), note.get("with")))
                self.last_notes.set(key, line, is_paid=False)
            case {"unbooked": str(key), "file": str()}:
                if call := self._open.get(key):
                    self._set_open(replace(call, is_over=True))
                self.last_notes.set(key, line, is_paid=False)
            case {"answered": str(key), "cost": cost} | {"ended": str(key), "cost": cost}:
                ended = self._open.pop(key, None)
                self.spent += _usd(cost) if cost is not None else ended.price if ended else Decimal(0)
                if ended and ended.api_key in self.api_keys:
                    self.api_keys[ended.api_key].end(key, note)
                self.link = _link(note) or self.link
                self.last_notes.set(key, line, is_paid="answered" in note)
            case {"stored": str(key)}:
                self.last_notes.set(key, line, is_paid=True)
            case {"input": str(location), "sha256": str(digest)}:
                self.last_notes.set_digest(location, digest)

    def _set_open(self, intent: Intent) -> None:
        self._open[intent.key] = intent
        if intent.api_key in self.api_keys:
            self.api_keys[intent.api_key].open[intent.key] = intent


def api_key(name: str, key_id: str | None) -> bytes:
    """
    Return the line that says that an attempt works on an API key of its own from here on.

    :param name: of the API key
    :param key_id: its id, if ImageRouter said it; the key itself is in no line
    """
    return _line(api_key=name, id=key_id)


def intent(key: str, price: Decimal | None, model: str | None = None, api_key: str | None = None) -> bytes:
    """
    Return the line that says that a request is about to be sent.

    :param key: of the request
    :param price: USD, what it may cost at most, if that is known
    :param model: the model that is asked
    :param api_key: name of the API key that it is sent with; None for the connection's
    """
    known = {"model": model, "at": round(time.time(), 3), "with": api_key} if api_key else {}
    return _line(intent=key, price=_text(price), **known)


def answered(key: str, cost: Decimal | None, answer: Answer, contents: Sequence[str | None]) -> bytes:
    """
    Return the line that says what came.

    :param key: of the request
    :param cost: USD, what counts for it in the budget, if that is known
    :param answer: what came
    :param contents: the file with the bytes of each picture, beside the journal; None where a link came
    """
    return _line(answered=key, cost=_text(cost), answer=_answer_to_json(answer, contents))


def ended(key: str, cost: Decimal | None, *, guessed: bool = False) -> bytes:
    """
    Return the line that says that a request ended without a picture.

    :param key: of the request
    :param cost: USD, what was billed all the same, if that is known
    :param guessed: whether ImageRouter did not say that
    """
    return _line(ended=key, cost=_text(cost), **({"guessed": True} if guessed else {}))


def unbooked(key: str, file_id: str) -> bytes:
    """
    Return the line that says that a request ended without an answer, but perhaps with a picture.

    :param key: of the request
    :param file_id: under which the API stored the picture, if there is one
    """
    return _line(unbooked=key, file=file_id)


def stored(key: str, records: Sequence[Record], contents: Sequence[str | None]) -> bytes:
    """
    Return the line that says that a request is done.

    :param key: of the request
    :param records: of its pictures
    :param contents: the file with the bytes of each picture, beside the journal; None where a link came
    """
    return _line(stored=key, records=list(records), contents=list(contents))


def input_read(location: str, digest: str) -> bytes:
    """
    Return the line that says what an input picture was.

    :param location: what stands for where it was read
    :param digest: its SHA-256, hexadecimal
    """
    return _line(input=location, sha256=digest)


def _line(**note: Any) -> bytes:
    return json.dumps(note, separators=(",", ":")).encode() + b"\n"


def _read_line(line: bytes) -> dict[str, Any] | None:
    """Return what a line says; None if it is not whole, as the last one of an attempt that was killed may be."""
    try:
        note = json.loads(line.strip(b"\0\n"))
    except ValueError:
        return None
    return note if isinstance(note, dict) else None


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _link(note: Mapping[str, Any]) -> str | None:
    """Return the link of an answer's first picture, if it has one."""
    pictures = note["answer"]["pictures"] if "answered" in note else []
    return pictures[0]["url"] if pictures else None


def _usd(text: Any) -> Decimal:
    return Decimal(0) if text is None else Decimal(text)


def _answer_to_json(answer: Answer, contents: Sequence[str | None]) -> dict[str, Any]:
    return {
        "pictures": [
            {"url": picture.url, "revised_prompt": picture.revised_prompt, "content": content}
            for picture, content in zip(answer.pictures, contents, strict=True)
        ],
        "cost": _text(answer.cost),
        "latency_ms": answer.latency_ms,
        "created_at": answer.created_at.isoformat() if answer.created_at else None,
    }


def _answer_from_json(note: Mapping[str, Any]) -> Answered:
    answer = Answer(
        pictures=tuple(Picture(picture["url"], None, picture["revised_prompt"]) for picture in note["pictures"]),
        cost=None if note["cost"] is None else Decimal(note["cost"]),
        latency_ms=note["latency_ms"],
        created_at=datetime.fromisoformat(note["created_at"]) if note["created_at"] else None,
    )
    return Answered(answer, tuple(picture["content"] for picture in note["pictures"]))
