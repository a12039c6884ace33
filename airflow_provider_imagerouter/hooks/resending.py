"""Which calls are tried again inside the hooks: those that surely did not run, and no others."""

from __future__ import annotations

import logging
from typing import Any

import tenacity

from airflow_provider_imagerouter import telemetry
from airflow_provider_imagerouter.exceptions import ImageRouterConnectionError, ImageRouterRateLimitError

log = logging.getLogger(__name__)

_backoff = tenacity.wait_random_exponential(multiplier=2, max=15)


def resending(retry_timeout: float) -> dict[str, Any]:
    """
    Return the arguments for tenacity's ``Retrying`` and ``AsyncRetrying``.

    :param retry_timeout: seconds after the first try in which another may begin
    """
    return {
        "retry": tenacity.retry_if_exception_type((ImageRouterConnectionError, ImageRouterRateLimitError)),
        "wait": _wait,
        "stop": tenacity.stop_before_delay(retry_timeout),
        "before_sleep": _say_so,
        "reraise": True,
    }


def _wait(state: tenacity.RetryCallState) -> float:
    """Wait for as long as the server asked; with a little jitter, so that many tasks do not come back at once."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ImageRouterRateLimitError):
        return error.retry_after + tenacity.wait_random(0, 0.5)(state)
    return _backoff(state)


def _say_so(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    telemetry.resent(error)
    log.info("%s. It did not run; trying again in %.1f s", str(error).rstrip("."), state.upcoming_sleep)
