"""Carrying out calls with requests."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.auth import AuthBase

from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.hooks.transport import Body, broken, not_sent

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Call
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

CHUNK_BYTES = 64 * 1024

_NOT_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    ssl.SSLCertVerificationError,
)


class KeyForOneHost(AuthBase):
    """
    Adds the API key to requests for the API's own host, and to no others.

    :param settings: the connection
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the key, if the request goes to the API's scheme, host and port."""
        ours, theirs = urlsplit(self._settings.base_url), urlsplit(request.url or "")
        if (ours.scheme, ours.netloc.lower()) == (theirs.scheme, str(theirs.netloc).lower()):
            request.headers["Authorization"] = self._settings.authorization
        return request


def new_session(settings: ConnectionSettings) -> requests.Session:
    """Return a session that sends the connection's headers, and its key to the API's own host only."""
    session = requests.Session()
    session.headers.update(settings.headers)
    session.auth = KeyForOneHost(settings)
    return session


def exchange(session: requests.Session, settings: ConnectionSettings, call: Call[Any]) -> Reply:
    """
    Send a call and return the reply, whatever its status.

    :raises ImageRouterConnectionError: if nothing was sent
    :raises ImageRouterUnknownOutcomeError: if it was sent, and no whole reply came
    """
    body = Body(settings)
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
            for chunk in response.iter_content(CHUNK_BYTES):
                body.add(chunk)
            return Reply(response.status_code, response.headers, body.content())
    except requests.RequestException as error:
        raise (not_sent(settings, error) if _never_left(error) else broken(call, error)) from error


def _never_left(error: BaseException | None) -> bool:
    """Look for the connection's own failure in what requests and urllib3 wrapped around it."""
    while error:
        reason = getattr(error, "reason", None) or next(iter(error.args), None)
        if isinstance(error, _NOT_SENT) or isinstance(reason, _NOT_SENT):
            return True
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__
    return False
