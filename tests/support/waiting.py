"""Waiting for a condition, instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

POLL_SECONDS = 0.1


def wait_for(what: str, look: Callable[[], Any], seconds: float = 120) -> Any:
    """Return the first true value of a function; fail with `what` if there is none in time."""
    until = time.monotonic() + seconds
    while not (value := look()):
        assert time.monotonic() < until, f"waited {seconds} s in vain for {what}"
        time.sleep(POLL_SECONDS)
    return value
