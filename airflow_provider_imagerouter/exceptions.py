"""
Everything that can go wrong, and what it means for the task and for the bill.

::

    ImageRouterError                             try again?     money spent?
    ├── ImageRouterInputError                    no             no
    ├── ImageRouterConnectionError               yes            no
    ├── ImageRouterUnknownOutcomeError           yes            unknown
    │   └── ImageRouterOrphanedIntentError       no             unknown
    ├── ImageRouterResponseError
    │   ├── ImageRouterAuthenticationError       no             no
    │   ├── ImageRouterAccessError               no             no
    │   ├── ImageRouterInvalidRequestError       no             no
    │   ├── ImageRouterInsufficientCreditsError  no             no
    │   ├── ImageRouterContentPolicyError        no             no, unless `billed` says so
    │   ├── ImageRouterRateLimitError            yes, after it  no
    │   ├── ImageRouterDailyLimitError           no             no
    │   ├── ImageRouterProviderError             yes            no, unless `billed` says so
    │   └── ImageRouterServerError               yes            `billed` says
    ├── ImageRouterBudgetError                   no             no
    ├── ImageRouterBatchError                    yes            the results say
    │   └── ImageRouterBatchRefusedError         no             the results say
    └── ImageRouterStorageError                  yes            yes, unless `billed` says so

Where another try makes no sense the class is also an
:class:`~airflow.sdk.exceptions.AirflowFailException`: Airflow then fails the task at once, whatever its ``retries``.

Source of the cases: ImageRouter's server source (commit 9615cf3, February 2026), measured on the wire.
``api/refusal.py`` says which is which.
"""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any, ClassVar, Literal, Self, TypedDict

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

Billed = Literal["yes", "no", "unknown"]

ERRORS_PAGE = "docs/errors.md"
"""Where each class has its entry, a heading of its name; an address as soon as the documents have a public home."""


class Bill(TypedDict):
    """What is known of a bill."""

    billed: Billed
    cost: Decimal | None


class ImageRouterError(AirflowException):
    """
    The base of every error of this package.

    :param message: what was wrong, which value, what is allowed
    :param status_code: HTTP status of the answer, if one came
    :param error_type: the API's own ``error.type``, if it gave one
    :param billed: whether money was spent: ``"yes"``, ``"no"`` or ``"unknown"``
    :param cost: USD, what was billed, if the answer said so
    """

    billed: Billed = "no"
    advice: ClassVar[str] = "See the log of its triggerer"
    """What to do, where Airflow does not try again."""
    model: str | None = None
    """The model that was asked, if one was; among several (``fallback_models``) this says whose error it is."""
    results_path: str | None = None
    """Where a batch that failed has written what became of its requests, as in its manifest."""
    status_code: int | None  # type: ignore[assignment]  # AirflowException's is of Airflow's own API

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        error_type: str | None = None,
        billed: Billed | None = None,
        cost: Decimal | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.error_type = error_type
        self.cost = cost
        if billed is not None:
            self.billed = billed

    @property
    def entry(self) -> str:
        """Where the documents say what it means."""
        return f"{ERRORS_PAGE}#{type(self).__name__.lower()}"

    def with_message(self, message: str) -> Self:
        """
        Return this error with another message; it keeps its class and all else that it knows, its cause included.

        :param message: what to say instead
        """
        error = copy.copy(self)
        error.args = (message,)
        error.__cause__ = self.__cause__
        return error


class ImageRouterInputError(ImageRouterError, AirflowFailException):
    """A parameter or an input picture is bad; found before anything was sent."""

    advice = "Correct it, then clear the task"


class ImageRouterConnectionError(ImageRouterError):
    """The API was never reached: no name, no connection, no TLS. Nothing was sent."""

    advice = "Check the network and the connection's Base URL"


class ImageRouterUnknownOutcomeError(ImageRouterError):
    """The call was sent, but its end is not known: it may have run, and it may be billed."""

    advice = "Clear the task; on_orphaned_intent decides"
    billed: Billed = "unknown"


class ImageRouterOrphanedIntentError(ImageRouterUnknownOutcomeError, AirflowFailException):
    """An earlier attempt sent the call and never learnt its end, and ``on_orphaned_intent`` is ``"fail"``."""

    advice = "Allow it by on_orphaned_intent"


class ImageRouterResponseError(ImageRouterError):
    """The API answered, and the answer is no."""

    advice = "Look at the answer"


class ImageRouterAuthenticationError(ImageRouterResponseError, AirflowFailException):
    """The API key is wrong or missing (401)."""

    advice = "Correct the connection's API key"


class ImageRouterAccessError(ImageRouterResponseError, AirflowFailException):
    """The account may not do this: blocked, or a free model without a deposit (403)."""

    advice = "Look at the account on imagerouter.io"


class ImageRouterInvalidRequestError(ImageRouterResponseError, AirflowFailException):
    """The API refuses the parameters, or the model does not take what was sent (400, other 4xx)."""

    advice = "Change the parameters or the model"


class ImageRouterInsufficientCreditsError(ImageRouterResponseError, AirflowFailException):
    """The account holds too little for this model."""

    advice = "Add credits, then clear the task"


class ImageRouterContentPolicyError(ImageRouterResponseError, AirflowFailException):
    """The provider refuses the prompt or the picture; sending the same again does not help."""

    advice = "Change the prompt or the picture"


class ImageRouterRateLimitError(ImageRouterResponseError):
    """
    Too many calls just now (any other 429); the call did not run.

    :param retry_after: seconds the server asks to wait
    """

    advice = "Let fewer tasks run at a time, such as in a pool"

    def __init__(self, message: str, *, retry_after: float = 0.0, status_code: int | None = 429, **known: Any) -> None:
        super().__init__(message, status_code=status_code, **known)
        self.retry_after = retry_after


class ImageRouterDailyLimitError(ImageRouterResponseError, AirflowFailException):
    """The day's free calls are used up (the API's own 429 without ``Retry-After``)."""

    advice = "Wait a day, or ask a model that is paid for"


class ImageRouterProviderError(ImageRouterResponseError):
    """The provider behind the API failed; its price is given back unless `billed` is ``"yes"``."""

    advice = "Clear the task later, or name fallback_models"


class ImageRouterServerError(ImageRouterResponseError):
    """The API's own 500, what broke inside it (`billed` is then ``"unknown"``), or an answer without sense."""

    advice = "Clear the task later"


class ImageRouterBatchError(ImageRouterError):
    """Some requests of a batch failed; another try sends only those."""

    advice = "Clear the task: only what failed is sent again"


class ImageRouterBatchRefusedError(ImageRouterBatchError, AirflowFailException):
    """Some requests of a batch failed, and none of them would succeed at another try."""

    advice = "Change the requests that the results name"


class ImageRouterBudgetError(ImageRouterError, AirflowFailException):
    """The next call could pass ``max_cost_usd`` or ``max_run_cost_usd``, or its key did; it did not run."""

    advice = "Raise the limit, then clear the task"


class ImageRouterStorageError(ImageRouterError):
    """A picture could not be fetched or stored. A generated one exists and is paid for."""

    advice = "Repair the place named, then clear the task"
    billed: Billed = "yes"
