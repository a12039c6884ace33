"""Reading an Airflow connection of type ``imagerouter``; both hooks do it here."""

from __future__ import annotations

import ipaddress
import logging
import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from airflow_provider_imagerouter import __version__
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.hooks.defaults import (
    API_URL,
    CONNECT_TIMEOUT,
    KEY_LIFETIME,
    READ_TIMEOUT,
    RETRY_TIMEOUT,
)
from airflow_provider_imagerouter.hooks.form import CONNECTION_FIELDS, MANAGEMENT_KEY_FIELD
from airflow_provider_imagerouter.money import to_usd

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)

LEAST_KEY_LIFETIME = 60.0
"""Seconds; a key that expires sooner might do so before its first call."""

_OPENAI_SUFFIX = re.compile(r"(^|/)v1(/openai)?$")
"""What the OpenAI SDK's base URL has behind ours."""


@dataclass(frozen=True)
class ConnectionSettings:
    """
    What the hooks need to know of a connection.

    :param base_url: scheme, host, port and path, without a trailing ``/``
    :param api_key: the account's key
    :param default_model: model for calls that name none
    :param connect_timeout: seconds to wait for a connection
    :param read_timeout: seconds of silence after which an answer is given up. The API sends a heartbeat every 3
        seconds, so this does not limit how long a generation may take
    :param retry_timeout: seconds for which a call that surely did not run is tried again
    :param max_cost_usd: USD that a task may spend, unless it says otherwise; None for no limit
    :param max_run_cost_usd: USD that all tasks of a Dag run together may spend, unless they say otherwise; None for no
        limit
    :param management_key: makes a key for each attempt of a task; None if attempts work on `api_key`
    :param key_lifetime: seconds after which a key that was made for an attempt expires
    :param used_key: the key that calls are made with; None for `api_key`. Settings that differ in it alone are equal:
        they are of one account, which has one pace
    """

    base_url: str
    api_key: str = field(repr=False)
    default_model: str | None = None
    connect_timeout: float = CONNECT_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    retry_timeout: float = RETRY_TIMEOUT
    max_cost_usd: Decimal | None = None
    max_run_cost_usd: Decimal | None = None
    management_key: str | None = field(default=None, repr=False)
    key_lifetime: float = KEY_LIFETIME
    used_key: str | None = field(default=None, repr=False, compare=False)

    def with_key(self, key: str | None) -> ConnectionSettings:
        """
        Return the settings for calls with another key of the account.

        :param key: which one; None for the connection's own
        """
        return replace(self, used_key=key)

    def model(self, model: str | None) -> str:
        """
        Return the model to use.

        :param model: what the caller named, or None for the default model
        :raises ImageRouterInputError: if neither names one
        """
        if chosen := model or self.default_model:
            return chosen
        raise ImageRouterInputError("No model: name one, or give the connection a default model")

    @property
    def headers(self) -> dict[str, str]:
        """
        Headers of every call, without the key.

        ``Connection: close``, because an idle connection that the server closes just as it is used again would leave
        a paid call with an unknown outcome. No compression, because a proxy that compresses may hold heartbeats back.
        """
        return {
            "User-Agent": f"airflow-provider-imagerouter/{__version__}",
            "Connection": "close",
            "Accept-Encoding": "identity",
        }

    @property
    def authorization(self) -> str:
        """The Authorization header's value, for the API's own host only."""
        return f"Bearer {self.used_key or self.api_key}"

    @property
    def secrets(self) -> list[str]:
        """All keys, which must be in no text."""
        return [key for key in (self.api_key, self.management_key, self.used_key) if key]

    def redact(self, text: str) -> str:
        """Return a text without any key, should a server or proxy have echoed it."""
        for key in self.secrets:
            text = text.replace(key, "***")
        return text


def read_connection(connection: Connection) -> ConnectionSettings:
    """
    Read a connection.

    :param connection: password = API key; host (and port, schema) = base URL, empty for the real API; extra:
        ``default_model``, ``connect_timeout``, ``read_timeout``, ``retry_timeout``, ``max_cost_usd``,
        ``max_run_cost_usd``, ``management_api_key``, ``key_lifetime``
    :raises ImageRouterInputError: if something in it cannot be used
    """
    extra = connection.extra_dejson
    if not isinstance(extra, dict):
        raise ImageRouterInputError(f"The extra of the connection {connection.conn_id!r} must be a JSON object")
    if unknown := ", ".join(sorted(extra.keys() - CONNECTION_FIELDS.keys())):
        log.warning("The extra of the connection %r has fields that nothing reads: %s", connection.conn_id, unknown)
    return ConnectionSettings(
        base_url=_base_url(connection),
        api_key=_api_key(connection),
        default_model=extra.get("default_model") or None,
        connect_timeout=_seconds(connection, extra, "connect_timeout", CONNECT_TIMEOUT),
        read_timeout=_seconds(connection, extra, "read_timeout", READ_TIMEOUT),
        retry_timeout=_seconds(connection, extra, "retry_timeout", RETRY_TIMEOUT, minimum=0),
        max_cost_usd=_usd(connection, extra, "max_cost_usd"),
        max_run_cost_usd=_usd(connection, extra, "max_run_cost_usd"),
        management_key=_management_key(connection, extra.get(MANAGEMENT_KEY_FIELD)),
        key_lifetime=_seconds(connection, extra, "key_lifetime", KEY_LIFETIME, minimum=LEAST_KEY_LIFETIME),
    )


def _api_key(connection: Connection) -> str:
    key = (connection.password or "").strip()
    if not key and connection.login:
        raise ImageRouterInputError(
            f"The connection {connection.conn_id!r} has no API key, but something in its login field; "
            "the key goes into the password field (in a URI, after a colon: imagerouter://:KEY@)"
        )
    if not key:
        raise ImageRouterInputError(
            f"The connection {connection.conn_id!r} has no API key; put it into the password field. "
            "Keys come from https://imagerouter.io/api-keys"
        )
    return _checked(key, "API key", connection)


def _management_key(connection: Connection, given: Any) -> str | None:
    key = given.strip() if isinstance(given, str) else given or ""
    return _checked(key, "management key", connection) if key else None


def _checked(key: Any, name: str, connection: Connection) -> str:
    if not isinstance(key, str) or not key.isascii() or not key.isprintable() or " " in key:
        raise ImageRouterInputError(
            f"The {name} of the connection {connection.conn_id!r} has characters that no key has"
        )
    return key


def _base_url(connection: Connection) -> str:
    host = (connection.host or "").strip()
    if not host:
        return API_URL
    if "://" not in host:
        host = f"[{host}]" if _is_ipv6(host) else host
        host = f"//{host}"
    url = _split(host)
    if url is None:
        raise ImageRouterInputError(
            f"The connection {connection.conn_id!r} has a bad Base URL; "
            "it must be like https://api.imagerouter.io, without user, query or fragment"
        )
    name, port = url.hostname or "", url.port or connection.port
    scheme, path = url.scheme, url.path.strip("/")
    schema = (connection.schema or "").strip("/")
    if schema in ("http", "https"):
        scheme = scheme or schema
    elif schema:
        path = f"{schema}/{path}".strip("/")
    path = _OPENAI_SUFFIX.sub("", path)
    scheme = scheme or ("http" if _is_loopback(name) else "https")
    if scheme not in ("http", "https"):
        raise ImageRouterInputError(
            f"The Base URL of the connection {connection.conn_id!r} must be http or https, not {scheme!r}"
        )
    name = f"[{name}]" if _is_ipv6(name) else name
    if port == {"https": 443, "http": 80}[scheme]:
        port = None  # one place is one URL, whether its port is said or not
    return f"{scheme}://{name}" + (f":{port}" if port else "") + (f"/{path}" if path else "")


def _split(host: str) -> SplitResult | None:
    """Return the parts of a URL, None for one that cannot be used."""
    try:
        url = urlsplit(host)
        _ = url.port
    except ValueError:
        return None
    unwanted = url.username is not None or url.query or url.fragment
    return url if host.isprintable() and not unwanted and _is_host(url.hostname or "") else None


def _is_host(name: str) -> bool:
    """Return whether a name could be looked up at all."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return _is_ipv6(name) or re.fullmatch(r"[\w.-]+", name) is not None


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _usd(connection: Connection, extra: dict[str, Any], name: str) -> Decimal | None:
    return to_usd(extra.get(name), f"{name} of the connection {connection.conn_id!r}")


def _seconds(connection: Connection, extra: dict[str, Any], name: str, default: float, minimum: float = 0.001) -> float:
    value = extra.get(name)
    if value is None or value == "":
        return default
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not minimum <= seconds < float("inf"):
        raise ImageRouterInputError(
            f"{name} of the connection {connection.conn_id!r} must be a number of seconds, not {value!r}"
        )
    return seconds
