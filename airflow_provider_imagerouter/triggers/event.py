"""What comes back from a trigger: it crossed a database, so it is checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

from airflow_provider_imagerouter import exceptions
from airflow_provider_imagerouter.exceptions import Billed, ImageRouterError, ImageRouterRateLimitError

MESSAGE_LENGTH = 4000
"""How much of an error's message goes into the database."""

SHOWN_LENGTH = 300
"""How much of an event that makes no sense is shown."""


def success_event(result: Any) -> dict[str, Any]:
    """
    Return the event of work that succeeded.

    :param result: what goes into XCom
    """
    return {"status": "success", "result": result}


def error_event(error: ImageRouterError) -> dict[str, Any]:
    """
    Return the event of work that failed.

    :param error: keeps its class and meaning across the trigger
    """
    return {
        "status": "error",
        "class": type(error).__name__,
        "message": str(error)[:MESSAGE_LENGTH],
        "status_code": error.status_code,
        "error_type": error.error_type,
        "billed": error.billed,
        "model": error.model,
        "results_path": error.results_path,
        "cost": None if error.cost is None else str(error.cost),
        "retry_after": getattr(error, "retry_after", None),
    }


def read_event(event: Any) -> Any:
    """
    Return the result that an event carries.

    :param event: as Airflow hands it to the resumed task
    :raises ImageRouterError: the error that the event carries, or that there is no event to speak of
    """
    if isinstance(event, Mapping):
        if event.get("status") == "success" and _is_result(event.get("result")):
            return event["result"]
        if event.get("status") == "error":
            raise _error(event)
    raise ImageRouterError(
        f"The trigger ended with an event that makes no sense: {str(event)[:SHOWN_LENGTH]}", billed="unknown"
    )


def _is_result(result: Any) -> bool:
    """Return whether this is a list of records, or the manifest of a batch."""
    if isinstance(result, Mapping):
        return {"results_path", "requests", "succeeded", "cost_usd"} <= result.keys()
    if not isinstance(result, list) or not result:
        return False
    return all(isinstance(record, Mapping) and {"uri", "cost_usd"} <= record.keys() for record in result)


def _error(event: Mapping[str, Any]) -> ImageRouterError:
    kind = getattr(exceptions, str(event.get("class")), None)
    if not (isinstance(kind, type) and issubclass(kind, ImageRouterError)):
        kind = ImageRouterError
    billed = event.get("billed")
    error = kind(
        str(event.get("message")),
        status_code=event.get("status_code"),
        error_type=event.get("error_type"),
        billed=billed if billed in get_args(Billed) else "unknown",
        cost=_money(event.get("cost")),
    )
    error.model = event["model"] if isinstance(event.get("model"), str) else None
    error.results_path = event["results_path"] if isinstance(event.get("results_path"), str) else None
    if isinstance(error, ImageRouterRateLimitError):
        error.retry_after = _number(event.get("retry_after"))
    return error


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _money(value: Any) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
