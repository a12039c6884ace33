"""
Other models for a request whose own one could not make it.

The next model is asked only where that is free of doubt: the provider of the one before failed and nothing was billed,
or there is no such model any more. Each model has an entry of its own in the ledger, and a later attempt looks at all
of them before it sends anything.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_imagerouter.api.catalogue import MODEL_NOT_FOUND
from airflow_provider_imagerouter.exceptions import (
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterInvalidRequestError,
    ImageRouterProviderError,
)
from airflow_provider_imagerouter.ledger.entries import Answered, Orphaned, State, Stored

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.request import Request

log = logging.getLogger(__name__)

T = TypeVar("T")

_GONE = re.compile(
    r"\bmodel ['\"]?[^\s'\"]+['\"]? [^.,:;]*\b(available|exist|found|removed|retired|deprecated)\b|please switch to ",
    re.IGNORECASE,
)
"""
How it is said that a model is gone: ``model 'a/b' is not available``, ``This model is no longer available``, ``Please
switch to 'c/d'`` (ImageRouter's server source, February 2026), or in like words.
"""


@dataclass(frozen=True)
class Choice:
    """
    A request as one of its models is asked for it.

    :param key: of its entry in the ledger
    :param request: without its input pictures
    :param found: what earlier attempts noted of it
    """

    key: str
    request: Request
    found: State


def requests_of(request: Request, models: Sequence[str]) -> list[Request]:
    """
    Return a request as each of its models is to be asked for it, its own model first.

    :param request: with its own model
    :param models: the others, in order
    """
    extra = {name: value for name, value in (request.extra_body or {}).items() if name != "model"} or None
    others = [model for model in dict.fromkeys(models) if model != request.model]
    return [request, *(replace(request, model=model, extra_body=extra) for model in others)]


async def first_that_works(choices: Sequence[Choice], carry_out: Callable[[Choice], Awaitable[T]]) -> T:
    """
    Return what came of the first model that could make a request.

    What an earlier attempt was answered, by whichever model, is taken before anything is sent. A model whose call is
    orphaned comes before the others: what becomes of it, ``on_orphaned_intent`` says.

    :param choices: a choice a model, in order
    :param carry_out: takes a choice's pictures over, or sends its request
    :raises ImageRouterError: if no model could; the message says how each ended
    """
    failed: list[tuple[str, ImageRouterError]] = []
    for choice in _in_order(choices):
        model = choice.request.model
        if failed:
            log.warning("%s could not make it, and nothing was billed (%s). %s is asked", *failed[-1], model)
        try:
            return await carry_out(choice)
        except ImageRouterError as error:
            error.model = model
            failed.append((model, error))
            if not may_ask_another(error):
                break
    raise _summary(failed)


def _in_order(choices: Sequence[Choice]) -> list[Choice]:
    for choice in choices:
        if isinstance(choice.found, Stored | Answered):
            return [choice]
    return sorted(choices, key=lambda choice: not isinstance(choice.found, Orphaned))


def may_ask_another(error: ImageRouterError) -> bool:
    """Return whether another model may be asked after an error: nothing was billed, and another one may do better."""
    if isinstance(error, ImageRouterProviderError):
        return error.billed == "no"
    if isinstance(error, ImageRouterInvalidRequestError):
        return error.status_code in (400, 404) and _GONE.search(str(error)) is not None
    return isinstance(error, ImageRouterInputError) and error.error_type == MODEL_NOT_FOUND


def _summary(failed: Sequence[tuple[str, ImageRouterError]]) -> ImageRouterError:
    """Return the last error, or else one that a later try may get past; its message has the others."""
    model, error = failed[-1]
    if isinstance(error, ImageRouterInputError | ImageRouterInvalidRequestError):
        provider_failures = [known for known in failed if isinstance(known[1], ImageRouterProviderError)]
        model, error = (provider_failures or [failed[-1]])[-1]
    others = [f"{name} ended with: {str(known).rstrip('.')}" for name, known in failed if known is not error]
    return error.with_message(f"{model}: {str(error).rstrip('.')}. {'. '.join(others)}") if others else error
