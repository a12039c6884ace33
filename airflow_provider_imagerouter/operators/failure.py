"""How a task tells of its failure: what was wrong, what it cost, and whether Airflow tries again."""

from __future__ import annotations

import logging
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_imagerouter.exceptions import ImageRouterAuthenticationError, ImageRouterError

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


def as_raised(error: ImageRouterError, context: Context, imagerouter_conn_id: str) -> ImageRouterError:
    """
    Return an error as a task raises it: its message ends with the bill, and with whether another try follows.

    What it cost is pushed as ``cost_usd``, if that is known. How the error came about is in the log, at DEBUG: raise
    what is returned ``from None``.

    :param error: what went wrong
    :param context: the task's
    :param imagerouter_conn_id: the connection that was used
    """
    log.debug("How it came to the error", exc_info=error)
    task_instance = context.get("ti")
    if task_instance and error.billed != "no" and error.cost is not None:
        with suppress(Exception):  # whatever Airflow's API raises: the error to tell of is another
            task_instance.xcom_push(key="cost_usd", value=float(error.cost))
    said = str(error).rstrip().rstrip(".")
    if isinstance(error, ImageRouterAuthenticationError):
        said += f" (the connection is {imagerouter_conn_id!r})"
    return error.with_message(f"{said}. {say_bill(error)}; {say_next(error, context)}.")


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
    task_instance = context.get("ti")
    if task_instance is None or not 0 < task_instance.try_number <= task_instance.max_tries:
        return "no try is left"
    if getattr(context.get("task"), "retry_policy", None):
        return "it is tried again, unless its retry policy says otherwise"
    return "it is tried again"
