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
from airflow_provider_imagerouter.engine.extras import NO_EXTRAS, Extras
from airflow_provider_imagerouter.engine.sidecars import sidecar, sidecar_name
from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError
from airflow_provider_imagerouter.files.errors import ReadError
from airflow_provider_imagerouter.files.locations import shown
from airflow_provider_imagerouter.files.naming import picture_name
from airflow_provider_imagerouter.files.reading import read
from airflow_provider_imagerouter.files.storing import is_there, prepare_folder, store, to_path
from airflow_provider_imagerouter.media.formats import PictureInfo, UnreadablePictureError
from airflow_provider_imagerouter.media.images import inspect
from airflow_provider_imagerouter.media.videos import inspect_video, is_video
from airflow_provider_imagerouter.records import came_back, judged, record_of_location

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_imagerouter.api.request import Request
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
    :param extras: what else is stored of each
    """

    def __init__(
        self,
        folder: ObjectStoragePath,
        settings: ConnectionSettings,
        *,
        decode: bool = False,
        replace: bool = True,
        extras: Extras = NO_EXTRAS,
    ) -> None:
        self.folder = folder
        self._replace = replace
        self._extras = extras
        self._told: set[str] = set()
        self._settings = settings
        self._decode = decode

    @classmethod
    async def open(
        cls, folder: str, settings: ConnectionSettings, *, replace: bool = True, extras: Extras = NO_EXTRAS
    ) -> PictureStore:
        """
        Make the folder, so that one that cannot be made is found before anything is paid.

        :param folder: a local folder, or the URI of a folder of any fsspec file system
        :param settings: the connection
        :param replace: whether a picture may take the place of a file of the same name
        :param extras: what else is stored of each
        :raises ImageRouterInputError: if no file system is known for it, or ``[imagerouter] verify`` is not known
        :raises ImageRouterStorageError: if it could not be made
        """
        decode = _decodes()
        prepared = await asyncio.to_thread(prepare_folder, folder)
        if "://" not in folder and not folder.startswith(("/", "~")):
            log.info("%s is a relative path: pictures are stored in %s, on %s", folder, prepared, gethostname())
        return cls(prepared, settings, decode=decode, replace=replace, extras=extras)

    async def add(
        self, record: Record, content: bytes | None, stem: str, number: int, request: Request | None = None
    ) -> Record:
        """
        Store a picture, and what else is stored of it.

        :param record: what is known of it
        :param content: its bytes; None to read them from the record's ``uri``
        :param stem: its name without extension
        :param number: which picture of this name, from 1
        :param request: what was asked for, if that is known
        :return: the record, completed
        :raises ImageRouterStorageError: if it could not be fetched, is not readable, or could not be stored
        """
        if content is None:
            content = await _fetch(record["uri"], self._settings)
        stored = await asyncio.to_thread(self._store, record, content, stem, number, request)
        telemetry.stored(stored["model"], len(content))
        return stored

    async def complete(self, record: Record, request: Request) -> None:
        """
        Store what else is stored of a picture that is there, if that is missing.

        :param record: of the picture
        :param request: what was asked for
        :raises ImageRouterStorageError: if it could not be stored
        """
        if await self.lacks_sidecar(record):
            path = to_path(str(record["path"]))
            await asyncio.to_thread(self._store_sidecar, path, record, request)

    async def lacks_sidecar(self, record: Record) -> bool:
        """
        Return whether a stored picture should have a sidecar, and has none.

        :param record: of the picture
        :raises ImageRouterStorageError: if the file system does not tell
        """
        if not self._extras.sidecar or record["path"] is None:
            return False
        return not await asyncio.to_thread(is_there, sidecar_name(record["path"]), None)

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

    def _store(self, record: Record, content: bytes, stem: str, number: int, request: Request | None) -> Record:
        try:
            info = self._inspect(content)
        except UnreadablePictureError as error:
            raise ImageRouterStorageError(
                f"{shown(record['uri']) or stem} is not a readable picture: {error}"
            ) from None
        is_input = came_back(record, hashlib.sha256(content).hexdigest())
        if self._extras.embed_metadata and not is_input:
            content = self._with_metadata(content, info, record)
        name = picture_name(stem, number, info.extension)
        try:
            path = store(content, self.folder, name, info.content_type, replace=self._replace)
        except FileExistsError:
            path = self._store_beside(content, stem, number, info)
        stored = _described(record, info, content, str(path))
        if record["model"] is not None:
            stored = judged(stored, is_input)
        if self._extras.sidecar:
            self._store_sidecar(path, stored, request)
        return stored

    def _with_metadata(self, content: bytes, info: PictureInfo, record: Record) -> bytes:
        """Return a picture with what its record says; as it is, if that cannot be: it is paid for."""
        from airflow_provider_imagerouter.media.embedding import CannotEmbedError, embed

        try:
            if record["model"] is None:
                raise CannotEmbedError("nothing is known of what made it")  # noqa: TRY301
            marked = embed(content, info.content_type, record)
            if self._inspect(marked) == info:
                return marked
            reason = "the file would not be the same picture"
        except CannotEmbedError as error:
            reason = str(error)
        except Exception as error:  # whatever an odd file, or a record that was given, makes it stumble over
            reason = f"{type(error).__name__}: {error}"
        if reason not in self._told:
            self._told.add(reason)
            log.warning("A picture is stored without the metadata of embed_metadata: %s", reason)
        return content

    def _store_sidecar(self, path: ObjectStoragePath, record: Record, request: Request | None) -> None:
        """Store the sidecar beside its picture, in place of whatever has its name."""
        store(sidecar(record, request), path.parent, sidecar_name(path.name), "application/json")

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
