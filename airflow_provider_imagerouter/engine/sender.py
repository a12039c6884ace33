"""Sending one request: within the budget, at the API's pace, and noted in the ledger before and after."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_imagerouter.engine.budget import Budget, Reservation, highest_price
from airflow_provider_imagerouter.engine.unbooked import find_file, is_stored_link, stored_id
from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterServerError, ImageRouterStorageError
from airflow_provider_imagerouter.ledger.entries import Answered, Orphaned
from airflow_provider_imagerouter.ledger.journal import ROOM

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.api.catalogue import Catalogue
    from airflow_provider_imagerouter.api.request import Request
    from airflow_provider_imagerouter.engine.attempt_key import AttemptKey, AttemptKeys
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
    from airflow_provider_imagerouter.ledger.ledger import Ledger

log = logging.getLogger(__name__)

T = TypeVar("T")


class Sender:
    """
    Sends the requests of one task instance.

    :param hook: the connection
    :param ledger: where intents and answers are noted
    :param budget: what may be spent; None for no limit
    :param keys: make the API key that calls are made with; None for the connection's
    :param models: the catalogue, if it is at hand: a call that is billed more than it says warns
    :param outlives_task: whether this process goes on when the task is stopped, as a triggerer does: then calls in
        flight go on, and their answers are noted for the next attempt
    :param log_level: of the lines that tell of each call
    """

    def __init__(
        self,
        hook: ImageRouterAsyncHook,
        ledger: Ledger,
        budget: Budget | None,
        *,
        keys: AttemptKeys | None = None,
        models: Catalogue | None = None,
        outlives_task: bool,
        log_level: int,
    ) -> None:
        self._hook = hook
        self._ledger = ledger
        self._budget = budget
        self._keys = keys
        self._models = models
        self._outlives_task = outlives_task
        self._log_level = log_level
        self._link: str | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    @property
    def leaves_calls_behind(self) -> bool:
        """Whether calls go on although the task ends."""
        return self._outlives_task and bool(self._under_way)

    async def wait(self) -> None:
        """Wait for the end of all that is under way, whatever it is."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def send(self, key: str, request: Request) -> Answered:
        """
        Send a request.

        :param key: of its entry in the ledger
        :param request: with its input pictures
        :return: the answer; noted, unless the ledger failed
        :raises ImageRouterError: if no answer came, or the budget does not allow the call
        """
        room = 4 * len(request.prompt or "")
        reservation = await self._reserve(request)
        try:
            api_key = await self._keys.get() if self._keys else None
            await self._hook.wait_for_turn()  # first, so that a call that waits for it is no orphan if this ends here
            name = api_key.name if api_key else None
            await self._ledger.intend(key, reservation.price, room, model=request.model, api_key=name)
        except BaseException:
            await reservation.settle(Decimal(0))
            raise
        call = self._begin(self._call(key, request, reservation, room, api_key))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            if not self._outlives_task:
                call.cancel()
            raise

    async def _reserve(self, request: Request) -> Reservation:
        if self._budget:
            return await self._budget.reserve(request.model)
        return Reservation(None, highest_price(self._models, request.model) if self._models else None)

    async def _call(
        self, key: str, request: Request, reservation: Reservation, room: int, api_key: AttemptKey | None
    ) -> Answered:
        log.log(self._log_level, "Asking %s for %s", request.model, request)
        started = time.monotonic()
        try:
            answer = await self._ask(key, request, api_key)
        except ImageRouterError as error:
            failure = await asyncio.shield(self._begin(self._note_failure(key, error, reservation, room, api_key)))
            _warn_of_bill(request.model, failure.cost, reservation.price)
            raise failure from None
        except BaseException:
            if api_key:
                api_key.count(None)
            await reservation.settle(None)
            raise
        if api_key:
            api_key.count(answer.cost)
        answer = _dated(answer)
        answered = await asyncio.shield(self._begin(self._note_answer(key, answer, reservation, room)))
        _warn_of_bill(request.model, answer.cost, reservation.price)
        seconds = time.monotonic() - started
        log.log(self._log_level, "%s answered in %.1f s: %s", request.model, seconds, answer)
        return answered

    async def _ask(self, key: str, request: Request, api_key: AttemptKey | None) -> Answer:
        try:
            answer = await self._hook.send(
                request,
                has_turn=True,
                key=api_key.key if api_key else None,
                before_resending=self._ledger.keep_claim,
            )
        except ImageRouterServerError as error:
            file_id = stored_id(error)
            found = await self._find_unbooked(key, request, file_id) if file_id else None
            if found is None:
                raise
            return found
        self._link = next((link for each in answer.pictures if (link := each.url) and is_stored_link(link)), self._link)
        return answer

    async def _find_unbooked(self, key: str, request: Request, file_id: str) -> Answer | None:
        try:
            await self._ledger.unbooked(key, file_id)
        except ImageRouterStorageError as error:
            log.warning("%s. Only this attempt knows where to look for a picture that was not booked", error)
        return await self._find_file(request, file_id)

    async def _find_file(self, request: Request, file_id: str) -> Answer | None:
        link = self._link or self._ledger.link
        link = link if link and is_stored_link(link) else None
        return await find_file(file_id, request, link, await self._hook.get_settings())

    async def take_unbooked(self, key: str, request: Request, orphan: Orphaned) -> Answered | None:
        """
        Return the answer that an earlier attempt's call would have had, if its picture could only not be booked.

        :param key: of its entry in the ledger
        :param request: what was asked
        :param orphan: what is known of the call
        :raises ImageRouterStorageError: if it is there, but cannot be noted
        """
        answer = await self._find_file(request, orphan.file_id) if orphan.file_id else None
        if answer is None:
            return None
        return await self._ledger.answered(key, orphan.cost, _dated(replace(answer, cost=orphan.cost)), -ROOM)

    async def _note_answer(self, key: str, answer: Answer, reservation: Reservation, room: int) -> Answered:
        cost = reservation.price if answer.cost is None else answer.cost
        try:
            return await self._ledger.answered(key, cost, answer, room)
        except ImageRouterStorageError as error:
            log.warning("%s. Until its pictures are stored, this attempt alone knows of the answer", error)
            return Answered(answer, (), noted=False)
        finally:
            await reservation.settle(cost)

    async def _note_failure(
        self, key: str, error: ImageRouterError, reservation: Reservation, room: int, api_key: AttemptKey | None
    ) -> ImageRouterError:
        """Note how a call failed, and return the error that this is."""
        if self._keys and api_key:
            error = await self._keys.budgets_end(api_key, error, reservation.price)
        cost = Decimal(0) if error.billed == "no" else error.cost
        if api_key:
            api_key.count(cost)
        await reservation.settle(cost)
        if error.billed == "unknown":
            return error
        try:
            is_guessed = cost is None
            await self._ledger.ended(key, reservation.price if is_guessed else cost, room, guessed=is_guessed)
        except ImageRouterStorageError as storage_error:
            log.warning("%s. A retry will take the call for one whose end is unknown", storage_error)
        return error

    def _begin(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin what goes on to its end even if nobody waits for it any more."""
        task = asyncio.create_task(coroutine)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task


def _dated(answer: Answer) -> Answer:
    """Return an answer that says when it was made: now, if it does not. The ledger notes it for later attempts."""
    return answer if answer.created_at else replace(answer, created_at=datetime.now(UTC))


def _warn_of_bill(model: str, cost: Decimal | None, price: Decimal | None) -> None:
    """Say that a call was billed more than the catalogue said it could be, where that is known."""
    if cost is not None and price is not None and cost > price:
        log.warning("%s was billed $%s for a call; its highest price in the catalogue is $%s", model, cost, price)
