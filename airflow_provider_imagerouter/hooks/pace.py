"""Slowing down before the API has to say so."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Reply

CALLS_PER_SECOND = 20.0
"""What the API takes per IP address, over all routes (measured)."""

MARGIN = 0.9
"""How much of what is allowed is used: the server counts by its own clock, and others may call, too."""

_POLICY = re.compile(r"(\d+);w=(\d+)")


class Pace:
    """Spaces the calls of one task, by what the ``RateLimit-Policy`` header of its answers allows."""

    def __init__(self) -> None:
        self._interval = 1 / (CALLS_PER_SECOND * MARGIN)
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the turn of the next call."""
        now = time.monotonic()
        turn = max(now, self._next)
        self._next = turn + self._interval
        await asyncio.sleep(turn - now)

    def learn(self, reply: Reply) -> None:
        """Adapt to what an answer says is allowed."""
        policy = _POLICY.match(reply.header("RateLimit-Policy") or "")
        if policy and int(policy[1]) and int(policy[2]):
            allowed = min(CALLS_PER_SECOND, int(policy[1]) / int(policy[2]))
            self._interval = 1 / (allowed * MARGIN)
