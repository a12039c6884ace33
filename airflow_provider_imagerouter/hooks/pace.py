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
"""What the API takes per IP address, over all routes (measured, February 2026)."""

LEAST_CALLS_PER_SECOND = 6.0
"""What it takes per key, however little the account holds (measured, February 2026)."""

MARGIN = 0.95
"""How much of what is allowed is used: the server counts by its own clock, and others may call, too."""

LONGEST_INTERVAL = 2.0
"""Seconds; whatever a header says, calls are not spaced further: a 429 says so when it is time."""

LOOK_AGAIN = 0.05
"""Seconds after which whoever waits looks whether another pace was learnt meanwhile."""

_POLICY = re.compile(r"([0-9]{1,9});\s*w=([0-9]{1,9})")


class Pace:
    """Spaces calls by what the API is known to allow; slowly until that is known."""

    def __init__(self) -> None:
        self._interval = 1 / (LEAST_CALLS_PER_SECOND * MARGIN)
        self._last = float("-inf")
        self._queue = asyncio.Lock()
        self._paid_calls = 0
        self._told = False

    async def turn(self) -> None:
        """Wait for the turn of the next call, in the order of coming."""
        async with self._queue:
            asked = time.monotonic()
            while (seconds := self._last + self._interval - time.monotonic()) > 0:  # noqa: ASYNC110  # it is time
                await asyncio.sleep(min(seconds, LOOK_AGAIN))
            self._last = max(asked, self._last + self._interval)

    def is_worth_asking(self) -> bool:
        """Count a paid call, and return whether it is time to ask what is allowed: at the second, if nobody said."""
        self._paid_calls += 1
        return self._paid_calls == 2 and not self._told

    def expect(self, calls_per_second: float) -> None:
        """
        Adapt to what the API should allow, as long as it has not said what it does.

        :param calls_per_second: of the account's keys
        """
        if not self._told:
            self._allow(calls_per_second)

    def learn(self, reply: Reply) -> None:
        """
        Adapt to what an answer says is allowed.

        :param reply: to a paying call; others are limited by other rules, and say so in the same header
        """
        policy = _POLICY.match(reply.header("RateLimit-Policy") or "")
        if policy and int(policy[1]) and int(policy[2]):
            self._told = True
            self._allow(int(policy[1]) / int(policy[2]))

    def _allow(self, calls_per_second: float) -> None:
        self._interval = min(1 / (min(CALLS_PER_SECOND, calls_per_second) * MARGIN), LONGEST_INTERVAL)


_paces: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ConnectionSettings, Pace]] = WeakKeyDictionary()


def pace_of(settings: ConnectionSettings) -> Pace:
    """
    Return the pace that all calls over a connection share, in this event loop: a triggerer runs many tasks in one.

    :param settings: the connection
    """
    paces = _paces.setdefault(asyncio.get_running_loop(), {})
    return paces.setdefault(settings, Pace())
