"""Fetching what a link leads to. The API key is never sent along."""

from __future__ import annotations

import logging

import httpx
import tenacity

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.hooks.httpx_transport import ssl_context

log = logging.getLogger(__name__)

MAX_LINK_BYTES = 1024 * 1024 * 1024
"""The largest file that is fetched from a link."""

ATTEMPTS = 4


class _TemporaryFailureError(ImageRouterStorageError):
    """The link did not answer this time; it may the next."""


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(_TemporaryFailureError),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    wait=tenacity.wait_random_exponential(multiplier=1, max=10),
    before_sleep=tenacity.before_sleep_log(log, logging.INFO),
    reraise=True,
)
async def fetch(url: str, *, connect_timeout: float, read_timeout: float, max_bytes: int = MAX_LINK_BYTES) -> bytes:
    """
    Return the bytes a link leads to; tried again, since fetching costs nothing.

    :param url: ``http`` or ``https``; redirects are followed
    :param connect_timeout: seconds to wait for a connection
    :param read_timeout: seconds of silence after which the answer is given up
    :param max_bytes: fetching stops when it has this many
    :raises ImageRouterStorageError: if they could not be had; ``status_code`` is the link's, if it answered
    """
    timeout = httpx.Timeout(read_timeout, connect=connect_timeout)
    try:
        async with (
            httpx.AsyncClient(verify=ssl_context(), timeout=timeout, follow_redirects=True) as client,
            client.stream("GET", url) as response,
        ):
            _check_status(url, response.status_code)
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) >= max_bytes:
                    break
            return bytes(content)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ImageRouterStorageError(f"{url} is not a link that can be fetched: {error}") from None
    except httpx.HTTPError as error:
        raise _TemporaryFailureError(f"Could not fetch {url}: {type(error).__name__} {error}") from error


def _check_status(url: str, status: int) -> None:
    if status == 200:
        return
    kind = _TemporaryFailureError if status == 429 or status >= 500 else ImageRouterStorageError
    raise kind(f"Could not fetch {url}: it answered {status}", status_code=status)
