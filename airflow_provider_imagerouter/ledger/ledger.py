"""
The ledger: what a task instance sent, paid and stored, across its attempts.

Every request has an entry, a note whose text changes as the request goes on::

    (none) ──claim──> intent ──answer──> answered ──store──> stored
                        │
                        └──no picture──> ended      (the next claim makes a new entry, of generation + 1)

An intent belongs to an attempt, its owner, for as long as that attempt renews its lease. When the lease is over and
the intent is still one, it is *orphaned*: the picture may have been made and billed.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from airflow.providers.common.compat.sdk import conf

from airflow_provider_imagerouter.api.answer import Answer, Picture
from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.ledger.notes import HIDDEN_FOLDER, FileNotes, MemoryNotes, Notes

if TYPE_CHECKING:
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.records import Record

State = Literal["free", "in flight", "orphaned", "answered", "stored"]

LEASE_SECONDS = 30.0
"""How long after its last sign of life an attempt is taken for dead; machines' clocks must agree within it."""

ENTRY_BYTES = 3072
"""Space an entry takes at least, so that a paid answer fits where its intent was written; mostly one disk block."""

_OWNER = "owner-"
_FINISHED = "finished"


@dataclass(frozen=True)
class Entry:
    """
    What the ledger knows of one request.

    :param key: fingerprint and turn
    :param generation: how often it was claimed
    :param state: ``free`` (nothing was sent, or it ended without a picture), ``in flight`` (another attempt waits for
        the answer), ``orphaned``, ``answered`` or ``stored``
    :param cost: USD, what it counts for in the budget
    :param answer: the answer, if ``answered``
    :param records: the records, if ``stored``
    """

    key: str
    generation: int = 0
    state: State = "free"
    cost: Decimal | None = None
    answer: Answer | None = None
    records: tuple[Record, ...] = ()


class Ledger:
    """
    The ledger of one task instance, in the hands of one attempt. All methods block.

    :param notes: where it is kept
    :param lease_seconds: how long this attempt is taken to live after its last :meth:`renew`
    """

    def __init__(self, notes: Notes, lease_seconds: float = LEASE_SECONDS) -> None:
        self._notes = notes
        self.lease_seconds = lease_seconds
        self._owner = uuid4().hex
        self._known: set[str] = set()
        self._closed = False
        self._until = float("inf")
        self._renewing = threading.Lock()

    @property
    def lasting(self) -> bool:
        """Whether a later attempt will find it."""
        return not isinstance(self._notes, MemoryNotes)

    def open(self) -> None:
        """
        Begin an attempt.

        :raises ImageRouterStorageError: if the ledger cannot be written
        """
        names = self._notes.names()
        if _FINISHED in names:
            for name in names:
                self._notes.remove(name)
            names = []
        self.renew()
        self._known = {name.rpartition(".")[0] for name in names}

    def renew(self) -> None:
        """Say that this attempt is alive, unless it was taken for dead and another one has finished the task."""
        with self._renewing:
            if not self._closed and not self._is_superseded():
                self._until = time.time() + self.lease_seconds
                # Of a fixed length, so that who reads while it is written reads a number, too.
                self._notes.write(_OWNER + self._owner, f"{self._until:.3f}")

    def close(self) -> None:
        """End the attempt: what it has in flight is orphaned from now on."""
        with self._renewing:
            self._closed = True
            self._notes.remove(_OWNER + self._owner)

    def forget(self) -> None:
        """
        Remove all entries, since the task succeeded.

        While another attempt's lease runs they only get a mark, and the next attempt removes them: the other may still
        be at work on them, or was killed a moment ago.
        """
        if not self._notes.names():
            return
        if self._others_alive():
            self._notes.write(_FINISHED, "{}")
        else:
            self._notes.clear()

    def look(self, key: str) -> Entry:
        """
        Return what is known of a request.

        :param key: fingerprint and turn
        """
        entry = Entry(key)
        while key in self._known and entry.state not in ("answered", "stored"):
            text = self._notes.read(f"{key}.{entry.generation + 1}")
            if text is None:
                break
            entry = self._entry(key, entry.generation + 1, text)
        return entry

    def claim(self, entry: Entry, price: Decimal | None, room: int = 0) -> Entry | None:
        """
        Note the intent to send a request; return its new entry, or None if another attempt was faster.

        :param entry: as it stood, ``free`` or ``orphaned``
        :param price: USD, what the call may cost at most, if that is known
        :param room: bytes that its answer may need beyond the usual
        :raises ImageRouterStorageError: if another attempt has finished the task and removed the ledger
        """
        if self._is_superseded():
            raise ImageRouterStorageError("Another attempt of this task has finished it", billed="no")
        claimed = Entry(entry.key, entry.generation + 1, "in flight", price)
        note = {"state": "intent", "owner": self._owner, "cost": None if price is None else str(price)}
        created = self._notes.create(_name(claimed), json.dumps(note).ljust(ENTRY_BYTES + room))
        self._known.add(entry.key)
        return claimed if created else None

    def ended(self, entry: Entry) -> None:
        """
        Note that a claimed request ended without a picture: it did not run, or was billed all the same.

        :param entry: with what it cost
        """
        self._write(entry, {"state": "ended"})

    def answered(self, entry: Entry, answer: Answer) -> None:
        """
        Note the answer to a claimed request.

        :param entry: with what it cost
        """
        self._write(entry, {"state": "answered", "answer": _answer_to_json(answer, self._notes.takes_bytes)})

    def stored(self, entry: Entry, records: Sequence[Record]) -> None:
        """
        Note the records of a finished request.

        :param entry: with what it cost
        """
        self._write(entry, {"state": "stored", "records": list(records)})

    def costs(self) -> list[Decimal]:
        """Return what each call of all attempts cost, or may have cost, USD, where that is known."""
        notes = (_read_note(text) for name, text in self._notes.read_all().items() if not name.startswith(_OWNER))
        return [Decimal(note["cost"]) for note in notes if note and note.get("cost") is not None]

    def _entry(self, key: str, generation: int, text: str) -> Entry:
        note = _read_note(text)
        if note is None:
            # It is being written just now, or its writer died then: before it sent anything, if it is empty.
            torn: State = "orphaned" if text.strip() else "free"
            return Entry(key, generation, "in flight" if self._others_alive() else torn)
        cost = None if note["cost"] is None else Decimal(note["cost"])
        match note["state"]:
            case "stored":
                return Entry(key, generation, "stored", cost, records=tuple(note["records"]))
            case "answered":
                return Entry(key, generation, "answered", cost, answer=_answer_from_json(note["answer"]))
            case "intent":
                alive = self._is_alive(_OWNER + note["owner"])
                return Entry(key, generation, "in flight" if alive else "orphaned", cost)
            case _:
                return Entry(key, generation, "free", cost)

    def _is_superseded(self) -> bool:
        """Return whether this attempt's lease is over, as after a freeze, and its ledger was removed meanwhile."""
        return time.time() > self._until and self._notes.read(_OWNER + self._owner) is None

    def _others_alive(self) -> bool:
        owners = (name for name in self._notes.names() if name.startswith(_OWNER))
        return any(self._is_alive(owner) for owner in owners if owner != _OWNER + self._owner)

    def _is_alive(self, owner: str) -> bool:
        text = self._notes.read(owner)
        return bool(text and text.strip()) and float(str(text)) > time.time()

    def _write(self, entry: Entry, note: Mapping[str, Any]) -> None:
        cost = None if entry.cost is None else str(entry.cost)
        self._notes.write(_name(entry), json.dumps({**note, "cost": cost}))


def open_notes(identity: Identity, folder: str | None) -> Notes | None:
    """
    Return the place for a task instance's ledger in files, the first there is.

    1. the deployment's ``[imagerouter] ledger_path``;
    2. a hidden folder under the task's own output folder;
    3. None: Airflow has to keep it.

    :param identity: the task instance
    :param folder: the task's output folder, if it has one
    """
    if root := conf.get("imagerouter", "ledger_path", fallback=""):
        return FileNotes(f"{root.rstrip('/')}/{identity.file_stem}")
    if folder:
        return FileNotes(f"{folder.rstrip('/')}/{HIDDEN_FOLDER}/{identity.file_stem}")
    return None


def lease_seconds() -> float:
    """Return how long after its last sign of life an attempt is taken for dead: ``[imagerouter] lease_seconds``."""
    return float(conf.getfloat("imagerouter", "lease_seconds", fallback=LEASE_SECONDS))


def fingerprint(parameters: Mapping[str, Any], images: Sequence[str], masks: Sequence[str]) -> str:
    """
    Return the fingerprint of a request: a hash over everything that shapes the picture.

    :param parameters: the API's parameters without the pictures
    :param images: SHA-256 of each input picture
    :param masks: SHA-256 of each mask
    """
    shape = json.dumps([dict(parameters), list(images), list(masks)], sort_keys=True)
    return hashlib.sha256(shape.encode()).hexdigest()[:24]


def _name(entry: Entry) -> str:
    return f"{entry.key}.{entry.generation}"


def _read_note(text: str) -> dict[str, Any] | None:
    """Return a note's values; None if it is not whole."""
    try:
        return dict(json.loads(text))
    except ValueError:
        return None


def _answer_to_json(answer: Answer, with_bytes: bool) -> dict[str, Any]:
    return {
        "pictures": [
            {
                "url": picture.url,
                "content": b64encode(picture.content).decode() if picture.content and with_bytes else None,
                "revised_prompt": picture.revised_prompt,
            }
            for picture in answer.pictures
        ],
        "cost": None if answer.cost is None else str(answer.cost),
        "latency_ms": answer.latency_ms,
        "created_at": answer.created_at.isoformat() if answer.created_at else None,
    }


def _answer_from_json(note: Mapping[str, Any]) -> Answer:
    return Answer(
        pictures=tuple(
            Picture(
                url=picture["url"],
                content=None if picture["content"] is None else b64decode(picture["content"]),
                revised_prompt=picture["revised_prompt"],
            )
            for picture in note["pictures"]
        ),
        cost=None if note["cost"] is None else Decimal(note["cost"]),
        latency_ms=note["latency_ms"],
        created_at=datetime.fromisoformat(note["created_at"]) if note["created_at"] else None,
    )
