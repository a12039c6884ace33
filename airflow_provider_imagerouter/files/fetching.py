"""Fetching what a link leads to. The API key is never sent along."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.request import getproxies, proxy_bypass

import httpx
import tenacity

from airflow_provider_imagerouter.files.errors import ReadError
from airflow_provider_imagerouter.files.hosts import addresses_of, is_public_address, is_public_name
from airflow_provider_imagerouter.files.locations import shown
from airflow_provider_imagerouter.hooks.httpx_transport import ssl_context

log = logging.getLogger(__name__)

MAX_LINK_BYTES = 1024 * 1024 * 1024
"""The largest file that is fetched from a link."""

ATTEMPTS = 4

MAX_REDIRECTS = 10

IDLE_SECONDS = 15.0
"""How long a connection is kept for the next link to the same host."""


class _TemporaryFailureError(ReadError):
    """The link did not answer this time; it may the next."""


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(_TemporaryFailureError),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    wait=tenacity.wait_random_exponential(multiplier=1, max=10),
    before_sleep=tenacity.before_sleep_log(log, logging.INFO),
    reraise=True,
)
async def fetch(
    url: str,
    *,
    connect_timeout: float,
    read_timeout: float,
    max_bytes: int = MAX_LINK_BYTES,
    public_only: bool = False,
) -> bytes:
    """
    Return the bytes a link leads to; tried again, since fetching costs nothing.

    :param url: ``http`` or ``https``; redirects are followed, but none from a public host to a private one
    :param connect_timeout: seconds to wait for a connection
    :param read_timeout: seconds of silence after which the answer is given up
    :param max_bytes: the most that is taken
    :param public_only: refuse a link to a private host, too
    :raises ReadError: if they could not be had; ``status_code`` is the link's, if it answered
    """
    patience = httpx.Timeout(read_timeout, connect=connect_timeout)
    try:
        async with _open(url, patience, public_only=public_only) as response:
            _check_status(url, response.status_code)
            return await _read(url, response, max_bytes)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ReadError(f"{shown(url)} is not a link that can be fetched: {error}") from None
    except (httpx.HTTPError, OSError) as error:
        raise _TemporaryFailureError(
            f"Could not fetch {shown(url)}: {type(error).__name__} {error}", may_pass=True
        ) from error


@asynccontextmanager
async def _open(url: str, patience: httpx.Timeout, *, public_only: bool) -> AsyncIterator[httpx.Response]:
    """Yield the answer at the end of all redirects, its body not read yet."""
    client, target = await _client(), httpx.URL(url)
    for _ in range(MAX_REDIRECTS + 1):
        request = client.build_request("GET", target, timeout=patience)
        if public_only:
            await _keep_public(request)
        response = await client.send(request, stream=True)
        try:
            if not response.has_redirect_location:
                yield response
                return
            public_only = public_only or _came_from_public(target, response)
            target = target.join(response.headers["Location"])
        finally:
            await response.aclose()
    raise ReadError(f"Could not fetch {shown(url)}: more than {MAX_REDIRECTS} redirects")


async def _keep_public(request: httpx.Request) -> None:
    """
    Refuse a private host, and connect to the very address that was found to be public, whatever its name leads to next.

    :raises ReadError: if it is private
    """
    host = request.url.host
    is_public = is_public_name(host)
    if is_public and not _has_proxy(request.url):  # else the proxy looks the name up
        addresses = await addresses_of(host, request.url.port)
        is_public = all(map(is_public_address, addresses))
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=addresses[0])
        request.headers["Connection"] = "close"  # one address may serve many hosts
    if not is_public:
        raise ReadError(
            f"The link leads to {host}, which is not a public host; it is not followed there from a public one, "
            "and never if [imagerouter] public_links_only is set"
        )


def _came_from_public(url: httpx.URL, response: httpx.Response) -> bool:
    """Return whether an answer's host is public, by the address that is at the other end of its connection."""
    if _has_proxy(url):
        return is_public_name(url.host)
    peer = response.extensions["network_stream"].get_extra_info("server_addr")
    return is_public_address(peer[0])


def _has_proxy(url: httpx.URL) -> bool:
    proxies = getproxies()
    return bool(proxies.get(url.scheme) or proxies.get("all")) and not proxy_bypass(url.host)


async def _read(url: str, response: httpx.Response, max_bytes: int) -> bytes:
    """Read a body; it is in memory once."""
    length = response.headers.get("Content-Length", "")
    content = io.BytesIO()
    if not (length.isdecimal() and int(length) > max_bytes):
        async for chunk in response.aiter_bytes():
            content.write(chunk)
            if content.tell() > max_bytes:
                break
        else:
            return content.getvalue()
    raise ReadError(f"{shown(url)} is too large: more than {max_bytes} bytes")


def _check_status(url: str, status: int) -> None:
    if status == 200:
        return
    kind = _TemporaryFailureError if status == 429 or status >= 500 else ReadError
    message = f"Could not fetch {shown(url)}: it answered {status}"
    raise kind(message, status_code=status, may_pass=kind is _TemporaryFailureError)


_clients: dict[asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, AsyncGenerator[None, None]]] = {}


async def _client() -> httpx.AsyncClient:
    """
    Return the event loop's client, which keeps connections for the next link.

    It is closed with the loop: ``asyncio.run`` closes asynchronous generators before it ends, and so :func:`_held`.
    """
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        for other in [other for other in list(_clients) if other.is_closed()]:  # other threads have loops of their own
            _clients.pop(other, None)
        client = httpx.AsyncClient(
            verify=ssl_context(),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=IDLE_SECONDS),
        )
        _clients[loop] = client, _held(client)
        await anext(_clients[loop][1])
    return _clients[loop][0]


async def _held(client: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        _clients.pop(asyncio.get_running_loop(), None)
        await client.aclose()
