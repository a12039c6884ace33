"""From what is paid for to records: pictures are stored, noted, and found again by later attempts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.engine.rescue import into_temporary_files
from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterStorageError
from airflow_provider_imagerouter.files.storing import is_there
from airflow_provider_imagerouter.ledger.entries import Answered, Stored
from airflow_provider_imagerouter.records import Input, Record, describe, records_of

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.api.request import Request
    from airflow_provider_imagerouter.engine.fallback import Choice
    from airflow_provider_imagerouter.engine.job import Job
    from airflow_provider_imagerouter.engine.pictures import PictureStore
    from airflow_provider_imagerouter.ledger.ledger import Ledger

log = logging.getLogger(__name__)


class Delivery:
    """
    Stores the pictures of one task instance.

    :param store: where; None to pass on the links
    :param ledger: where it is noted
    """

    def __init__(self, store: PictureStore | None, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._has_said_links_die = False

    async def recall(self, choice: Choice, found: Stored, job: Job) -> list[Record]:
        """
        Return the records of pictures that were stored; those that are no longer there are stored once more.

        :param choice: the request
        :param found: what was noted of it
        :param job: whose request it is
        :raises ImageRouterStorageError: if it could not be stored, or is to be had no more
        """
        there = await asyncio.gather(
            *(asyncio.to_thread(is_there, record["path"], record["size_bytes"]) for record in found.records)
        )
        records = list(found.records)
        contents = found.contents or (None,) * len(records)
        for index, (record, content, is_here) in enumerate(zip(records, contents, there, strict=True)):
            if not is_here:
                records[index] = await self._store_again(choice.request, record, content, job.stem, index + 1)
            elif self._store:
                await self._store.complete(record, choice.request)
        if not all(there):
            self._ledger.stored(choice.key, records, found.contents)
        return records

    async def _store_again(
        self, request: Request, record: Record, content_name: str | None, stem: str, number: int
    ) -> Record:
        content = await self._ledger.content(content_name)
        log.warning("%s is not there any more, or not whole; it is stored again", record["path"])
        if content is None and record["url"] is None:
            raise ImageRouterStorageError(
                f"{record['path']} is not there any more, and there is no link to fetch it from again. It is not paid "
                "for once more; clear the task once it has succeeded, or change the request, for another picture"
            )
        if self._store is None:
            return {**record, "uri": record["url"] or "", "path": None, "sha256": None, "size_bytes": None}
        return await self._store.add({**record, "uri": record["url"] or ""}, content, stem, number, request)

    async def with_contents(self, found: Answered) -> Answered:
        """
        Return an answer that an earlier attempt noted, with the bytes that came with it.

        :param found: what was noted
        """
        pictures = [
            replace(picture, content=await self._ledger.content(content))
            for picture, content in zip(found.answer.pictures, found.contents, strict=True)
        ]
        return replace(found, answer=replace(found.answer, pictures=tuple(pictures)))

    async def finish(self, choice: Choice, answered: Answered, made_from: Sequence[Input], job: Job) -> list[Record]:
        """
        Store an answer's pictures, and note that they are.

        :param choice: the request
        :param answered: what came
        :param made_from: its input pictures, as its records name them
        :param job: whose request it is
        :raises ImageRouterStorageError: if they could not be stored; a later attempt does it, without paying again
        """
        records = records_of(choice.request, answered.answer, made_from, job.metadata)
        try:
            records = await self._store_pictures(choice.request, records, answered.answer, job.stem)
        except ImageRouterStorageError as error:
            if answered.noted:
                raise
            raise await self._rescue(choice.key, answered.answer, error) from error
        self._ledger.stored(choice.key, records, answered.contents)
        return records

    async def _store_pictures(self, request: Request, records: list[Record], answer: Answer, stem: str) -> list[Record]:
        if self._store is None:
            if all(picture.url for picture in answer.pictures):
                self._say_links(records)
                return records
            raise ImageRouterStorageError(
                "ImageRouter sent a picture's bytes instead of a link; they need an output_path to go to",
                cost=answer.cost,
            )
        stored = []
        try:
            for number, (record, picture) in enumerate(zip(records, answer.pictures, strict=True), start=1):
                stored.append(await self._store.add(record, picture.content, stem, number, request))
                log.debug("Stored %s", describe(stored[-1]))
        except ImageRouterStorageError as error:
            error.cost = answer.cost
            raise
        return stored

    async def _rescue(self, key: str, answer: Answer, error: ImageRouterError) -> ImageRouterStorageError:
        """Keep what is paid for and could neither be noted nor stored: in temporary files, which may be noted."""
        try:
            answer = await asyncio.to_thread(into_temporary_files, answer)
            places = ", ".join(str(picture.url) for picture in answer.pictures)
            await self._ledger.answered(key, answer.cost, answer, 0)
        except OSError as full:
            return ImageRouterStorageError(f"{error}. What was paid for is lost: {full}", cost=answer.cost)
        except ImageRouterStorageError:
            places += ". The ledger cannot be written, so a retry would pay for it again"
        return ImageRouterStorageError(f"{error}. What is paid for is here: {places}", cost=answer.cost)

    def _say_links(self, records: list[Record]) -> None:
        for record in records:
            log.debug("%s made %s", record["model"], record["url"])
        if not self._has_said_links_die:
            self._has_said_links_die = True
            log.info("ImageRouter's links die after 30 days; an output_path, or a download task, keeps the pictures")
