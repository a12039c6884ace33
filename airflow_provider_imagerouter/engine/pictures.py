"""From an answer to a stored file: fetch a picture, check it, store it, and complete its record."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import suppress
from socket import gethostname
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import conf

from airflow_provider_imagerouter import telemetry
from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError
from airflow_provider_imagerouter.files.errors import ReadError
from airflow_provider_imagerouter.files.naming import picture_name
from airflow_provider_imagerouter.files.reading import read, shown
from airflow_provider_imagerouter.files.storing import prepare_folder, store
from airflow_provider_imagerouter.media.formats import PictureInfo, UnreadablePictureError
from airflow_provider_imagerouter.media.images import inspect
from airflow_provider_imagerouter.media.videos import inspect_video, is_video
from airflow_provider_imagerouter.records import record_of_location

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
    :param replace: whether a picture may take the place of a file of the same name
    """

    def __init__(
        self, folder: ObjectStoragePath, settings: ConnectionSettings, *, decode: bool = False, replace: bool = True
    ) -> None:
        self.folder = folder
        self._replace = replace
        self._settings = settings
        self._decode = decode

    @classmethod
    async def open(cls, folder: str, settings: ConnectionSettings, *, replace: bool = True) -> PictureStore:
        """
        Make the folder, so that one that cannot be made is found before anything is paid.

        :param folder: a local folder, or the URI of a folder of any fsspec file system
        :param settings: the connection
        :param replace: whether a picture may take the place of a file of the same name
        :raises ImageRouterInputError: if no file system is known for it, or ``[imagerouter] verify`` is not known
        :raises ImageRouterStorageError: if it could not be made
        """
        decode = _decodes()
        prepared = await asyncio.to_thread(prepare_folder, folder)
        if "://" not in folder and not folder.startswith(("/", "~")):
            log.info("%s is a relative path: pictures are stored in %s, on %s", folder, prepared, gethostname())
        return cls(prepared, settings, decode=decode, replace=replace)

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
        stored = await asyncio.to_thread(self._store, record, content, stem, number)
        telemetry.stored(stored["model"], len(content))
        return stored

    async def recall(self, name: str) -> Record:
        """
        Return the record of a picture that is there already, as far as its file says.

        :param name: the file's name
        :raises ImageRouterInputError: if it is not a picture
        :raises ImageRouterStorageError: if it could not be read
        """
        path = str(self.folder / name)
        try:
            content = await read(path, self._settings)
        except ReadError as error:
            raise ImageRouterStorageError(str(error), billed="no") from error
        try:
            info = await asyncio.to_thread(self._inspect, content)
        except UnreadablePictureError as error:
            raise ImageRouterInputError(
                f"{path} is there already, and to be kept, but is not a readable picture: {error}. Remove it first"
            ) from None
        return {**_described(record_of_location(path), info, content, path), "cost_usd": 0.0}

    def _store(self, record: Record, content: bytes, stem: str, number: int) -> Record:
        try:
            info = self._inspect(content)
        except UnreadablePictureError as error:
            raise ImageRouterStorageError(
                f"{shown(record['uri']) or stem} is not a readable picture: {error}"
            ) from None
        name = picture_name(stem, number, info.extension)
        try:
            path = store(content, self.folder, name, info.content_type, replace=self._replace)
        except FileExistsError:
            path = self._store_beside(content, stem, number, info)
        return _described(record, info, content, str(path))

    def _store_beside(self, content: bytes, stem: str, number: int, info: PictureInfo) -> ObjectStoragePath:
        """Store what is paid for under another name, since somebody has taken its own meanwhile."""
        path = self.folder / picture_name(stem, number, info.extension)
        with suppress(OSError):
            if path.fs.cat_file(path.path) == content:  # of an attempt that could not note it
                return path
        name = picture_name(f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}", number, info.extension)
        other = store(content, self.folder, name, info.content_type)
        log.warning("%s came there while this was made, and is left; this is %s", path, other)
        return other

    def _inspect(self, content: bytes) -> PictureInfo:
        return inspect_video(content) if is_video(content) else inspect(content, decode=self._decode)


def _described(record: Record, info: PictureInfo, content: bytes, path: str) -> Record:
    """Return a record with what is known of a stored picture."""
    return {
        **record,
        "uri": path,
        "path": path,
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
