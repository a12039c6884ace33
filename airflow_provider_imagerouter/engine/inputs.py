"""Input pictures: wherever they are, their bytes are read here, since the API takes nothing but uploads."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.request import (
    MAX_FILE_BYTES,
    InputPicture,
    check_number_of_images,
    check_number_of_masks,
)
from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError
from airflow_provider_imagerouter.files import locations, reading
from airflow_provider_imagerouter.files.errors import ReadError
from airflow_provider_imagerouter.records import Input, Record, record_of_location

if TYPE_CHECKING:
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
    from airflow_provider_imagerouter.ledger.ledger import Ledger


def records(value: Any, name: str) -> list[Record]:
    """
    Return the pictures that a parameter names; nothing is read.

    :param value: a record, a URL, a data URI, a path, an ObjectStoragePath or its URI, or a list of any of these (lists
        of records may stand in it, as upstream tasks return them); also the text of such a list, as a template
        renders it
    :param name: the parameter's name, for errors
    :raises ImageRouterInputError: if it is something else
    """
    from airflow.sdk import ObjectStoragePath

    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        value = parse_rendered(value, name)
    if isinstance(value, Mapping):
        return [_complete(value, name)]
    if isinstance(value, str | os.PathLike | ObjectStoragePath):
        if not str(value).strip():
            raise ImageRouterInputError(f"{name} is empty")
        return [record_of_location(str(value))]
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [record for item in value for record in records(item, name)]
    raise ImageRouterInputError(
        f"{name} must be a record, a URL, a path, or a list of these, not {type(value).__name__}"
    )


class InputPictures:
    """
    The input pictures of one edit, read when they are needed.

    :param image: 1 to 16 pictures, as for :func:`records`
    :param mask: up to 16 pictures, or None
    :param settings: the connection, for its timeouts
    :raises ImageRouterInputError: if these are no pictures, or too many
    """

    def __init__(self, image: Any, mask: Any, settings: ConnectionSettings) -> None:
        self._images = [_Source(record, "image", settings) for record in records(image, "image")]
        check_number_of_images(len(self._images))
        self._masks: list[_Source] = []
        if mask is not None:
            self._masks = [_Source(record, "mask", settings) for record in records(mask, "mask")]
            check_number_of_masks(len(self._masks))

    @property
    def locations(self) -> list[list[str]]:
        """Where the images are, and the masks."""
        return [[source.location for source in sources] for sources in (self._images, self._masks)]

    async def digests(self, ledger: Ledger) -> tuple[list[str], list[str]]:
        """
        Return the SHA-256 of the images and of the masks, read side by side.

        Pictures whose record has it are not read for it. One that cannot be had any more is taken for what it was when
        an earlier attempt read it: what that attempt made of it may be there.

        :param ledger: what earlier attempts noted
        """
        images, masks = await asyncio.gather(
            asyncio.gather(*(source.digest(ledger) for source in self._images)),
            asyncio.gather(*(source.digest(ledger) for source in self._masks)),
        )
        return images, masks

    def described(self, digests: Sequence[str]) -> list[Input]:
        """
        Return the images as the records of what is made from them name them.

        :param digests: their SHA-256
        """
        return [
            {"uri": locations.public(source.location), "sha256": digest}
            for source, digest in zip(self._images, digests, strict=True)
        ]

    async def load(self) -> tuple[tuple[InputPicture, ...], tuple[InputPicture, ...]]:
        """
        Read the images and the masks, side by side.

        :raises ImageRouterInputError: if one is no readable picture smaller than 25 MiB
        :raises ImageRouterStorageError: if one could not be had this time
        """
        images, masks = await asyncio.gather(
            asyncio.gather(*(source.load() for source in self._images)),
            asyncio.gather(*(source.load() for source in self._masks)),
        )
        return tuple(images), tuple(masks)


class _Source:
    """One input picture, read once at most."""

    def __init__(self, record: Record, name: str, settings: ConnectionSettings) -> None:
        self._record = record
        self.location = record["uri"]
        self._name = f"{name} {locations.shown(self.location)}"
        self._settings = settings
        self._reading: asyncio.Task[tuple[InputPicture, str]] | None = None

    async def digest(self, ledger: Ledger) -> str:
        """Return its SHA-256; a record has it already."""
        if self._record["sha256"]:
            return self._record["sha256"]
        try:
            _, digest = await self._read_once()
        except (ImageRouterInputError, ImageRouterStorageError):
            if noted := ledger.digest(self.location):
                return noted
            raise
        if not locations.is_data(self.location):  # which holds its bytes itself
            ledger.note_input(self.location, digest)
        return digest

    async def load(self) -> InputPicture:
        """Return the picture, read and checked."""
        picture, digest = await self._read_once()
        if self._record["sha256"] not in (None, digest):
            raise ImageRouterInputError(f"{self._name} is not what it was when its record was made")
        return picture

    async def _read_once(self) -> tuple[InputPicture, str]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await self._reading

    async def _read(self) -> tuple[InputPicture, str]:
        content = await read(self.location, self._settings, max_bytes=MAX_FILE_BYTES)
        return await asyncio.to_thread(_check, content, self._name)


def _check(content: bytes, name: str) -> tuple[InputPicture, str]:
    """Return a picture that can be uploaded, and its SHA-256."""
    from airflow_provider_imagerouter.media.images import input_picture

    return input_picture(content, name), hashlib.sha256(content).hexdigest()


async def read(location: str, settings: ConnectionSettings, *, max_bytes: int) -> bytes:
    """
    Read an input picture's bytes.

    :param location: a link, a data URI, a path, or a URI of any fsspec file system
    :param settings: the connection, for its timeouts
    :param max_bytes: the most that is taken
    :raises ImageRouterInputError: if there is nothing, or too much
    :raises ImageRouterStorageError: if it could not be had this time
    """
    try:
        return await reading.read(location, settings, max_bytes=max_bytes)
    except ReadError as error:
        kind = ImageRouterStorageError if error.may_pass else ImageRouterInputError
        raise kind(str(error), status_code=error.status_code, billed="no") from error


def _complete(given: Mapping[str, Any], name: str) -> Record:
    location = given.get("path") or given.get("url") or given.get("uri")
    if not isinstance(location, str) or not location:
        raise ImageRouterInputError(f"{name} is an object without path, url or uri: {', '.join(map(str, given))}")
    record = record_of_location(location)
    record.update({key: given[key] for key in record if key in given})  # type: ignore[typeddict-item]
    inputs: Any = record["inputs"]
    if not (isinstance(inputs, list) and all(isinstance(each, Mapping) and "sha256" in each for each in inputs)):
        raise ImageRouterInputError(f"{name} is an object whose inputs are not as in a record: {inputs!r:.200}")
    return {**record, "uri": location}


def parse_rendered(text: str, name: str) -> Any:
    """
    Read a list or record that a template rendered to text: as JSON (``| tojson``), or as Python prints it.

    :param text: what it was rendered to
    :param name: the parameter's name, for errors
    :raises ImageRouterInputError: if it is neither
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ImageRouterInputError(f"{name} looks like a list or record, but cannot be read: {text[:200]}") from None
