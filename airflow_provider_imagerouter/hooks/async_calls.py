"""Carrying out calls asynchronously: at the pace of all, again where that is safe, and off the event loop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from tenacity import AsyncRetrying

from airflow_provider_imagerouter.api.credits import get_credits_call
from airflow_provider_imagerouter.hooks import httpx_transport
from airflow_provider_imagerouter.hooks.pace import Pace, pace_of
from airflow_provider_imagerouter.hooks.resending import resending

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Call, Reply
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

T = TypeVar("T")

Check = Callable[[], Awaitable[None]]
"""Raises an error if something must not be done."""

LARGE_BYTES = 256 * 1024
"""An answer from this size on is read in a thread: the event loop has others to serve."""

PATIENCE_SECONDS = 5.0
"""How long what the account may do is waited for; it is good to know, and no more."""

log = logging.getLogger(__name__)

_background: set[asyncio.Task[None]] = set()


class AsyncCalls:
    """
    Carries out calls over one connection.

    :param settings: the connection
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._client = httpx_transport.new_client(settings)

    @property
    def _pace(self) -> Pace:
        """The pace in the event loop of the moment: a hook may be used in several."""
        return pace_of(self._settings)

    async def wait_for_turn(self) -> None:
        """Wait for the turn of a paid call; the second one asks what the account may do, while it waits."""
        if self._pace.is_worth_asking():
            asking = asyncio.create_task(self._ask_for_pace())
            _background.add(asking)
            asking.add_done_callback(_background.discard)
        await self._pace.turn()

    async def run(self, call: Call[T], *, has_turn: bool = False, before_resending: Check | None = None) -> T:
        """
        Carry out a call, and return what its answer means.

        :param call: what to send
        :param has_turn: whether :meth:`wait_for_turn` was awaited just before
        :param before_resending: awaited just before the call is sent again; not sent if it raises
        :raises ImageRouterError: if it is no success
        """
        if not has_turn:  # before the time for retries begins to run
            await (self._pace.turn() if call.is_free else self.wait_for_turn())

        async def wait(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await self._pace.turn()
            if before_resending:
                await before_resending()

        retrying = AsyncRetrying(sleep=wait, **resending(self._settings.retry_timeout))
        return await retrying(self._once, call)

    async def _once(self, call: Call[T]) -> T:
        reply = await httpx_transport.exchange(self._client, self._settings, call)
        try:
            return await _read(call, reply)
        finally:
            if not call.is_free:
                self._learn(reply)

    def _learn(self, reply: Reply) -> None:
        """Learn from a reply's headers, whatever is in them: what it answered is paid for."""
        try:
            self._pace.learn(reply)
        except Exception as error:
            log.debug("Nothing is learnt from the headers %r: %r", reply.headers, error)

    async def _ask_for_pace(self) -> None:
        """Find out what the account may do, from what it holds: no header of a free call tells."""
        call = get_credits_call()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                reply = await httpx_transport.exchange(self._client, self._settings, call)
            self._pace.expect(call.result(reply).calls_per_second)
        except Exception as error:  # calls are then as slow as they were
            log.debug("How many calls the account may make is not known: %r", error)


async def _read(call: Call[T], reply: Reply) -> T:
    """Return what a reply means, without holding up the event loop; also if the task is cancelled meanwhile."""
    if len(reply.body) < LARGE_BYTES:
        return call.result(reply)
    reading = asyncio.get_running_loop().run_in_executor(_reader(), copy_context().run, call.result, reply)
    while not reading.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([reading])
    return reading.result()


@cache
def _reader() -> ThreadPoolExecutor:
    """Return the thread for large answers: decoding keeps the interpreter busy, and several at once would starve it."""
    return ThreadPoolExecutor(1, "imagerouter-reader")


os.register_at_fork(after_in_child=_reader.cache_clear)  # threads do not cross a fork
