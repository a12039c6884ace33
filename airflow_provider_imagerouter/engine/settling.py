"""
Settling orphaned calls: the API's books of a dead attempt's key tell whether they were accepted, and what was billed.

A call is entered the moment it is accepted, with its highest price; that is corrected when the call ends, and given
back when it fails. So it is not billed if its key spent nothing beyond what is known of; and while the books have its
highest price, it may still be at work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_imagerouter import telemetry
from airflow_provider_imagerouter.engine.judging import Judgement, Price, judge
from airflow_provider_imagerouter.exceptions import (
    ImageRouterError,
    ImageRouterOrphanedIntentError,
    ImageRouterUnknownOutcomeError,
)
from airflow_provider_imagerouter.ledger.entries import Intent, KeyCalls, Orphaned
from airflow_provider_imagerouter.ledger.leases import lease_seconds
from airflow_provider_imagerouter.money import as_billed

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.catalogue import Catalogue, Model
    from airflow_provider_imagerouter.api.request import Request
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
    from airflow_provider_imagerouter.ledger.ledger import Ledger

log = logging.getLogger(__name__)

LONGEST_PICTURE_SECONDS = 300.0
"""How long after a picture was asked for it may still be at work; ImageRouter polls most providers for 2 minutes, and
may ask twice (its server source, February 2026)."""

LONGEST_VIDEO_SECONDS = 2400.0
"""The same for a video: 20 minutes, twice."""

PATIENCE_SECONDS = 60.0
"""How long calls are waited for that are sent again anyway, or whose highest price is not known."""

FIRST_LOOK_AGAIN, LAST_LOOK_AGAIN = 0.5, 10.0
"""Seconds between looks at the books: at first, and at most."""


def heed_orphan(request: Request, orphan: Orphaned, policy: str) -> None:
    """
    Do what ``on_orphaned_intent`` says of a call without an end: let it be sent again, or not.

    :param request: what was asked
    :param orphan: what is known of the call
    :param policy: ``on_orphaned_intent``
    :raises ImageRouterUnknownOutcomeError: if it is not sent again
    """
    if not (policy == "resubmit_unbilled" and orphan.may_be_known_later):
        telemetry.orphaned(request.model, orphan.billed)
    what = f"An earlier attempt sent {request} and never learnt its end; {orphan.said}"
    if policy == "resubmit":
        log.warning("%s. It is sent again, and %s paid twice", what, "is" if orphan.billed == "yes" else "may be")
        return
    if policy == "resubmit_unbilled" and orphan.may_be_known_later:
        raise ImageRouterUnknownOutcomeError(
            f"{what}. on_orphaned_intent is {policy!r}: it is not sent again before that"
        )
    raise ImageRouterOrphanedIntentError(
        f"{what}. on_orphaned_intent is {policy!r}: it is not sent again", billed=orphan.billed, cost=orphan.cost
    )


class Settling:
    """
    Finds out what became of the orphaned calls of earlier attempts.

    :param hook: the connection
    :param ledger: open; what is found is told to it
    :param resends: whether orphaned calls are sent again whatever is found: then those at work are not waited for long
    """

    def __init__(self, hook: ImageRouterAsyncHook, ledger: Ledger, *, resends: bool) -> None:
        self._hook = hook
        self._ledger = ledger
        self._began, self._began_at = time.monotonic(), time.time()
        self._quiet_seconds = lease_seconds() / 3
        self._patience = PATIENCE_SECONDS if resends else None
        self._models: Catalogue | None = None
        self._has_said_it_waits = False

    async def run(self) -> None:
        """
        Look at the books until they can change no more, or for as long as a call may take.

        :raises ImageRouterStorageError: if what is found cannot be noted
        """
        open_ = [self._ledger.api_keys[name] for name in {each.api_key: None for each in self._ledger.orphans} if name]
        if not open_:
            return
        self._models = await self._catalogue()
        pause = FIRST_LOOK_AGAIN
        while open_:
            open_ = [calls for calls in open_ if not await self._look(calls)] if await self._read() else []
            if open_:
                await asyncio.sleep(pause)
                pause = min(1.5 * pause, LAST_LOOK_AGAIN)

    async def _catalogue(self) -> Catalogue | None:
        try:
            return await self._hook.get_catalogue()
        except ImageRouterError as error:
            log.warning("What the models cost is not known, as the catalogue could not be read: %s", error)
            return None

    async def _read(self) -> bool:
        """Read the books, and return whether that worked; if not, the calls stay what they were."""
        try:
            self._books = await self._hook.get_books()
        except ImageRouterError as error:
            said = f"it may have been made and billed, as ImageRouter's books could not be read ({error})"
            log.warning("ImageRouter's books could not be read: %s", error)
            for orphan in self._ledger.orphans:
                await self._ledger.settle(orphan, Orphaned(said=said, may_be_known_later=True))
            return False
        return True

    async def _look(self, calls: KeyCalls) -> bool:
        """Judge the calls of one key by the books; return False to look again."""
        found = judge(calls, self._books, {key: self._price(intent) for key, intent in calls.open.items()})
        if self._may_change(calls, found):
            return False
        orphans = [orphan for orphan in self._ledger.orphans if orphan.api_key == calls.name]
        await asyncio.gather(*(self._tell(orphan, found) for orphan in orphans))
        return True

    def _may_change(self, calls: KeyCalls, found: Judgement) -> bool:
        """Return whether a call may still be accepted, or end."""
        now = time.time()
        if not found.all_accepted and time.monotonic() < self._began + self._quiet_seconds:
            return True
        at_work = [calls.open[key] for key in found.at_work if not calls.open[key].is_over]
        until = max(map(self._longest, at_work), default=now)
        if now >= until:
            return False
        if not self._has_said_it_waits:
            self._has_said_it_waits = True
            end = datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")
            log.info("Calls of an earlier attempt may still be at work; their end is waited for, until %s at most", end)
        return True

    def _longest(self, intent: Intent) -> float:
        """Return until when a call may be at work, and is waited for: seconds since 1970."""
        model = self._model(intent)
        is_video = model is not None and "video" in model.output
        sent_at = self._began_at if intent.sent_at is None else min(intent.sent_at, self._began_at)
        longest = LONGEST_VIDEO_SECONDS if is_video else LONGEST_PICTURE_SECONDS
        until = sent_at + (PATIENCE_SECONDS if self._price(intent).highest is None else longest)
        return until if self._patience is None else min(until, self._began_at + self._patience)

    async def _tell(self, orphan: Intent, found: Judgement) -> None:
        billed = found.billed[orphan.key]
        if billed == "no":
            log.info(
                "A call of an earlier attempt (%s) was not accepted, or given back: ImageRouter's books of %s say that "
                "nothing was billed for it",
                orphan.model,
                orphan.api_key,
            )
        cost = found.cost if len(found.billed) == 1 else None
        await self._ledger.settle(orphan, Orphaned(billed, cost if billed == "yes" else None, found.said(orphan.key)))

    def _price(self, intent: Intent) -> Price:
        """Return what a call may have been billed."""
        model = self._model(intent)
        if model is None or model.max_price is None:
            return Price(None, intent.price or None)
        return Price(None if model.min_price is None else as_billed(model.min_price), as_billed(model.max_price))

    def _model(self, intent: Intent) -> Model | None:
        models: Mapping[str, Model] = self._models or {}
        return models.get(intent.model or "")
