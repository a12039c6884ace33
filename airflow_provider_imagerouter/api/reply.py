"""Reading any reply of the API: JSON, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api import errors
from airflow_provider_imagerouter.api.parsing import parse_json, shorten, to_text
from airflow_provider_imagerouter.api.refusal import refusal_by_status

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Reply


def read_json(reply: Reply) -> dict[str, Any] | list[Any]:
    """
    Return the JSON object or array of a 2xx reply; numbers with a point are Decimal.

    :raises ImageRouterResponseError: for any other status, or a body that is neither
    :raises ImageRouterUnknownOutcomeError: if the body is cut short, or a proxy answered for the API
    """
    if not 200 <= reply.status_code < 300:
        raise refusal_by_status(reply)
    body = reply.take_body()
    payload = parse_json(body)
    if isinstance(payload, dict | list):
        return payload
    text = to_text(body)
    start = shorten(text)
    if start and (payload is not None or start[0] not in "{["):
        raise senseless("ImageRouter's answer", text, reply.status_code)
    said = f"is cut short: {start}" if start else "ended before it said anything"
    raise errors.ImageRouterUnknownOutcomeError(f"ImageRouter's answer {said}", status_code=reply.status_code)


def read_json_object(reply: Reply) -> dict[str, Any]:
    """
    Return the JSON object of a 2xx reply, as :func:`read_json` does.

    :raises ImageRouterServerError: if it is an array
    """
    payload = read_json(reply)
    if not isinstance(payload, dict):
        raise senseless("ImageRouter's answer", payload, reply.status_code)
    return payload


def senseless(what: str, value: Any, status_code: int | None = None) -> errors.ImageRouterServerError:
    """Return the error of an answer that makes no sense."""
    return errors.ImageRouterServerError(
        f"{what} makes no sense: {shorten(value)}", status_code=status_code, billed="unknown"
    )
