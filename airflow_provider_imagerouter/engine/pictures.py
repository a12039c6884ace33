"""From an answer to a stored file: fetch a picture, check it, store it, and complete its record."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from socket import gethostname
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import conf

from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError
from airflow_provider_imagerouter.files.errors import ReadError
from airflow_provider_imagerouter.files.naming import picture_name
from airflow_provider_imagerouter.files.reading import read, shown
from airflow_provider_imagerouter.files.storing import prepare_folder, store
from airflow_provider_imagerouter.media.formats import UnreadablePictureError
from airflow_provider_imagerouter.media.images import inspect
from airflow_provider_imagerouter.media.videos import inspect_video, is_video

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
    from airflow_provider_imagerouter.records import Record

log = logging.getLogger(__name__)


class PictureStore:
    """
    Stores the pictures of one task under one folder.

    :param folder: where, made already
    :param settings: the connection, for its timeouts
    :param decode: whether the pixels of each picture are decoded, too, before it is taken for whole
    """

    def __init__(self, folder: ObjectStoragePath, settings: ConnectionSettings, *, decode: bool = False) -> None:
        self._folder = folder
        self._settings = settings
        self._decode = decode

    @classmethod
    async def open(cls, folder: str, settings: ConnectionSettings) -> PictureStore:
        """
        Make the folder, so that one that cannot be made is found before anything is paid.

        :param folder: a local folder, or the URI of a folder of any fsspec file system
        :param settings: the connection
        :raises ImageRouterInputError: if no file system is known for it, or ``[imagerouter] verify`` is not known
        :raises ImageRouterStorageError: if it could not be made
        """
        decode = _decodes()
        prepared = await asyncio.to_thread(prepare_folder, folder)
        if "://" not in folder and not folder.startswith(("/", "~")):
            log.info("%s is a relative path: pictures are stored in %s, on %s", folder, prepared, gethostname())
        return cls(prepared, settings, decode=decode)

    async def add(self, record: Record, content: bytes | None, stem: str, number: int) -> Record:
        """
        Store a picture.

        :param record: what is known of it
        :param content: its bytes; None to read them from the record's ``uri``
        :param stem: its name without extension
        :param number: which picture of this name, from 1
        :return: the record, completed
        :raises ImageRouterStorageError: if it could not be fetched, is not readable, or could not be stored
        """
        if content is None:
            content = await _fetch(record["uri"], self._settings)
        return await asyncio.to_thread(self._store, record, content, stem, number)

    def _store(self, record: Record, content: bytes, stem: str, number: int) -> Record:
        try:
            info = inspect_video(content) if is_video(content) else inspect(content, decode=self._decode)
        except UnreadablePictureError as error:
            raise ImageRouterStorageError(
                f"{shown(record['uri']) or stem} is not a readable picture: {error}"
            ) from None
        path = store(content, self._folder, picture_name(stem, number, info.extension), info.content_type)
        return {
            **record,
            "uri": str(path),
            "path": str(path),
            "content_type": info.content_type,
            "width": info.width,
            "height": info.height,
            "duration_seconds": info.duration_seconds,
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


async def _fetch(location: str, settings: ConnectionSettings) -> bytes:
    try:
        return await read(location, settings)
    except ReadError as error:
        # Not to be had, for good or for now: the picture was made nevertheless, and is paid for.
        raise ImageRouterStorageError(str(error), status_code=error.status_code) from error


def _decodes() -> bool:
    """Return whether the deployment wants pictures decoded before they are stored."""
    verify: str = conf.get("imagerouter", "verify", fallback="structure")
    if verify not in ("structure", "decode"):
        raise ImageRouterInputError(f"[imagerouter] verify must be 'structure' or 'decode', not {verify!r}")
    return verify == "decode"
