"""The ledger for an event loop: its methods, which block, run in threads, and its lease is renewed meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.ledger.ledger import Entry, Ledger
    from airflow_provider_imagerouter.records import Record

log = logging.getLogger(__name__)

T = TypeVar("T")


class AsyncLedger:
    """
    A ledger that does not block the event loop. Whatever its place raises is an ImageRouterStorageError here.

    :param ledger: the ledger
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._renewing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin an attempt, and keep it alive until :meth:`close`."""
        if not self._ledger.lasting:
            log.warning(
                "There is nowhere to keep notes across attempts (no output_path, no [imagerouter] ledger_path, "
                "no task state store): a retry of this task would pay again"
            )
        await _in_thread(self._ledger.open)
        self._renewing = asyncio.create_task(self._renew())

    async def close(self) -> None:
        """End the attempt. An owner that cannot be removed is taken for dead when its lease is over."""
        if self._renewing:
            self._renewing.cancel()
        with suppress(ImageRouterStorageError):
            await _in_thread(self._ledger.close)

    async def costs(self) -> list[Decimal]:
        """See :meth:`Ledger.costs`."""
        return await _in_thread(self._ledger.costs)

    async def look(self, key: str) -> Entry:
        """See :meth:`Ledger.look`."""
        return await _in_thread(self._ledger.look, key)

    async def claim(self, entry: Entry, price: Decimal | None, room: int) -> Entry | None:
        """See :meth:`Ledger.claim`."""
        return await _in_thread(self._ledger.claim, entry, price, room)

    async def ended(self, entry: Entry) -> None:
        """See :meth:`Ledger.ended`."""
        await _in_thread(self._ledger.ended, entry)

    async def answered(self, entry: Entry, answer: Answer) -> None:
        """See :meth:`Ledger.answered`."""
        await _in_thread(self._ledger.answered, entry, answer)

    async def stored(self, entry: Entry, records: Sequence[Record]) -> None:
        """See :meth:`Ledger.stored`."""
        await _in_thread(self._ledger.stored, entry, records)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ledger.lease_seconds / 3)
            try:
                await _in_thread(self._ledger.renew)
            except ImageRouterStorageError as error:
                log.warning("Could not renew the ledger's lease: %s", error)


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads(), function, *args)
    except ImageRouterStorageError as error:
        raise ImageRouterStorageError(str(error), billed="no") from error
    except Exception as error:
        message = f"The ledger could not be used: {type(error).__name__}: {error}"
        raise ImageRouterStorageError(message, billed="no") from error


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the process's threads for ledgers: not asyncio's, which a full disk or a slow store could use up."""
    return ThreadPoolExecutor(8, thread_name_prefix="imagerouter-ledger")
