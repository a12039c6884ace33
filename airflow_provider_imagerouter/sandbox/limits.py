"""Rate limits: fixed windows, as express-rate-limit counts them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

GENERAL_LIMIT = 20
"""Requests a second from one client, over all routes."""

CLIENT_LIMIT = 6_000
"""Requests a minute from one client to the routes that cost money."""

FREE_CALLS_PER_DAY = 50


@dataclass(frozen=True)
class Verdict:
    """What a limiter said to one request.

    :param limit: requests allowed in a window
    :param window: length of the window, in seconds
    :param remaining: how many requests are left
    :param reset: whole seconds until the window ends
    :param exceeded: whether this request was one too many
    """

    limit: int
    window: int
    remaining: int
    reset: int
    exceeded: bool

    @property
    def headers(self) -> dict[str, str]:
        """The headers that describe it."""
        headers = {
            "RateLimit-Policy": f"{self.limit};w={self.window}",
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        if self.exceeded:
            headers["Retry-After"] = str(max(self.reset, 1))
        return headers


class FixedWindow:
    """Counts the requests of each client in a window that opens with the first of them.

    :param seconds: length of the window
    """

    def __init__(self, seconds: int = 1) -> None:
        """Start without clients."""
        self._seconds = seconds
        self._windows: dict[str, tuple[float, int]] = {}

    def hit(self, client: str, limit: int) -> Verdict:
        """Count one request.

        :param client: who sent it
        :param limit: requests allowed in a window
        """
        now = time.monotonic()
        ends, hits = self._windows.get(client, (0.0, 0))
        if ends <= now:
            ends, hits = now + self._seconds, 0
        self._windows[client] = (ends, hits + 1)
        return Verdict(limit, self._seconds, max(limit - hits - 1, 0), math.ceil(ends - now), hits + 1 > limit)


def limit_for_key(balance_usd: float, video: bool) -> int:
    """Say how many paying calls a second an account may make.

    :param balance_usd: what the account has left
    :param video: on the video endpoint
    """
    if video:
        return min(max(1, math.floor(balance_usd / 6)), 20)
    return min(max(6, math.floor(balance_usd * 4)), 100)
