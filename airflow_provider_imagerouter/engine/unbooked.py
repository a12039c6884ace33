"""
Finding a picture that ImageRouter made, stored, and then failed to book: *Failed to postlog usage for <model> <id>*.

It was stored under that id before it was booked, and what was reserved for it is kept (ImageRouter's server source,
February 2026). So its link is tried before the call counts as one whose end is unknown: that is free.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from airflow_provider_imagerouter.api.answer import Answer, Picture
from airflow_provider_imagerouter.files.errors import ReadError
from airflow_provider_imagerouter.files.hosts import is_public_name
from airflow_provider_imagerouter.files.reading import read
from airflow_provider_imagerouter.media.formats import UnreadablePictureError
from airflow_provider_imagerouter.media.images import inspect
from airflow_provider_imagerouter.media.videos import inspect_video, is_video

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.request import Request
    from airflow_provider_imagerouter.exceptions import ImageRouterError
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

log = logging.getLogger(__name__)

STORAGE_URL = "https://storage.imagerouter.io/"
"""Where ImageRouter's links lead (its documents, October 2026)."""

EXTENSIONS = {"image": ("webp", "png", "jpeg", "jpg", "svg"), "video": ("mp4",)}
"""What a file's name may end with, by what the request makes."""

_UNBOOKED = re.compile(r"Failed to postlog usage for \S+ ([\w-]{8,64})(?![\w-])", re.IGNORECASE)

_STORED = re.compile(r"[\w-]{8,64}\.\w{2,5}")
"""The name of a stored file; those of the API's test models are shorter."""


def stored_id(error: ImageRouterError) -> str | None:
    """
    Return the id of a file that could not be booked; None if that is not what went wrong.

    :param error: how a call ended
    """
    found = _UNBOOKED.search(str(error))
    return found[1] if found else None


def is_stored_link(link: str) -> bool:
    """
    Return whether a link may be one to ImageRouter's storage, where other pictures lie, too.

    :param link: of a picture
    """
    return _STORED.fullmatch(urlsplit(link).path.rpartition("/")[2]) is not None


async def find_file(
    file_id: str, request: Request, other_link: str | None, settings: ConnectionSettings
) -> Answer | None:
    """
    Return the answer that a call would have had; None if its file cannot be had.

    :param file_id: under which it was stored
    :param request: what was asked
    :param other_link: to another of the account's pictures, if one is known
    :param settings: the connection
    """
    if request.response_format == "b64_ephemeral":
        return None  # which is not stored
    asked = str(request.parameters.get("output_format") or "").lower()
    extensions = sorted(EXTENSIONS[request.output], key=lambda extension: extension[:2] != asked[:2])  # jpeg is jpg
    for place in _places(other_link, settings):
        for extension in extensions:
            link = urljoin(place, f"{file_id}.{extension}")
            try:
                await _check(link, settings)
            except (ReadError, UnreadablePictureError) as error:
                log.debug("Nothing is at %s: %s", link, error)
                if isinstance(error, ReadError) and error.may_pass:
                    break  # nobody is there just now
                continue
            log.warning("%s made it, but ImageRouter could not book it; it was found at %s", request.model, link)
            return Answer((Picture(link, None, None),), cost=None, latency_ms=None, created_at=None)
    return None


def _places(other_link: str | None, settings: ConnectionSettings) -> list[str]:
    """Return the folders that a file may be in."""
    places = [urljoin(other_link, ".")] if other_link else []
    if not (urlsplit(settings.base_url).hostname or "").endswith("imagerouter.io"):
        places.append(f"{settings.base_url}/storage/")
    if is_public_name(urlsplit(settings.base_url).hostname or ""):
        places.append(STORAGE_URL)
    return list(dict.fromkeys(places))


async def _check(link: str, settings: ConnectionSettings) -> None:
    """
    Check that there is a picture or video at a link.

    :raises ReadError: if nothing is there
    :raises UnreadablePictureError: if it is something else
    """
    content = await read(link, settings)
    await asyncio.to_thread(inspect_video if is_video(content) else inspect, content)
