"""What comes back from a trigger: it crossed a database, so it is checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_imagerouter import exceptions
from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterRateLimitError


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
        "message": str(error),
        "status_code": error.status_code,
        "error_type": error.error_type,
        "billed": error.billed,
        "retry_after": getattr(error, "retry_after", None),
    }


def read_event(event: Any) -> Any:
    """
    Return the result that an event carries.

    :param event: as Airflow hands it to the resumed task
    :raises ImageRouterError: the error that the event carries, or that there is no event to speak of
    """
    if isinstance(event, Mapping):
        if event.get("status") == "success" and event.get("result"):
            return event["result"]
        if event.get("status") == "error":
            raise _error(event)
    raise ImageRouterError(f"The trigger ended with an event that makes no sense: {str(event)[:300]}", billed="unknown")


def _error(event: Mapping[str, Any]) -> ImageRouterError:
    kind = getattr(exceptions, str(event.get("class")), ImageRouterError)
    message, error_type = str(event.get("message")), event.get("error_type")
    if kind is ImageRouterRateLimitError:
        return ImageRouterRateLimitError(
            message, retry_after=float(event.get("retry_after") or 0), error_type=error_type
        )
    if not (isinstance(kind, type) and issubclass(kind, ImageRouterError)):
        kind = ImageRouterError
    return kind(message, status_code=event.get("status_code"), error_type=error_type, billed=event.get("billed"))
