"""Reading the bytes at a location: a link, a data URI, a path, or a URI of any fsspec file system."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from airflow.providers.common.compat.sdk import conf

from airflow_provider_imagerouter.api.parsing import decode_base64
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.files.errors import ReadError
from airflow_provider_imagerouter.files.locations import is_data, is_link, shown
from airflow_provider_imagerouter.files.storing import to_path

if TYPE_CHECKING:
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

MAX_BYTES = 1024 * 1024 * 1024
"""The largest file that is read."""


async def read(location: str, settings: ConnectionSettings, *, max_bytes: int = MAX_BYTES) -> bytes:
    """
    Read the bytes at a location.

    :param location: a link, a data URI, a path, or a URI of any fsspec file system
    :param settings: the connection, for its timeouts
    :param max_bytes: the most that is taken; larger files are an error
    :raises ReadError: if they could not be had
    """
    if is_link(location):
        return await _read_link(location, settings, max_bytes)
    if is_data(location):
        return await asyncio.to_thread(_read_data, location, max_bytes)
    return await asyncio.to_thread(_read_file, location, max_bytes)


async def _read_link(url: str, settings: ConnectionSettings, max_bytes: int) -> bytes:
    from airflow_provider_imagerouter.files.fetching import fetch

    is_apis_own = _host(url) == _host(settings.base_url)
    public_only = conf.getboolean("imagerouter", "public_links_only", fallback=False)
    try:
        return await fetch(
            url,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            max_bytes=max_bytes,
            public_only=public_only and not is_apis_own,
        )
    except ReadError as error:
        if error.status_code in (403, 404, 410) and (is_apis_own or _host(url).endswith("imagerouter.io")):
            error.args = (f"{error}. ImageRouter keeps pictures for 30 days; after that their links are dead",)
        raise


def _host(url: str) -> str:
    """Return host and port of a link; of one that has none, nothing."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def _read_data(uri: str, max_bytes: int) -> bytes:
    """Read a data URI (RFC 2397)."""
    kind, comma, data = uri.partition(",")
    try:
        if not comma:
            raise ValueError("it has no comma")  # noqa: TRY301
        is_base64 = kind.lower().endswith(";base64")
        content = decode_base64(unquote(data)) if is_base64 else unquote_to_bytes(data)
    except ValueError as error:
        raise ReadError(f"{shown(uri)} is not a data URI that can be read: {error}") from None
    if len(content) > max_bytes:
        raise ReadError(f"{shown(uri)} is too large: more than {max_bytes} bytes")
    return content


def _read_file(place: str, max_bytes: int) -> bytes:
    try:
        path = to_path(place)
        with path.fs.open(path.path, "rb") as file:
            content = bytes(file.read(max_bytes + 1))
    except ImageRouterInputError as error:
        raise ReadError(str(error)) from error
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise ReadError(f"{place} cannot be read: {error}") from error
    except Exception as error:  # whatever the file system's own library raises
        raise ReadError(f"Could not read {place}: {error}", may_pass=True) from error
    if len(content) > max_bytes:
        raise ReadError(f"{place} is too large: more than {max_bytes} bytes")
    return content
