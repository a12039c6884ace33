"""When a batch stops: at what all its further requests, or all of one model, would meet, too."""

from __future__ import annotations

import logging

from airflow_provider_imagerouter.exceptions import (
    ImageRouterAccessError,
    ImageRouterAuthenticationError,
    ImageRouterBudgetError,
    ImageRouterConnectionError,
    ImageRouterDailyLimitError,
    ImageRouterError,
    ImageRouterInsufficientCreditsError,
    ImageRouterOrphanedIntentError,
    ImageRouterRateLimitError,
    ImageRouterResponseError,
    ImageRouterStorageError,
    ImageRouterUnknownOutcomeError,
)

log = logging.getLogger(__name__)

STOPPING = (
    ImageRouterAccessError,
    ImageRouterAuthenticationError,
    ImageRouterBudgetError,
    ImageRouterInsufficientCreditsError,
)
"""Errors that all further requests would meet, too."""

FREE_MODEL = ":free"
"""How the ids of models end that a 403 may be about, instead of the account."""

WAITED_OUT = (ImageRouterConnectionError, ImageRouterRateLimitError)
"""Errors of calls that were tried again for as long as the connection's ``retry_timeout`` says."""

IN_A_ROW = 3
"""After how many of these, without anything else in between, the API is taken to be away."""


class Stops:
    """
    What a batch does not send any more, and why.

    :param max_concurrency: how many requests are under way at a time, and may be hit by one broken connection or disk
    """

    def __init__(self, max_concurrency: int) -> None:
        self._most_at_a_time = max_concurrency
        self._in_a_row = 0
        self._models: dict[str | None, ImageRouterError] = {}
        self.everything: Exception | None = None

    def reason(self, model: str | None) -> Exception | None:
        """Return why requests of a model are not sent any more; None if they are."""
        return self.everything or self._models.get(model)

    def stop(self, error: Exception) -> None:
        """Send nothing more; the first reason counts."""
        if self.everything is None:
            log.error("Nothing more is sent, and what is under way may finish: %s", error)
            self.everything = error

    def heed_error(self, error: ImageRouterError, model: str | None, *, has_inputs: bool) -> None:
        """
        Decide what an error means for the requests that follow.

        :param error: how a request ended
        :param model: its model
        :param has_inputs: whether it may have been the fault of its own input pictures that storage failed
        """
        is_models = isinstance(error, ImageRouterAccessError) and str(model).endswith(FREE_MODEL)
        if isinstance(error, ImageRouterDailyLimitError) or is_models:
            if model not in self._models:
                log.error("No more requests of %s are sent: %s", model, error)
            self._models.setdefault(model, error)
        elif isinstance(error, STOPPING):
            self.stop(error)
        self._count(error, has_inputs=has_inputs)

    def heed_success(self) -> None:
        """Note that the API and the storage are there."""
        self._in_a_row = 0

    def _count(self, error: ImageRouterError, *, has_inputs: bool) -> None:
        if isinstance(error, WAITED_OUT):
            limit = IN_A_ROW
        elif _is_broken_connection(error) or (_is_storage(error) and not (has_inputs and error.billed == "no")):
            limit = IN_A_ROW + self._most_at_a_time
        else:
            if isinstance(error, ImageRouterResponseError):  # the API is there; others may not have asked it
                self._in_a_row = 0
            return
        self._in_a_row += 1
        if self._in_a_row >= limit:
            self.stop(error)


def _is_broken_connection(error: ImageRouterError) -> bool:
    is_of_earlier_attempt = isinstance(error, ImageRouterOrphanedIntentError)
    return isinstance(error, ImageRouterUnknownOutcomeError) and not is_of_earlier_attempt


def _is_storage(error: ImageRouterError) -> bool:
    return isinstance(error, ImageRouterStorageError)
