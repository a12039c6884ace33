"""Slowing down before the API has to say so."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Reply
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

CALLS_PER_SECOND = 20.0
"""What the API takes per IP address, over all routes (measured)."""

LEAST_CALLS_PER_SECOND = 6.0
"""What it takes per key, however little the account holds (measured)."""

MARGIN = 0.8
"""How much of what is allowed is used: the server counts by its own clock, and others may call, too."""

_POLICY = re.compile(r"(\d+);w=(\d+)")


class Pace:
    """Spaces calls by the ``RateLimit-Policy`` header of their answers; slowly until one has come."""

    def __init__(self) -> None:
        self._interval = 1 / (LEAST_CALLS_PER_SECOND * MARGIN)
        self._next = 0.0
        self._queue = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for the turn of the next call, in the order of coming."""
        async with self._queue:
            now = time.monotonic()
            turn = max(now, self._next)
            await asyncio.sleep(turn - now)
            self._next = turn + self._interval  # which may have been learnt meanwhile

    def learn(self, reply: Reply) -> None:
        """
        Adapt to what an answer says is allowed.

        :param reply: to a paying call; others are limited less
        """
        policy = _POLICY.match(reply.header("RateLimit-Policy") or "")
        if policy and int(policy[1]) and int(policy[2]):
            allowed = min(CALLS_PER_SECOND, int(policy[1]) / int(policy[2]))
            self._interval = 1 / (allowed * MARGIN)


_paces: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ConnectionSettings, Pace]] = WeakKeyDictionary()


def pace_of(settings: ConnectionSettings) -> Pace:
    """
    Return the pace that all calls over a connection share, in this event loop: a triggerer runs many tasks in one.

    :param settings: the connection
    """
    paces = _paces.setdefault(asyncio.get_running_loop(), {})
    return paces.setdefault(settings, Pace())
