"""Rate limits: fixed windows of one second, as express-rate-limit counts them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

WINDOW_SECONDS = 1.0
GENERAL_LIMIT = 20
FREE_CALLS_PER_DAY = 50


@dataclass(frozen=True)
class Verdict:
    """What a limiter said to one request.

    :param limit: requests allowed in a second
    :param remaining: how many of them are left
    :param reset: whole seconds until the window ends
    :param exceeded: whether this request was one too many
    """

    limit: int
    remaining: int
    reset: int
    exceeded: bool

    @property
    def headers(self) -> dict[str, str]:
        """The headers that describe it."""
        headers = {
            "RateLimit-Policy": f"{self.limit};w=1",
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        if self.exceeded:
            headers["Retry-After"] = str(max(self.reset, 1))
        return headers


class FixedWindow:
    """Counts the requests of each client in a window that opens with the first of them."""

    def __init__(self) -> None:
        """Start without clients."""
        self._windows: dict[str, tuple[float, int]] = {}

    def hit(self, client: str, limit: int) -> Verdict:
        """Count one request.

        :param client: who sent it
        :param limit: requests allowed in a second
        """
        now = time.monotonic()
        ends, hits = self._windows.get(client, (0.0, 0))
        if ends <= now:
            ends, hits = now + WINDOW_SECONDS, 0
        self._windows[client] = (ends, hits + 1)
        return Verdict(limit, max(limit - hits - 1, 0), math.ceil(ends - now), hits + 1 > limit)


def limit_for_key(balance_usd: float, video: bool) -> int:
    """Say how many paying calls a second an account may make.

    :param balance_usd: what the account has left
    :param video: on the video endpoint
    """
    if video:
        return min(max(1, math.floor(balance_usd / 6)), 20)
    return min(max(6, math.floor(balance_usd * 4)), 100)
