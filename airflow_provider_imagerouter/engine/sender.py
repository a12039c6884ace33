"""Sending one request: within the budget, at the API's pace, and noted in the ledger before and after."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterStorageError

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.api.request import Request
    from airflow_provider_imagerouter.engine.budget import Budget
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
    from airflow_provider_imagerouter.ledger.async_ledger import AsyncLedger
    from airflow_provider_imagerouter.ledger.ledger import Entry

log = logging.getLogger(__name__)


class Sender:
    """
    Sends the requests of one task instance.

    :param hook: the connection
    :param ledger: where intents and answers are noted
    :param budget: what may be spent; None for no limit
    :param outlives_task: whether this process goes on when the task is stopped, as a triggerer does: then calls in
        flight go on, and their answers are noted for the next attempt
    :param log_level: of the lines that tell of each call
    """

    def __init__(
        self,
        hook: ImageRouterAsyncHook,
        ledger: AsyncLedger,
        budget: Budget | None,
        *,
        outlives_task: bool,
        log_level: int,
    ) -> None:
        self._hook = hook
        self._ledger = ledger
        self._budget = budget
        self._outlives_task = outlives_task
        self._log_level = log_level
        self._in_flight: set[asyncio.Task[tuple[Entry, Answer]]] = set()

    @property
    def leaves_calls_behind(self) -> bool:
        """Whether calls go on although the task ends."""
        return self._outlives_task and bool(self._in_flight)

    async def wait(self) -> None:
        """Wait for the end of all calls in flight, whatever it is."""
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def send(self, entry: Entry, request: Request) -> tuple[Entry, Answer] | None:
        """
        Claim and send a request.

        :param entry: as it stands in the ledger, ``free`` or ``orphaned``
        :param request: with its input pictures
        :return: the entry and the answer; None if another attempt claimed it first
        :raises ImageRouterError: if no answer came, or the budget does not allow the call
        """
        price = await self._budget.reserve(request.model) if self._budget else None
        claimed = None
        try:
            await self._hook.wait_for_turn()  # first, so that a call that waits for it is no orphan if this ends here
            claimed = await self._ledger.claim(entry, price, 4 * len(request.prompt or ""))
        finally:
            if claimed is None:
                await self._settle(price, Decimal(0))
        if claimed is None:
            return None
        call = asyncio.create_task(self._call(claimed, request, price))
        self._in_flight.add(call)
        call.add_done_callback(self._in_flight.discard)
        return await (asyncio.shield(call) if self._outlives_task else call)

    async def _call(self, claimed: Entry, request: Request, price: Decimal | None) -> tuple[Entry, Answer]:
        log.log(self._log_level, "Asking %s for %s", request.model, request)
        started = time.monotonic()
        try:
            answer = await self._hook.send(request, has_turn=True)
        except ImageRouterError as error:
            await self._note_failure(claimed, error, price)
            raise
        entry = replace(claimed, cost=price if answer.cost is None else answer.cost)
        try:
            await self._ledger.answered(entry, answer)
            entry = replace(entry, state="answered")
        except ImageRouterStorageError as error:
            log.warning("%s. Until its pictures are stored, this attempt alone knows of the answer", error)
        await self._settle(price, entry.cost)
        seconds = time.monotonic() - started
        log.log(self._log_level, "%s answered in %.1f s: %s", request.model, seconds, answer)
        return entry, answer

    async def _note_failure(self, claimed: Entry, error: ImageRouterError, price: Decimal | None) -> None:
        cost = price if error.cost is None else error.cost
        if error.billed == "no":
            cost = Decimal(0)
        await self._settle(price, cost)
        if error.billed == "unknown":
            return
        try:
            await self._ledger.ended(replace(claimed, cost=cost))
        except ImageRouterStorageError as storage_error:
            log.warning("%s. A retry will take the call for one whose end is unknown", storage_error)

    async def _settle(self, price: Decimal | None, cost: Decimal | None) -> None:
        if self._budget and price is not None:
            await self._budget.settle(price, price if cost is None else cost)
