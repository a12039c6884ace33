"""Carrying out calls with requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from airflow_provider_imagerouter.hooks.transport import Body, broken, not_sent

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Call, Reply
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

CHUNK_BYTES = 64 * 1024

_NOT_SENT = (
    urllib3.exceptions.ConnectTimeoutError,  # NewConnectionError is one, too
    urllib3.exceptions.ProxyError,
    requests.exceptions.InvalidURL,
)


@contextmanager
def _connecting(connection: HTTPConnection) -> Iterator[None]:
    """Mark whatever goes wrong while connecting, TLS handshake included, as what it is: nothing was sent."""
    try:
        yield
    except urllib3.exceptions.ConnectTimeoutError:
        raise
    except Exception as error:
        raise urllib3.exceptions.NewConnectionError(connection, f"{type(error).__name__}: {error}") from error


class _Connection(HTTPConnection):
    @override
    def connect(self) -> None:
        with _connecting(self):
            super().connect()


class _TlsConnection(HTTPSConnection):
    @override
    def connect(self) -> None:
        with _connecting(self):
            super().connect()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """Tells calls that never left from calls that broke: requests' own errors do not, where TLS is in play."""

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    @override
    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # those connect in ways of their own
            manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = {"http": _Pool, "https": _TlsPool}


class KeyForOneHost(AuthBase):
    """
    Adds the API key to requests for the API's own host, and to no others.

    :param settings: the connection
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        ours, theirs = urlsplit(self._settings.base_url), urlsplit(request.url or "")
        if (ours.scheme, ours.netloc.lower()) == (theirs.scheme, str(theirs.netloc).lower()):
            request.headers["Authorization"] = self._settings.authorization
        return request


def new_session(settings: ConnectionSettings) -> requests.Session:
    """Return a session that sends the connection's headers, and its key to the API's own host only."""
    session = requests.Session()
    session.headers.update(settings.headers)
    session.auth = KeyForOneHost(settings)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def exchange(session: requests.Session, settings: ConnectionSettings, call: Call[Any]) -> Reply:
    """
    Send a call and return the reply, whatever its status.

    :raises ImageRouterConnectionError: if nothing was sent
    :raises ImageRouterUnknownOutcomeError: if it was sent, and no whole reply came
    """
    try:
        with session.request(
            call.method,
            settings.base_url + call.path,
            params=call.params,
            json=call.json,
            data=call.data,
            files=call.files,
            timeout=(settings.connect_timeout, settings.read_timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = Body(settings, response.status_code, response.headers)
            for chunk in response.iter_content(CHUNK_BYTES):
                body.add(chunk)
            return body.reply()
    except requests.RequestException as error:
        reason = _reason(error)
        raise (
            not_sent(settings, reason) if isinstance(reason, _NOT_SENT) else broken(settings, call, reason)
        ) from None


def _reason(error: requests.RequestException) -> Exception:
    """Return the connection's own error, which urllib3 wraps into one of its own, and requests into another."""
    wrapped = error.args[0] if error.args else None
    reason = getattr(wrapped, "reason", None)
    return reason if isinstance(reason, Exception) else error
