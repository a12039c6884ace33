"""
OpenAI's client for ImageRouter's text models, which tells it what it does not see by itself.

Most failures are a 200 with an ``error`` (measured, and seen in other clients until October 2026), which OpenAI's SDK
takes for a success; and what a call cost is in fields of ImageRouter's own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx2
import tenacity
from openai import AsyncOpenAI
from typing_extensions import override

from airflow_provider_imagerouter.api.parsing import read_number
from airflow_provider_imagerouter.api.refusal import read_retry_after, refusal_in_success
from airflow_provider_imagerouter.exceptions import (
    ImageRouterContentPolicyError,
    ImageRouterInsufficientCreditsError,
    ImageRouterInvalidRequestError,
    ImageRouterProviderError,
)

if TYPE_CHECKING:
    from airflow_provider_imagerouter.exceptions import ImageRouterResponseError
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

log = logging.getLogger(__name__)

ANSWER_SECONDS = 600.0
"""How long an answer is waited for: a model may think for minutes, and no source says that a heartbeat comes then."""

COST_FIELD = "logfire_ai_gateway"
"""In ``usage``: where pydantic-ai looks for what the gateway in front of a model charged."""

_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)

_STATUSES: dict[type[ImageRouterResponseError] | type[None], int] = {
    ImageRouterInsufficientCreditsError: 402,
    ImageRouterContentPolicyError: 400,
    ImageRouterInvalidRequestError: 400,
    ImageRouterProviderError: 502,
}
"""The statuses that errors in a 200 would have; any other would be a 500."""

_backoff = tenacity.wait_random_exponential(multiplier=2, max=15)


def new_openai_client(settings: ConnectionSettings, on_cost: Callable[[Decimal], None]) -> AsyncOpenAI:
    """
    Return a client of OpenAI's SDK that asks ImageRouter; it keeps no connection open, so it need not be closed.

    :param settings: the connection
    :param on_cost: told what each call cost, USD; of streamed answers it is not read
    """
    return AsyncOpenAI(
        base_url=f"{settings.base_url}/v1/openai",
        api_key=settings.api_key,
        default_headers=settings.headers,
        timeout=httpx2.Timeout(ANSWER_SECONDS, connect=settings.connect_timeout),
        max_retries=0,  # the SDK's would send again what may have run
        http_client=_Client(settings, on_cost),
    )


class _Client(httpx2.AsyncClient):
    """Sends again what surely did not run, and nothing else; follows no redirects: the key would go along."""

    def __init__(self, settings: ConnectionSettings, on_cost: Callable[[Decimal], None]) -> None:
        super().__init__(limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0))
        self._settings = settings
        self._on_cost = on_cost

    @override
    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_NOT_SENT) | tenacity.retry_if_result(_has_to_wait),
            wait=_wait,
            stop=tenacity.stop_before_delay(self._settings.retry_timeout),
            before_sleep=_say_so,
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        try:
            response: httpx2.Response = await retrying(self._send_once, request, stream=stream, **options)
        except httpx2.TransportError as error:  # which may quote what a server sent, and that the key
            raise type(error)(self._settings.redact(str(error)), request=request) from None
        return response if stream and response.status_code == 200 else self._translate(await _read(response))

    async def _send_once(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        response = await super().send(request, **options)
        return await _read(response) if _has_to_wait(response) else response

    def _translate(self, response: httpx2.Response) -> httpx2.Response:
        """Give an error in a 200 its status, put the cost where pydantic-ai reads it, and take the key out."""
        content = response.content.replace(self._settings.api_key.encode(), b"***")
        status_code = response.status_code
        try:
            payload = json.loads(content, parse_float=Decimal)
        except (ValueError, RecursionError):
            payload = None
        if status_code == 200 and isinstance(payload, dict):
            if not (payload.get("choices") or "output" in payload):
                status_code = _status(payload)
            cost = _cost(payload)
            if cost is not None:
                self._on_cost(cost)
                if isinstance(payload.get("usage"), dict):
                    payload["usage"][COST_FIELD] = {"cost": str(cost)}
            content = json.dumps(payload, default=float).encode()
        headers = {name: self._settings.redact(value) for name, value in response.headers.items()}
        headers = {name: value for name, value in headers.items() if name not in _OF_THE_BODY}
        if payload is not None:  # some of the API's answers do not say that they are JSON
            headers["content-type"] = "application/json"
        return httpx2.Response(status_code, headers=headers, content=content, request=response.request)


_OF_THE_BODY = {"content-length", "content-encoding", "transfer-encoding"}


async def _read(response: httpx2.Response) -> httpx2.Response:
    await response.aread()
    return response


def _status(payload: dict[str, Any]) -> int:
    """Return the status that an error in a 200 would have."""
    return _STATUSES.get(type(refusal_in_success(payload)), 500)


def _cost(payload: dict[str, Any]) -> Decimal | None:
    """Return what was charged: ``cost``; where that is missing what was used, which it is rounded up from."""
    usage = payload.get("usage")
    used = read_number(usage.get("cost")) if isinstance(usage, dict) else None
    charged = read_number(payload.get("cost"))
    return used if charged is None else charged


def _has_to_wait(response: httpx2.Response) -> bool:
    """Return whether a call was refused for the moment, before any work."""
    return response.status_code == 429 and "retry-after" in response.headers


def _wait(state: tenacity.RetryCallState) -> float:
    """Wait for as long as the server asked, with a little jitter."""
    if state.outcome is None or state.outcome.failed:
        return _backoff(state)
    asked: str = state.outcome.result().headers["retry-after"]
    return read_retry_after(asked) + tenacity.wait_random(0, 0.5)(state)


def _say_so(state: tenacity.RetryCallState) -> None:
    failed = state.outcome is not None and state.outcome.failed
    why = "could not connect to" if failed else "too many calls for"
    log.info("Words: %s ImageRouter. It did not run; trying again in %.1f s", why, state.upcoming_sleep)
