"""Writing a journal from an event loop: lines that come together are put down together, in threads of its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple, TypeVar

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.ledger.place import Appender

T = TypeVar("T")

LAG_SECONDS = 0.25
"""How long a line that may lag waits for others to be put down with."""

ROOM = 4096
"""Bytes that are kept free for the answer to each request that was sent, so that it fits even on a full disk."""


class _Note(NamedTuple):
    """
    A line on its way.

    :param line: the line
    :param room: what it takes of what is kept free, or gives back
    :param down: ends when it is put down
    """

    line: bytes
    room: int
    down: asyncio.Future[None]


class Journal:
    """
    The journal of one attempt.

    :param appender: its end
    :param seconds_between_appends: how long to gather lines
    :param room: bytes to be kept free for what follows an earlier journal of the same attempt
    """

    def __init__(self, appender: Appender, seconds_between_appends: float, room: int = 0) -> None:
        self._appender = appender
        self._interval = seconds_between_appends
        self._next = 0.0
        self.room = room
        self._may_lag = True
        self._waiting: list[_Note] = []
        self._writing: asyncio.Task[None] | None = None

    async def note(self, line: bytes, room: int = 0, *, may_lag: bool = False) -> None:
        """
        Put a line down; it outlives a power cut once this returns.

        :param line: the line
        :param room: bytes to be kept free for what follows it, from now on; less than 0 to give them back
        :param may_lag: whether it may wait until there are others
        :raises ImageRouterStorageError: if it could not be put down
        """
        note = _Note(line, room, asyncio.get_running_loop().create_future())
        self.room += room
        self._waiting.append(note)
        if may_lag and self._may_lag:
            asyncio.get_running_loop().call_later(LAG_SECONDS, self._begin)
        else:
            self._begin()
        await asyncio.shield(note.down)

    def hurry(self) -> None:
        """Let no line wait for others any more."""
        self._may_lag = False
        self._begin()

    async def close(self) -> None:
        """Wait until all is put down, and give back what was kept free."""
        self.hurry()
        if self._writing:
            await self._writing
        await in_thread(self._appender.close)

    def _begin(self) -> None:
        if self._waiting and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._interval
            waiting, self._waiting = self._waiting, []
            if error := await self._append(waiting):
                answers = [note for note in waiting if note.room < 0]  # for which room was kept
                others = [note for note in waiting if note.room >= 0]
                self._fail(others, error)
                if not (others and answers) or (error := await self._append(answers)):
                    self._fail(answers, error)

    async def _append(self, notes: list[_Note]) -> ImageRouterStorageError | None:
        """Append notes together; return why that failed, if it did."""
        try:
            await in_thread(self._appender.append, b"".join(note.line for note in notes), max(0, self.room))
        except ImageRouterStorageError as error:
            return error
        for note in notes:
            note.down.set_result(None)
        return None

    def _fail(self, notes: list[_Note], error: ImageRouterStorageError) -> None:
        for note in notes:
            self.room -= max(0, note.room)
            note.down.set_exception(error)
            note.down.exception()  # whoever waited may be gone


async def in_thread(function: Callable[..., T], *args: object) -> T:
    """
    Call what blocks, in a thread of those that are kept for ledgers.

    :param function: what to call
    :param args: its arguments
    :raises ImageRouterStorageError: in place of whatever it raises
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads(), function, *args)
    except ImageRouterStorageError as error:
        error.billed = "no"
        raise
    except Exception as error:
        message = f"The ledger could not be used: {type(error).__name__}: {error}"
        raise ImageRouterStorageError(message, billed="no") from error


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the process's threads for ledgers: not asyncio's, which a full disk or a slow store could use up."""
    return ThreadPoolExecutor(16, thread_name_prefix="imagerouter-ledger")


os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not cross a fork
