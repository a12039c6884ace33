"""
The ledger: what a task instance sent, paid and stored, across its attempts.

One attempt at a time may spend: it *claims* the ledger (``claims``), is alive while its process renews a *lease*
(``leases``), and writes a *journal* of its own (``journal``), which is read with those before it (``entries``) by the
attempt that comes next. The ledger outlives the task's success, which is only marked; a clear begins anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterStorageError
from airflow_provider_imagerouter.ledger import claims, entries
from airflow_provider_imagerouter.ledger.journal import ROOM, Journal, in_thread
from airflow_provider_imagerouter.ledger.leases import Lease, take_lease

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.ledger.claims import Claim
    from airflow_provider_imagerouter.ledger.entries import Answered, Entries, Intent, KeyCalls, Orphaned, State
    from airflow_provider_imagerouter.ledger.place import Place
    from airflow_provider_imagerouter.records import Record

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""How often to look whether another attempt has ended."""


class Ledger:
    """
    The ledger of one task instance, in the hands of one attempt. Whatever fails here is an ImageRouterStorageError.

    :param place: where it is kept
    :param max_tries: the task instance's; a clear raises it, a retry does not
    """

    def __init__(self, place: Place, max_tries: int) -> None:
        self._place = place
        self._max_tries = max_tries
        self._owner = uuid4().hex
        self._lease: Lease | None = None
        self._claim: Claim | None = None
        self._journal: Journal | None = None
        self._entries: Entries | None = None
        self._notes: set[asyncio.Task[None]] = set()
        self._claiming = asyncio.Lock()

    @property
    def spent(self) -> Decimal:
        """USD that all attempts before this one spent, or may have spent."""
        return self._read.spent

    @property
    def is_new(self) -> bool:
        """Whether no attempt before this one sent anything."""
        return self._read.is_new

    @property
    def claim(self) -> Claim:
        """This attempt's claim."""
        if self._claim is None:
            raise RuntimeError("The ledger is not open")
        return self._claim

    async def open(self) -> None:
        """
        Begin an attempt: wait until no other one may spend, claim the ledger, and read it.

        :raises ImageRouterStorageError: if it cannot be read or written
        """
        if not self._place.lasting:
            log.warning(
                "There is nowhere to keep notes across attempts (no output_path, no [imagerouter] ledger_path, "
                "no task state store): a retry of this task would pay again"
            )
        try:
            await self._claim_next()
            self._entries = await in_thread(self._read_journals, self._claim)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the attempt, once all its notes are down; others may spend from now on."""
        if self._journal:
            self._journal.hurry()
        while self._notes:
            await asyncio.gather(*self._notes, return_exceptions=True)
        if self._entries:
            self._entries.last_notes.close()
        for end in (self._journal.close, self._drop_lease) if self._journal else (self._drop_lease,):
            try:
                await end()
            except ImageRouterError as error:
                log.warning("%s. Another attempt may have to wait until this one's lease is over", error)

    @property
    def epoch(self) -> int:
        """Which attempt of the task this is, from 1, as the ledger counts them."""
        return self._claim.epoch if self._claim else 0

    @property
    def api_keys(self) -> dict[str, KeyCalls]:
        """What earlier attempts noted of the calls that they made with API keys of their own."""
        return self._read.api_keys

    @property
    def orphans(self) -> list[Intent]:
        """The orphaned calls that were made with such API keys."""
        return self._read.orphans

    async def note_api_key(self, name: str, key_id: str | None) -> None:
        """
        Note that this attempt works on an API key of its own.

        :param name: of the API key
        :param key_id: its id, if ImageRouter said it
        :raises ImageRouterStorageError: if that cannot be noted
        """
        await self._note(entries.api_key(name, key_id))

    async def settle(self, orphan: Intent, found: Orphaned) -> None:
        """
        Take in what the API's books say of an orphaned call; that one was not billed is noted.

        :param orphan: the call
        :param found: what became of it
        :raises ImageRouterStorageError: if that cannot be noted
        """
        if found.billed == "no":
            await self._note(entries.ended(orphan.key, Decimal(0)))
        self._read.settle(orphan, found)

    @property
    def link(self) -> str | None:
        """A link to a picture that an earlier attempt was answered with; None if none was."""
        return self._read.link

    async def unbooked(self, key: str, file_id: str) -> None:
        """
        Note that a request ended without an answer, but perhaps with a picture.

        :param key: of the request
        :param file_id: under which the API stored the picture, if there is one
        :raises ImageRouterStorageError: if that cannot be noted
        """
        await self._note(entries.unbooked(key, file_id))

    def state(self, key: str) -> State:
        """
        Return what earlier attempts noted of a request.

        :param key: of the request
        """
        return self._read.state(key)

    def digest(self, location: str) -> str | None:
        """
        Return the SHA-256 that an input picture had when an earlier attempt read it, if one did.

        :param location: where it was
        """
        return self._read.last_notes.digest(_unreadable(location))

    def note_input(self, location: str, digest: str) -> None:
        """
        Note what an input picture is, without waiting for it.

        :param location: where it was read
        :param digest: its SHA-256
        """
        if self.digest(location) != digest:
            self._read.last_notes.set_digest(_unreadable(location), digest)
            self._note_later(self._note(entries.input_read(_unreadable(location), digest), may_lag=True))

    async def intend(
        self, key: str, price: Decimal | None, room: int, *, model: str | None = None, api_key: str | None = None
    ) -> None:
        """
        Note that a request is about to be sent.

        :param key: of the request
        :param price: USD, what the call may cost at most, if that is known
        :param room: bytes that its answer may need beyond the usual
        :param model: the model that is asked
        :param api_key: name of the API key that it is sent with; None for the connection's
        :raises ImageRouterStorageError: if that cannot be noted, or another attempt has taken over
        """
        await self.keep_claim()
        await self._note(entries.intent(key, price, model, api_key), ROOM + room)
        await self.keep_claim()

    async def answered(self, key: str, cost: Decimal | None, answer: Answer, room: int) -> Answered:
        """
        Note the answer to a request.

        :param key: of the request
        :param cost: USD, what counts for it, if that is known
        :param answer: what came
        :param room: what :meth:`intend` was told
        :return: the answer, with the bytes it brought
        """
        contents: list[str | None] = []
        for number, picture in enumerate(answer.pictures, start=1):
            contents.append(self._content_name(key, number) if picture.content and self._place.takes_bytes else None)
            if contents[-1]:
                await in_thread(self._place.write, contents[-1], picture.content)
        await self._note(entries.answered(key, cost, answer, contents), -ROOM - room)
        return entries.Answered(answer, tuple(contents))

    async def ended(self, key: str, cost: Decimal | None, room: int, *, guessed: bool = False) -> None:
        """
        Note that a request ended without a picture: it did not run, or was billed all the same.

        :param key: of the request
        :param cost: USD, what was billed, if that is known
        :param room: what :meth:`intend` was told
        :param guessed: whether ImageRouter did not say what was billed
        """
        await self._note(entries.ended(key, cost, guessed=guessed), -ROOM - room)

    def stored(self, key: str, records: Sequence[Record], contents: Sequence[str | None]) -> None:
        """
        Note the records of a finished request, without waiting for it.

        :param key: of the request
        :param records: of its pictures
        :param contents: the files with their bytes beside the journal, which are needed no longer
        """
        self._note_later(self._note_stored(key, records, contents))

    async def content(self, name: str | None) -> bytes | None:
        """
        Return the bytes of a picture that lie beside the journal, if they do.

        :param name: of the file
        """
        return await in_thread(self._place.read, name) if name else None

    @property
    def _read(self) -> Entries:
        if self._entries is None:
            raise RuntimeError("The ledger is not open")
        return self._entries

    async def _claim_next(self) -> None:
        """Wait until the attempt before has ended or lost its lease, and claim the next epoch."""
        waited_for = None
        while True:
            latest = await in_thread(claims.latest_claim, self._place)
            if latest and latest.owner != self._owner and not await in_thread(claims.is_over, self._place, latest):
                if latest.owner != waited_for:
                    log.info("Another attempt of this task is at work; waiting for what it makes")
                waited_for = latest.owner
                await asyncio.sleep(POLL_SECONDS)
            elif await self._try_claim(latest):
                return

    async def _try_claim(self, latest: Claim | None) -> bool:
        """
        Claim the next epoch and begin its journal; return whether no other attempt was faster.

        :param latest: the claim before, which is over
        """
        if self._lease is None or self._lease.has_run_out:
            self._lease = await in_thread(take_lease, self._place, self._owner)
        claim = await in_thread(claims.claim_next, self._place, latest, self._owner, self._lease.name, self._max_tries)
        if claim is None:
            return False
        appender = await in_thread(self._place.begin_journal, claims.journal_name(claim))
        room = self._journal.room if self._journal else 0
        self._claim, self._journal = claim, Journal(appender, self._place.seconds_between_appends, room)
        return True

    async def keep_claim(self) -> None:
        """
        Make sure that nobody else may spend.

        :raises ImageRouterStorageError: if this attempt was frozen for longer than its lease, and another took over
        """
        if self._lease and not self._lease.has_run_out:
            return
        async with self._claiming:
            if self._lease and not self._lease.has_run_out:
                return
            latest = await in_thread(claims.latest_claim, self._place)
            before = self._journal
            if latest != self._claim or not await self._try_claim(latest):
                raise ImageRouterStorageError(
                    "This attempt was silent for longer than its lease, and another one has taken over", billed="no"
                )
            if before:
                self._note_later(before.close())

    def _read_journals(self, claim: Claim) -> Entries:
        names = claims.journals(self._place, claim)
        read = entries.Entries(chain.from_iterable(map(self._place.read_journal, names)))
        claims.remove_cleared(self._place, claim)
        return read

    async def _note(self, line: bytes, room: int = 0, *, may_lag: bool = False) -> None:
        if self._journal is None:
            raise RuntimeError("The ledger is not open")
        await self._journal.note(line, room, may_lag=may_lag)

    async def _note_stored(self, key: str, records: Sequence[Record], contents: Sequence[str | None]) -> None:
        names = [name for name in contents if name]
        await self._note(entries.stored(key, records, contents), may_lag=not names)
        if names:
            await in_thread(self._place.remove, names)

    def _note_later(self, note: Any) -> None:
        task = asyncio.create_task(_warn_of_failure(note))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _drop_lease(self) -> None:
        if self._lease:
            await in_thread(self._lease.drop, self._owner)

    def _content_name(self, key: str, number: int) -> str:
        return f"picture-{self.epoch:06d}-{key}-{number}"


def _unreadable(location: str) -> str:
    """Return what stands for a location: links may carry signatures, which are nobody else's business."""
    return hashlib.sha256(location.encode("utf-8", "replace")).hexdigest()[:24]


async def _warn_of_failure(note: Any) -> None:
    try:
        await note
    except ImageRouterError as error:
        log.warning("%s. A retry may fetch or store again what is there; it does not pay again", error)
