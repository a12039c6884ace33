"""What a location is, a link, a data URI, a path or another URI, and how it is told of."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from airflow_provider_imagerouter.files.storing import to_path

_SHOWN_CHARACTERS = 60


def is_data(location: str) -> bool:
    """Return whether a location is a data URI, which holds its bytes itself."""
    return location[:5].lower() == "data:"


def shown(location: str) -> str:
    """
    Return a location as logs and errors tell of it: of a data URI only the beginning, of a URI no secret.

    :param location: a link, a data URI, a path, or a URI of any fsspec file system
    """
    if is_data(location):
        return location if len(location) <= _SHOWN_CHARACTERS else f"{location[:_SHOWN_CHARACTERS]}…"
    if "://" in location:
        return (public(location) or "a link") + ("?…" if is_link(location) and "?" in location else "")
    return location


def public(location: str) -> str | None:
    """
    Return a location as it may be told to everybody who sees a record.

    :param location: as for :func:`shown`
    :return: a link without user info, query and fragment, such as a presigned one's signature; any other URI without a
        password; a local path as a URI; None for a data URI
    """
    if is_data(location):
        return None
    try:
        parts = urlsplit(location)
        if is_link(location):
            return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return None
    if "://" not in location:
        return str(to_path(location))
    user_info, at, _ = parts.netloc.rpartition("@")
    return location.replace(user_info + at, user_info.partition(":")[0] + at, 1)


def is_link(location: str) -> bool:
    """Return whether a location is a link."""
    return location.lower().startswith(("http://", "https://"))
