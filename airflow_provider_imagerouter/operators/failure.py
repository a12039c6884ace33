"""How a task tells of its failure: what was wrong, what it cost, and whether Airflow tries again."""

from __future__ import annotations

import logging
import re
import textwrap
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_imagerouter.api.parsing import clean
from airflow_provider_imagerouter.api.request import text_parameter
from airflow_provider_imagerouter.exceptions import ImageRouterAuthenticationError, ImageRouterError

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_imagerouter.exceptions import Billed

log = logging.getLogger(__name__)

LINE_CHARACTERS = 90
"""How long a line is that Airflow's log view shows whole: it does not wrap, and has room for 95 in a window of 1400."""

MOST_CHARACTERS = 2000
"""How much of a message and of a prompt the XCom ``error`` has."""

_LINK = re.compile(r"https?://\S+", re.IGNORECASE)


class ErrorSummary(TypedDict):
    """
    The XCom ``error`` of a failed task. JSON types only; every key is always there.

    :param type: class of the error, such as ``ImageRouterProviderError``
    :param message: as the task ended with it, at most 2,000 characters; links without user info and query
    :param billed: whether money was spent: ``yes``, ``no`` or ``unknown``
    :param cost_usd: USD, what was billed, if that is known
    :param model: which one was asked, if that is known
    :param prompt: as asked, at most 2,000 characters; None if none was given, and of a batch
    :param results_path: of a batch: where its results are, as in its manifest; None if they could not be written
    """

    type: str
    message: str
    billed: Billed
    cost_usd: float | None
    model: str | None
    prompt: str | None
    results_path: str | None


def as_raised(error: ImageRouterError, context: Context, operator: BaseOperator) -> ImageRouterError:
    """
    Return an error as a task raises it: its message ends with the bill, whether another try follows, and what to do.

    What it cost is pushed as ``cost_usd``, if that is known, and what went wrong as ``error``. How the error came
    about is in the log, at DEBUG: raise what is returned ``from None``.

    :param error: what went wrong
    :param context: the task's
    :param operator: whose task it is
    """
    log.debug("How it came to the error", exc_info=error)
    said = str(error).rstrip().rstrip(".")
    if isinstance(error, ImageRouterAuthenticationError):
        said += f" (the connection is {getattr(operator, 'imagerouter_conn_id', None)!r})"
    name = type(error).__name__
    what = textwrap.wrap(f"{name}: {said}.", LINE_CHARACTERS, break_long_words=False, break_on_hyphens=False)
    to_do = "What it means" if is_tried_again(error, context) else error.advice
    lines = [*what, f"{say_bill(error)}; {say_next(error, context)}.", f"{to_do}: {error.entry}"]
    raised = error.with_message("\n".join(lines).removeprefix(f"{name}:").lstrip())
    if task_instance := context.get("ti"):
        if error.billed != "no" and error.cost is not None:
            _push(task_instance, "cost_usd", lambda: float(error.cost or 0))
        _push(task_instance, "error", lambda: summarize(raised, operator))
    return raised


def _push(task_instance: Any, key: str, value: Callable[[], Any]) -> None:
    with suppress(Exception):  # whatever Airflow's API raises: the error to tell of is another
        task_instance.xcom_push(key=key, value=value())


def summarize(error: ImageRouterError, operator: BaseOperator) -> ErrorSummary:
    """
    Return an error as it goes into XCom.

    :param error: as the task raises it
    :param operator: whose task it is
    """
    from airflow_provider_imagerouter.files.locations import public

    message = _LINK.sub(lambda link: public(link.group()) or "…", str(error)).replace("\n", " ")
    return {
        "type": type(error).__name__,
        "message": _short(message),
        "billed": error.billed,
        "cost_usd": None if error.cost is None else float(error.cost),
        "model": error.model or text_parameter(vars(operator), "model"),
        "prompt": _short(text_parameter(vars(operator), "prompt") or "") or None,
        "results_path": error.results_path,
    }


def _short(text: str) -> str:
    text = clean(text)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def say_bill(error: ImageRouterError) -> str:
    """
    Say what was billed.

    :param error: what went wrong
    """
    if error.billed == "yes" and error.cost is None:
        return "It was billed, but not said how much"
    if error.billed == "unknown" and error.cost:
        return f"${error.cost} were billed, and whether more was is not known"
    if error.billed == "unknown":
        return "Whether it was billed is not known"
    return f"${error.cost} were billed" if error.billed == "yes" and error.cost != Decimal(0) else "Nothing was billed"


def say_next(error: ImageRouterError, context: Context) -> str:
    """
    Say whether Airflow tries again.

    :param error: what went wrong
    :param context: the task's
    """
    if isinstance(error, AirflowFailException):
        return "it is not tried again, since that would not help"
    if not is_tried_again(error, context):
        return "no try is left"
    if getattr(context.get("task"), "retry_policy", None):
        return "it is tried again, unless its retry policy says otherwise"
    return "it is tried again"


def is_tried_again(error: ImageRouterError, context: Context) -> bool:
    """
    Return whether Airflow tries again, unless a retry policy says otherwise.

    :param error: what went wrong
    :param context: the task's
    """
    task_instance = context.get("ti")
    if isinstance(error, AirflowFailException) or task_instance is None:
        return False
    return bool(0 < task_instance.try_number <= task_instance.max_tries)
