"""Files that are there already under the names of a task's pictures, and what is done about them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.files.storing import find_pictures

if TYPE_CHECKING:
    from airflow_provider_imagerouter.engine.pictures import PictureStore
    from airflow_provider_imagerouter.records import Record

log = logging.getLogger(__name__)

IfExists = Literal["replace", "keep", "fail"]

SHOWN_FILES = 3


def check_if_exists(value: object) -> None:
    """
    Check what is to be done about files that are there.

    :param value: ``replace``, ``keep`` or ``fail``
    :raises ImageRouterInputError: if it is something else
    """
    if value not in get_args(IfExists):
        raise ImageRouterInputError(f"if_exists must be 'replace', 'keep' or 'fail', not {value!r}")


class ExistingFiles:
    """
    What is in the folder before anything is sent. What comes there meanwhile, the storing finds.

    :param store: the folder; None if nothing is stored
    :param if_exists: what to do: ``replace`` it and say so, ``keep`` it instead of making another, or ``fail``
    """

    def __init__(self, store: PictureStore | None, if_exists: IfExists) -> None:
        self._store = store
        self._if_exists = if_exists
        self._found: dict[str, str] = {}

    async def look(self, stems: Sequence[str], *, is_new: bool) -> None:
        """
        Look for files with some names; once, before the first request.

        :param stems: names without extension
        :param is_new: whether no attempt of the task has sent anything: else files may be its own
        :raises ImageRouterInputError: if there are any, and that is an error
        :raises ImageRouterStorageError: if the file system does not tell
        """
        if self._store is None:
            return
        self._found = await asyncio.to_thread(find_pictures, self._store.folder, stems)
        if self._found and is_new and self._if_exists == "fail":
            raise self._refusal(sorted(self._found.values()))

    async def heed(self, stem: str) -> list[Record] | None:
        """
        Do what is to be done about a file that is there, before a request is sent that would make another.

        :param stem: name of its pictures, without extension
        :return: the record of what is kept; None if the request is to be sent
        :raises ImageRouterInputError: if that is an error
        """
        name = self._found.get(stem)
        if name is None or self._store is None:
            return None
        if self._if_exists == "fail":
            raise self._refusal([name])
        if self._if_exists == "keep":
            log.info("%s is there already, and kept; nothing is sent", self._store.folder / name)
            return [await self._store.recall(name)]
        log.warning(
            "%s is there already; what is made now is written over it, or beside it if it is of another format "
            "(if_exists='replace')",
            self._store.folder / name,
        )
        return None

    def _refusal(self, names: Sequence[str]) -> ImageRouterInputError:
        folder = self._store.folder if self._store else None
        shown = ", ".join(names[:SHOWN_FILES]) + (
            f" and {len(names) - SHOWN_FILES} more" if names[SHOWN_FILES:] else ""
        )
        return ImageRouterInputError(f"{shown} in {folder}: there already, and if_exists is 'fail'")
