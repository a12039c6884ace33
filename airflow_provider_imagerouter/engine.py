"""
Running requests: read the input pictures, send, fetch and store what came, and return records.

One engine, asynchronous, serves every operator. A worker runs it in an event loop of its own. Each request goes
through the ledger: what an earlier attempt of the task stored, or paid for, is not sent again.
"""

from __future__ import annotations

import asyncio
import logging
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from airflow_provider_imagerouter.api.preflight import check_model, with_near_matches
from airflow_provider_imagerouter.api.request import ImageRequest, Request, VideoRequest, check_bytes_have_a_place
from airflow_provider_imagerouter.budget import Budget
from airflow_provider_imagerouter.exceptions import (
    ImageRouterBudgetError,
    ImageRouterError,
    ImageRouterInvalidRequestError,
    ImageRouterOrphanedIntentError,
    ImageRouterStorageError,
)
from airflow_provider_imagerouter.inputs import InputPictures
from airflow_provider_imagerouter.ledger import fingerprint
from airflow_provider_imagerouter.pictures import PictureStore
from airflow_provider_imagerouter.records import Record, describe_stored, records_of
from airflow_provider_imagerouter.rescue import into_temporary_files

if TYPE_CHECKING:
    from types import TracebackType

    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
    from airflow_provider_imagerouter.hooks.imagerouter_async import ImageRouterAsyncHook
    from airflow_provider_imagerouter.ledger import Entry, Ledger

log = logging.getLogger(__name__)

T = TypeVar("T")

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
        :func:`~airflow_provider_imagerouter.inputs.records` takes; None is the API's default
    :param stem: name of its pictures, without extension
    :param output: what it makes: ``image`` or ``video``
    """

    parameters: Mapping[str, Any]
    stem: str
    output: str = "image"

    def candidates(self, n: int) -> list[Job]:
        """Return the job as it is to be done `n` times; each has a name of its own."""
        return [self] if n == 1 else [replace(self, stem=f"{self.stem}-{number}") for number in range(1, n + 1)]


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
        self._ledger = ledger
        self._folder = folder
        self._max_cost_usd = max_cost_usd
        self._on_orphaned_intent = on_orphaned_intent
        self._log_level = log_level
        self._outlives_task = outlives_task
        self._validate_model = validate_model
        self._slots = asyncio.Semaphore(max_concurrency)
        self._in_flight: set[asyncio.Task[tuple[Entry, Answer]]] = set()
        self._turns: Counter[str] = Counter()
        self._taking_turns = asyncio.Lock()
        self._budget: Budget | None = None
        self._store: PictureStore | None = None

    async def __aenter__(self) -> Engine:
        """Make the output folder, open the ledger and read what was spent; nothing is paid before all that works."""
        self._settings = await self._hook.get_settings()
        if self._folder:
            self._store = await PictureStore.open(self._folder, self._settings)
        if not self._ledger.lasting:
            log.warning(
                "There is nowhere to keep notes across attempts (no output_path, no [imagerouter] ledger_path, "
                "no task state store): a retry of this task would pay again"
            )
        limit = self._settings.max_cost_usd if self._max_cost_usd is None else self._max_cost_usd
        if limit is not None:
            spent = await self._in_thread(self._ledger.costs)
            self._budget = Budget(limit, await self._hook.get_catalogue(), spent)
        await self._in_thread(self._ledger.open)
        self._renewing = asyncio.create_task(self._renew())
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End this attempt, or leave that to the calls in flight."""
        ending = asyncio.create_task(self._end())
        if self._in_flight and self._outlives_task:
            _background.add(ending)
            ending.add_done_callback(_background.discard)
        else:
            await ending

    async def _end(self) -> None:
        """Wait for calls in flight, and end this attempt's lease."""
        try:
            await asyncio.gather(*self._in_flight, return_exceptions=True)
        finally:
            self._renewing.cancel()
            with suppress(Exception):  # an owner that is not removed is taken for dead when its lease is over
                await self._in_thread(self._ledger.close)

    async def run_candidates(self, job: Job, n: int) -> list[Record]:
        """
        Carry out one request `n` times, each with its own ledger entry and bill.

        :param job: the request
        :param n: how many candidates
        :raises ImageRouterError: if one of them failed; after all the others have finished
        """
        records, errors = await self.try_candidates(job, n)
        for error in errors:
            if isinstance(error, ImageRouterBudgetError) and records:
                raise ImageRouterBudgetError(f"{error}. {len(records)} picture(s) are there already, and kept")
            raise error
        return records

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
            request, inputs = _checked(job, self._settings)
            check_bytes_have_a_place(request.response_format, self._store)
            if self._validate_model:
                check_model(await self._hook.get_catalogue(), request, has_images=bool(inputs), has_mask=_has_mask(job))
            key = await self._key(request, inputs)
            while True:
                entry = await self._in_thread(self._ledger.look, key)
                if entry.state == "stored":
                    self._say("An earlier attempt made %s; nothing is sent", _describe(request))
                    return list(entry.records)
                if entry.state == "answered" and entry.answer:
                    self._say("An earlier attempt paid for %s; it is only stored", _describe(request))
                    return await self._finish(entry, request, entry.answer, job.stem)
                if entry.state == "in flight":
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                if entry.state == "orphaned":
                    self._heed_orphan(request)
                images, mask = await inputs.load() if inputs else ((), None)
                sending = request.with_images(images, mask) if inputs else request
                try:
                    sent = await self._send(entry, sending)
                except ImageRouterInvalidRequestError as error:
                    if self._validate_model:
                        raise with_near_matches(error, await self._hook.get_catalogue(), request.model) from None
                    raise
                if sent:
                    return await self._finish(*sent, job.stem)

    async def _key(self, request: Request, inputs: InputPictures | None) -> str:
        """
        Return the key of a request's entry: its fingerprint and, where the same stands again, its turn.

        One request after the other, in the order they came, so that each has the same turn in every attempt.
        """
        async with self._taking_turns:
            images, mask = await inputs.digests() if inputs else ([], None)
            shape = fingerprint(request.parameters, images, mask)
            self._turns[shape] += 1
            return f"{shape}-{self._turns[shape]}"

    def _heed_orphan(self, request: Request) -> None:
        what = (
            f"An earlier attempt sent {_describe(request)} and never learnt its end; it may have been made and billed"
        )
        if self._on_orphaned_intent == "fail":
            raise ImageRouterOrphanedIntentError(f"{what}. on_orphaned_intent is 'fail': it is not sent again")
        log.warning("%s. It is sent again, and may be paid twice", what)

    async def _send(self, entry: Entry, request: Request) -> tuple[Entry, Request, Answer] | None:
        """Claim and send a request; None if another attempt claimed it first."""
        price = await self._budget.reserve(request.model) if self._budget else None
        claimed = None
        try:
            await self._hook.wait_for_turn()  # first, so that a call that waits for it is no orphan if this ends here
            claimed = await self._in_thread(self._ledger.claim, entry, price, 4 * len(request.prompt or ""))
        finally:
            if claimed is None:
                await self._settle(price, Decimal(0))
        if claimed is None:
            return None
        call = asyncio.create_task(self._call(claimed, request, price))
        self._in_flight.add(call)
        call.add_done_callback(self._in_flight.discard)
        answered, answer = await (asyncio.shield(call) if self._outlives_task else call)
        return answered, request, answer

    async def _call(self, claimed: Entry, request: Request, price: Decimal | None) -> tuple[Entry, Answer]:
        """Send a request, and note how it ended."""
        self._say("Asking %s for %s", request.model, _describe(request))
        started = time.monotonic()
        try:
            answer = await self._hook.send(request, has_turn=True)
        except ImageRouterError as error:
            await self._note_failure(claimed, error, price)
            raise
        entry = replace(claimed, cost=price if answer.cost is None else answer.cost)
        try:
            await self._in_thread(self._ledger.answered, entry, answer)
            entry = replace(entry, state="answered")
        except ImageRouterStorageError as error:
            log.warning("%s. Until its pictures are stored, this attempt alone knows of the answer", error)
        await self._settle(price, entry.cost)
        self._say("%s answered in %.1f s: %s", request.model, time.monotonic() - started, _describe_answer(answer))
        return entry, answer

    async def _note_failure(self, claimed: Entry, error: ImageRouterError, price: Decimal | None) -> None:
        cost = price if error.cost is None else error.cost
        if error.billed == "no":
            cost = Decimal(0)
        await self._settle(price, cost)
        if error.billed == "unknown":
            return
        try:
            await self._in_thread(self._ledger.ended, replace(claimed, cost=cost))
        except ImageRouterStorageError as storage_error:
            log.warning("%s. A retry will take the call for one whose end is unknown", storage_error)

    async def _finish(self, entry: Entry, request: Request, answer: Answer, stem: str) -> list[Record]:
        """Store an answer's pictures, and note that they are."""
        try:
            records = await self._store_pictures(records_of(request, answer), answer, stem)
        except ImageRouterStorageError as error:
            if entry.state == "answered":
                raise
            raise await self._rescue(entry, answer, error) from error
        try:
            await self._in_thread(self._ledger.stored, entry, records)
        except ImageRouterStorageError as error:
            again = "store its pictures" if entry.state == "answered" else "pay for it"
            log.warning("%s. A retry will %s again", error, again)
        return records

    async def _store_pictures(self, records: list[Record], answer: Answer, stem: str) -> list[Record]:
        if self._store is None:
            if all(picture.url for picture in answer.pictures):
                return records
            raise ImageRouterStorageError(
                "ImageRouter sent a picture's bytes instead of a link; they need an output_path to go to"
            )
        stored = []
        for number, (record, picture) in enumerate(zip(records, answer.pictures, strict=True), start=1):
            stored.append(await self._store.add(record, picture.content, stem, number))
            self._say("Stored %s", describe_stored(stored[-1]))
        return stored

    async def _rescue(self, entry: Entry, answer: Answer, error: ImageRouterError) -> ImageRouterStorageError:
        """Keep what is paid for and could neither be noted nor stored: in temporary files, which may be noted."""
        try:
            answer = await asyncio.to_thread(into_temporary_files, answer)
            places = ", ".join(str(picture.url) for picture in answer.pictures)
            await self._in_thread(self._ledger.answered, entry, answer)
        except OSError as full:
            return ImageRouterStorageError(f"{error}. What was paid for is lost: {full}")
        except ImageRouterStorageError:
            places += ". The ledger cannot be written, so a retry would pay for it again"
        return ImageRouterStorageError(f"{error}. What is paid for is here: {places}")

    async def _settle(self, price: Decimal | None, cost: Decimal | None) -> None:
        if self._budget and price is not None:
            await self._budget.settle(price, price if cost is None else cost)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ledger.lease_seconds / 3)
            try:
                await self._in_thread(self._ledger.renew)
            except ImageRouterStorageError as error:
                log.warning("Could not renew the ledger's lease: %s", error)

    def _say(self, message: str, *args: object) -> None:
        log.log(self._log_level, message, *args)

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Use the ledger; what its place raises, is as many as there are libraries."""
        try:
            return await asyncio.get_running_loop().run_in_executor(_ledger_threads(), function, *args)
        except ImageRouterStorageError as error:
            raise ImageRouterStorageError(str(error), billed="no") from error
        except Exception as error:
            message = f"The ledger could not be used: {type(error).__name__}: {error}"
            raise ImageRouterStorageError(message, billed="no") from error


_background: set[asyncio.Task[None]] = set()


@cache
def _ledger_threads() -> ThreadPoolExecutor:
    """Return the process's threads for ledgers: not asyncio's, which a full disk or a slow store could use up."""
    return ThreadPoolExecutor(8, thread_name_prefix="imagerouter-ledger")


def _checked(job: Job, settings: ConnectionSettings) -> tuple[Request, InputPictures | None]:
    """Check all of a request but its pictures' bytes."""
    given = {name: value for name, value in job.parameters.items() if value is not None}
    image, mask = given.pop("image", None), given.pop("mask", None)
    kind: type[Request] = VideoRequest if job.output == "video" else ImageRequest
    request = kind(**{**given, "model": settings.model(given.get("model"))})
    return request, None if image is None else InputPictures(image, mask, settings, request.max_images)


def _has_mask(job: Job) -> bool:
    return job.parameters.get("mask") is not None


def _describe(request: Request) -> str:
    """Say in a few words what is asked for."""
    prompt = repr(textwrap.shorten(request.prompt, 80, placeholder="…")) if request.prompt else "a picture"
    details = [str(value) for name, value in request.parameters.items() if name not in ("model", "prompt")]
    if request.images:
        details.append(f"{len(request.images)} input picture(s)")
    return prompt + (f" ({', '.join(details)})" if details else "")


def _describe_answer(answer: Answer) -> str:
    price = "an unknown price" if answer.cost is None else f"${answer.cost}"
    return f"{len(answer.pictures)} picture(s) for {price}"
