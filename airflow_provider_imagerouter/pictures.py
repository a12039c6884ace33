"""From an answer to a stored file: fetch a picture, check it, store it, and complete its record."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.images import PictureInfo, UnreadablePictureError, inspect
from airflow_provider_imagerouter.inputs import read
from airflow_provider_imagerouter.storage import prepare_folder, store

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
    from airflow_provider_imagerouter.records import Record

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Output:
    """
    Where pictures are to be stored.

    :param folder: a local folder, or the URI of a folder of any fsspec file system
    :param stem: their name without extension; the second picture gets ``-2`` after it, and so on
    """

    folder: str
    stem: str


class PictureStore:
    """
    Stores the pictures of one task under one folder.

    :param folder: where, made already
    :param stem: their name without extension
    :param settings: the connection, for its timeouts
    """

    def __init__(self, folder: ObjectStoragePath, stem: str, settings: ConnectionSettings) -> None:
        self._folder = folder
        self._stem = stem
        self._settings = settings

    @classmethod
    async def open(cls, output: Output, settings: ConnectionSettings) -> PictureStore:
        """
        Make the folder, so that one that cannot be made is found before anything is paid.

        :param output: where
        :param settings: the connection
        :raises ImageRouterInputError: if no file system is known for it
        :raises ImageRouterStorageError: if it could not be made
        """
        return cls(await asyncio.to_thread(prepare_folder, output.folder), output.stem, settings)

    async def add(self, record: Record, content: bytes | None, number: int) -> Record:
        """
        Store a picture.

        :param record: what is known of it
        :param content: its bytes; None to read them from the record's ``uri``
        :param number: which picture of the task, from 1
        :return: the record, completed
        :raises ImageRouterStorageError: if it could not be fetched, is not readable, or could not be stored
        """
        if content is None:
            content = await read(record["uri"], self._settings)
        return await asyncio.to_thread(self._store, record, content, number)

    def _store(self, record: Record, content: bytes, number: int) -> Record:
        stem = self._stem if number == 1 else f"{self._stem}-{number}"
        try:
            info = inspect(content)
        except UnreadablePictureError as error:
            raise ImageRouterStorageError(f"{record['uri'] or stem} is not a readable picture: {error}") from None
        path = store(content, self._folder, f"{stem}.{info.extension}")
        log.info("Stored %s (%s, %d bytes)", path, _size_and_type(info), len(content))
        return {
            **record,
            "uri": str(path),
            "path": str(path),
            "content_type": info.content_type,
            "width": info.width,
            "height": info.height,
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


def _size_and_type(info: PictureInfo) -> str:
    return f"{info.width} x {info.height} {info.content_type}" if info.width else info.content_type
