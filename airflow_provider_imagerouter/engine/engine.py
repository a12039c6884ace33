"""
Running requests: read the input pictures, send, fetch and store what came, and return records.

One engine, asynchronous, serves every operator, in a worker and in a triggerer. Each request goes through the ledger:
what an earlier attempt of the task stored, or paid for, is not sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_imagerouter.api.preflight import check_model, with_near_matches
from airflow_provider_imagerouter.api.request import ImageRequest, Request, VideoRequest
from airflow_provider_imagerouter.engine.bill import total_bill
from airflow_provider_imagerouter.engine.budget import Budget
from airflow_provider_imagerouter.engine.checks import check_bytes_have_a_place
from airflow_provider_imagerouter.engine.inputs import InputPictures
from airflow_provider_imagerouter.engine.pictures import PictureStore
from airflow_provider_imagerouter.engine.rescue import into_temporary_files
from airflow_provider_imagerouter.engine.sender import Sender
from airflow_provider_imagerouter.exceptions import (
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterInvalidRequestError,
    ImageRouterOrphanedIntentError,
    ImageRouterStorageError,
)
from airflow_provider_imagerouter.files.naming import candidate_stem
from airflow_provider_imagerouter.ledger.async_ledger import AsyncLedger
from airflow_provider_imagerouter.ledger.ledger import fingerprint
from airflow_provider_imagerouter.records import Record, describe_stored, records_of

if TYPE_CHECKING:
    from types import TracebackType

    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
    from airflow_provider_imagerouter.ledger.ledger import Entry, Ledger

log = logging.getLogger(__name__)

OrphanPolicy = Literal["resubmit", "fail"]

POLL_SECONDS = 0.5
"""How often to look whether another attempt has its answer."""

SINGLE_TASK_CONCURRENCY = 4
"""How many candidates of one request are made at a time."""


@dataclass(frozen=True)
class Job:
    """
    One request as the engine takes it.

    :param parameters: the API's parameters; ``image`` and ``mask`` may be anything that
        :func:`~airflow_provider_imagerouter.engine.inputs.records` takes; None is the API's default
    :param stem: name of its pictures, without extension
    :param output: what it makes: ``image`` or ``video``
    """

    parameters: Mapping[str, Any]
    stem: str
    output: str = "image"

    def candidates(self, n: int) -> list[Job]:
        """Return the job as it is to be done `n` times; each has a name of its own."""
        return [replace(self, stem=candidate_stem(self.stem, number, n)) for number in range(1, n + 1)]

    def check(self, settings: ConnectionSettings) -> tuple[Request, InputPictures | None]:
        """
        Check all of the request but its input pictures' bytes, and return both.

        :param settings: the connection
        :raises ImageRouterInputError: if something is not allowed
        """
        given = {name: value for name, value in self.parameters.items() if value is not None}
        image, mask = given.pop("image", None), given.pop("mask", None)
        kind: type[Request] = VideoRequest if self.output == "video" else ImageRequest
        request = kind(**{**given, "model": settings.model(given.get("model"))})
        if mask is not None and image is None:
            raise ImageRouterInputError("mask needs an image: it says which part of it to edit")
        return request, None if image is None else InputPictures(image, mask, settings)


class Engine:
    """
    Runs the requests of one task instance; to be used in ``async with``.

    :param hook: the connection
    :param ledger: what earlier attempts did
    :param folder: where pictures are stored; None to pass on the links
    :param max_concurrency: how many requests are under way at a time, and how many pictures in memory
    :param max_cost_usd: USD that all attempts together may spend; the connection's if None
    :param on_orphaned_intent: what to do about a request that an earlier attempt sent without learning its end
    :param log_level: of the lines that tell of each request
    :param outlives_task: whether this process goes on when the task is stopped, as a triggerer does: then calls in
        flight are waited for in the background, and their answers noted for the next attempt
    :param validate_model: whether each request is checked against the catalogue first
    """

    def __init__(
        self,
        hook: ImageRouterAsyncHook,
        ledger: Ledger,
        *,
        folder: str | None = None,
        max_concurrency: int = SINGLE_TASK_CONCURRENCY,
        max_cost_usd: Decimal | None = None,
        on_orphaned_intent: OrphanPolicy = "resubmit",
        log_level: int = logging.INFO,
        outlives_task: bool = False,
        validate_model: bool = False,
    ) -> None:
        self._hook = hook
        self._ledger = AsyncLedger(ledger)
        self._folder = folder
        self._max_cost_usd = max_cost_usd
        self._on_orphaned_intent = on_orphaned_intent
        self._log_level = log_level
        self._outlives_task = outlives_task
        self._validate_model = validate_model
        self._slots = asyncio.Semaphore(max_concurrency)
        self._turns: Counter[str] = Counter()
        self._taking_turns = asyncio.Lock()
        self._store: PictureStore | None = None

    async def __aenter__(self) -> Engine:
        """Make the output folder, open the ledger and read what was spent; nothing is paid before all that works."""
        self._settings = await self._hook.get_settings()
        if self._folder:
            self._store = await PictureStore.open(self._folder, self._settings)
        self._sender = Sender(
            self._hook,
            self._ledger,
            await self._open_budget(),
            outlives_task=self._outlives_task,
            log_level=self._log_level,
        )
        await self._ledger.open()
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End this attempt, or leave that to the calls that go on in the background."""
        ending = asyncio.create_task(self._end())
        if self._sender.leaves_calls_behind:
            _background.add(ending)
            ending.add_done_callback(_background.discard)
        else:
            await ending

    async def _end(self) -> None:
        try:
            await self._sender.wait()
        finally:
            await self._ledger.close()

    async def _open_budget(self) -> Budget | None:
        limit = self._settings.max_cost_usd if self._max_cost_usd is None else self._max_cost_usd
        if limit is None:
            return None
        return Budget(limit, await self._hook.get_catalogue(), await self._ledger.costs())

    async def run_candidates(self, job: Job, n: int) -> list[Record]:
        """
        Carry out one request `n` times, each with its own ledger entry and bill.

        :param job: the request
        :param n: how many candidates
        :raises ImageRouterError: if one of them failed; after all the others have finished
        """
        records, errors = await self.try_candidates(job, n)
        if not errors:
            return records
        kept = n - len(errors)
        error = errors[0].with_message(
            f"{errors[0]}. {kept} of {n} candidates are there, and kept" if kept else str(errors[0])
        )
        bill = total_bill(records, errors)
        error.billed, error.cost = bill["billed"], bill["cost"]
        raise error

    async def try_candidates(self, job: Job, n: int) -> tuple[list[Record], list[ImageRouterError]]:
        """
        Carry out one request `n` times, and return all that came of it: records and errors.

        :param job: the request
        :param n: how many candidates
        """
        tasks = [asyncio.create_task(self.run(candidate)) for candidate in job.candidates(n)]
        try:
            results = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
        records: list[Record] = []
        errors: list[ImageRouterError] = []
        for result in results:
            if isinstance(result, ImageRouterError):
                errors.append(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                records += result
        return records, errors

    async def run(self, job: Job) -> list[Record]:
        """
        Carry out one request.

        :param job: the request
        :raises ImageRouterError: if it did not end in pictures
        """
        async with self._slots:
            request, inputs = job.check(self._settings)
            check_bytes_have_a_place(request.response_format, self._store)
            if self._validate_model:
                has_mask = job.parameters.get("mask") is not None
                check_model(await self._hook.get_catalogue(), request, has_images=bool(inputs), has_mask=has_mask)
            key = await self._key(request, inputs)
            while True:
                entry = await self._ledger.look(key)
                match entry.state:
                    case "stored":
                        self._say("An earlier attempt made %s; nothing is sent", request)
                        return list(entry.records)
                    case "answered" if entry.answer:
                        self._say("An earlier attempt paid for %s; it is only stored", request)
                        return await self._finish(entry, request, entry.answer, job.stem)
                    case "in flight":
                        await asyncio.sleep(POLL_SECONDS)
                        continue
                    case "orphaned":
                        self._heed_orphan(request)
                if sent := await self._send(entry, request, inputs):
                    return await self._finish(sent[0], request, sent[1], job.stem)

    async def _key(self, request: Request, inputs: InputPictures | None) -> str:
        """
        Return the key of a request's entry: its fingerprint and, where the same stands again, its turn.

        One request after the other, in the order they came, so that each has the same turn in every attempt.
        """
        async with self._taking_turns:
            images, masks = await inputs.digests() if inputs else ([], [])
            shape = fingerprint(request.parameters, images, masks)
            self._turns[shape] += 1
            return f"{shape}-{self._turns[shape]}"

    def _heed_orphan(self, request: Request) -> None:
        what = f"An earlier attempt sent {request} and never learnt its end; it may have been made and billed"
        if self._on_orphaned_intent == "fail":
            raise ImageRouterOrphanedIntentError(f"{what}. on_orphaned_intent is 'fail': it is not sent again")
        log.warning("%s. It is sent again, and may be paid twice", what)

    async def _send(self, entry: Entry, request: Request, inputs: InputPictures | None) -> tuple[Entry, Answer] | None:
        """Read the input pictures, and send the request; None if another attempt was faster."""
        if inputs:
            request = request.with_images(*await inputs.load())
        try:
            return await self._sender.send(entry, request)
        except ImageRouterInvalidRequestError as error:
            raise await self._with_near_matches(error, request) from None

    async def _with_near_matches(
        self, error: ImageRouterInvalidRequestError, request: Request
    ) -> ImageRouterInvalidRequestError:
        """Return a refusal with the models near the one it refused, if the catalogue can be had."""
        if request.model not in str(error):
            return error
        try:
            return with_near_matches(error, await self._hook.get_catalogue(), request.model)
        except ImageRouterError:
            return error

    async def _finish(self, entry: Entry, request: Request, answer: Answer, stem: str) -> list[Record]:
        """Store an answer's pictures, and note that they are."""
        try:
            records = await self._store_pictures(records_of(request, answer), answer, stem)
        except ImageRouterStorageError as error:
            if entry.state == "answered":
                raise
            raise await self._rescue(entry, answer, error) from error
        try:
            await self._ledger.stored(entry, records)
        except ImageRouterStorageError as error:
            again = "store its pictures" if entry.state == "answered" else "pay for it"
            log.warning("%s. A retry will %s again", error, again)
        return records

    async def _store_pictures(self, records: list[Record], answer: Answer, stem: str) -> list[Record]:
        if self._store is None:
            if all(picture.url for picture in answer.pictures):
                return records
            raise ImageRouterStorageError(
                "ImageRouter sent a picture's bytes instead of a link; they need an output_path to go to",
                cost=answer.cost,
            )
        stored = []
        try:
            for number, (record, picture) in enumerate(zip(records, answer.pictures, strict=True), start=1):
                stored.append(await self._store.add(record, picture.content, stem, number))
                self._say("Stored %s", describe_stored(stored[-1]))
        except ImageRouterStorageError as error:
            error.cost = answer.cost
            raise
        return stored

    async def _rescue(self, entry: Entry, answer: Answer, error: ImageRouterError) -> ImageRouterStorageError:
        """Keep what is paid for and could neither be noted nor stored: in temporary files, which may be noted."""
        try:
            answer = await asyncio.to_thread(into_temporary_files, answer)
            places = ", ".join(str(picture.url) for picture in answer.pictures)
            await self._ledger.answered(entry, answer)
        except OSError as full:
            return ImageRouterStorageError(f"{error}. What was paid for is lost: {full}", cost=answer.cost)
        except ImageRouterStorageError:
            places += ". The ledger cannot be written, so a retry would pay for it again"
        return ImageRouterStorageError(f"{error}. What is paid for is here: {places}", cost=answer.cost)

    def _say(self, message: str, *args: object) -> None:
        log.log(self._log_level, message, *args)


_background: set[asyncio.Task[None]] = set()
