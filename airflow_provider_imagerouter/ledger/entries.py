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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.answer import Answer, Picture
from airflow_provider_imagerouter.ledger.last_notes import LastNotes

if TYPE_CHECKING:
    from airflow_provider_imagerouter.records import Record


@dataclass(frozen=True)
class Free:
    """Nothing was sent, or it ended without a picture: it may be sent."""


@dataclass(frozen=True)
class Orphaned:
    """It was sent by an earlier attempt that never learnt its end: it may have been made and billed."""


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


class Entries:
    """
    What the journals of all attempts say together.

    :param lines: of all journals, in order
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.spent = Decimal(0)
        self.last_notes = LastNotes()
        self._open: dict[str, Decimal] = {}
        for line in lines:
            if note := _read_line(line):
                self._take(note, line)
        self.spent += sum(self._open.values(), Decimal(0))

    def state(self, key: str) -> State:
        """
        Return what is known of a request.

        :param key: of the request
        """
        note = _read_line(self.last_notes.get(key))
        match note:
            case {"stored": _, "records": [*records], "contents": [*contents]}:
                return Stored(tuple(records), tuple(contents))
            case {"answered": _, "answer": dict(answer)}:
                return _answer_from_json(answer)
            case {"intent": _}:
                return Orphaned()
            case _:
                return Free()

    def _take(self, note: dict[str, Any], line: bytes) -> None:
        match note:
            case {"intent": str(key), "price": price}:
                self.spent += self._open.pop(key, Decimal(0))
                self._open[key] = _usd(price)
                self.last_notes.set(key, line, is_paid=False)
            case {"answered": str(key), "cost": cost} | {"ended": str(key), "cost": cost}:
                price = self._open.pop(key, Decimal(0))
                self.spent += price if cost is None else _usd(cost)
                self.last_notes.set(key, line, is_paid="answered" in note)
            case {"stored": str(key)}:
                self.last_notes.set(key, line, is_paid=True)
            case {"input": str(location), "sha256": str(digest)}:
                self.last_notes.set_digest(location, digest)


def intent(key: str, price: Decimal | None) -> bytes:
    """
    Return the line that says that a request is about to be sent.

    :param key: of the request
    :param price: USD, what it may cost at most, if that is known
    """
    return _line(intent=key, price=_text(price))


def answered(key: str, cost: Decimal | None, answer: Answer, contents: Sequence[str | None]) -> bytes:
    """
    Return the line that says what came.

    :param key: of the request
    :param cost: USD, what counts for it in the budget, if that is known
    :param answer: what came
    :param contents: the file with the bytes of each picture, beside the journal; None where a link came
    """
    return _line(answered=key, cost=_text(cost), answer=_answer_to_json(answer, contents))


def ended(key: str, cost: Decimal | None) -> bytes:
    """
    Return the line that says that a request ended without a picture.

    :param key: of the request
    :param cost: USD, what was billed all the same, if that is known
    """
    return _line(ended=key, cost=_text(cost))


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
