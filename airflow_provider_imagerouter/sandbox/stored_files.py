"""Finished pictures, kept in memory under a link until newer ones need the room."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace

from airflow_provider_imagerouter.sandbox.behaviours import Link
from airflow_provider_imagerouter.sandbox.painting.dummies import stored_file

MAX_BYTES = 256 * 1024 * 1024

CONTENT_TYPES = {
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "mp4": "video/mp4",
}
"""What a file is served as, by its extension."""


@dataclass(frozen=True)
class StoredFile:
    """One file.

    :param link: how fetching it goes
    """

    body: bytes
    link: Link


class Storage:
    """Files by name; the oldest go first when there are more than 256 MiB."""

    def __init__(self) -> None:
        """Start empty."""
        self._files: OrderedDict[str, StoredFile] = OrderedDict()
        self._size = 0

    def keep(self, name: str, body: bytes, link: Link = Link.GOOD) -> None:
        """Keep a file.

        :param name: the last part of its link, with the extension it is served by
        """
        self._files[name] = StoredFile(body, link)
        self._size += len(body)
        while self._size > MAX_BYTES and len(self._files) > 1:
            _, oldest = self._files.popitem(last=False)
            self._size -= len(oldest.body)

    def expire(self) -> None:
        """Let the links of all files die, as if thirty days had gone by."""
        self._files = OrderedDict((name, replace(file, link=Link.BROKEN)) for name, file in self._files.items())

    def get(self, name: str) -> StoredFile | None:
        """Find a file, None if it never was here or had to go."""
        return self._files.get(name)


async def find_file(storage: Storage, name: str) -> StoredFile | None:
    """Find a stored file by the last part of its link; those of the API's own test models are always there."""
    if not name.startswith("test/"):
        return storage.get(name)
    body = await asyncio.to_thread(stored_file, name.removeprefix("test/"))
    return StoredFile(body, Link.GOOD) if body else None
