"""
Running requests: read the input pictures, send, fetch and store what came, and return records.

One engine, asynchronous, serves every operator, in a worker and in a triggerer. Each request goes through the ledger:
what an earlier attempt of the task stored, or paid for, is not sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, assert_never

from airflow_provider_imagerouter.api.preflight import check_model, with_near_matches
from airflow_provider_imagerouter.engine.attempt_key import AttemptKeys
from airflow_provider_imagerouter.engine.bill import total_bill
from airflow_provider_imagerouter.engine.budget import NO_LIMITS, Budget, Limits
from airflow_provider_imagerouter.engine.checks import check_bytes_have_a_place
from airflow_provider_imagerouter.engine.delivery import Delivery
from airflow_provider_imagerouter.engine.existing import ExistingFiles, IfExists
from airflow_provider_imagerouter.engine.extras import NO_EXTRAS, Extras
from airflow_provider_imagerouter.engine.fallback import Choice, first_that_works, requests_of
from airflow_provider_imagerouter.engine.pictures import PictureStore
from airflow_provider_imagerouter.engine.reconciling import reconcile
from airflow_provider_imagerouter.engine.request_keys import RequestKeys
from airflow_provider_imagerouter.engine.sender import Sender
from airflow_provider_imagerouter.engine.settling import Settling, heed_orphan
from airflow_provider_imagerouter.exceptions import (
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterInvalidRequestError,
)
from airflow_provider_imagerouter.ledger.entries import Answered, Free, Orphaned, Stored
from airflow_provider_imagerouter.records import Record

if TYPE_CHECKING:
    from types import TracebackType

    from airflow_provider_imagerouter.api.request import Request
    from airflow_provider_imagerouter.engine.inputs import InputPictures
    from airflow_provider_imagerouter.engine.job import Job
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.ledger.ledger import Ledger
    from airflow_provider_imagerouter.records import Input

log = logging.getLogger(__name__)

OrphanPolicy = Literal["resubmit", "resubmit_unbilled", "fail"]

SINGLE_TASK_CONCURRENCY = 4
"""How many candidates of one request are made at a time."""


class Engine:
    """
    Runs the requests of one task instance; to be used in ``async with``.

    :param hook: the connection
    :param ledger: what earlier attempts did
    :param identity: the task instance
    :param folder: where pictures are stored; None to pass on the links
    :param max_concurrency: how many requests are under way at a time, and how many pictures in memory
    :param limits: what may be spent; the connection's where there is none
    :param on_orphaned_intent: what to do about a request that an earlier attempt sent without learning its end
    :param log_level: of the lines that tell of each request
    :param outlives_task: whether this process goes on when the task is stopped, as a triggerer does: then calls in
        flight are waited for in the background, and their answers noted for the next attempt
    :param validate_model: whether each request is checked against the catalogue first
    :param if_exists: what to do about files that have the names of its pictures already
    :param extras: what is stored of each picture besides its bytes
    """

    def __init__(
        self,
        hook: ImageRouterAsyncHook,
        ledger: Ledger,
        *,
        identity: Identity,
        folder: str | None = None,
        max_concurrency: int = SINGLE_TASK_CONCURRENCY,
        limits: Limits = NO_LIMITS,
        on_orphaned_intent: OrphanPolicy = "resubmit",
        log_level: int = logging.INFO,
        outlives_task: bool = False,
        validate_model: bool = False,
        if_exists: IfExists = "replace",
        extras: Extras = NO_EXTRAS,
    ) -> None:
        self._hook = hook
        self._ledger = ledger
        self._identity = identity
        self._folder = folder
        self._limits = limits
        self._on_orphaned_intent = on_orphaned_intent
        self._log_level = log_level
        self._outlives_task = outlives_task
        self._validate_model = validate_model
        self._if_exists: IfExists = if_exists
        self._extras = extras
        self._slots = asyncio.Semaphore(max_concurrency)
        self._keys = RequestKeys()
        self._store: PictureStore | None = None
        self._api_keys: AttemptKeys | None = None
        self._budget: Budget | None = None

    async def __aenter__(self) -> Engine:
        """Make the output folder, open the ledger and read what was spent; nothing is paid before all that works."""
        self._settings = await self._hook.get_settings()
        if self._on_orphaned_intent == "resubmit_unbilled" and not self._settings.management_key:
            raise ImageRouterInputError(
                "on_orphaned_intent is 'resubmit_unbilled', and the connection has no management key: "
                "nothing else tells what was billed"
            )
        if self._folder:
            replaces = self._if_exists == "replace"
            self._store = await PictureStore.open(self._folder, self._settings, replace=replaces, extras=self._extras)
        self._existing = ExistingFiles(self._store, self._if_exists)
        self._delivery = Delivery(self._store, self._ledger)
        await self._ledger.open()
        try:
            if self._settings.management_key:
                await Settling(self._hook, self._ledger, resends=self._on_orphaned_intent == "resubmit").run()
            self._sender = await self._open_sender()
        except BaseException:
            await self._ledger.close()
            raise
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End this attempt, or leave that to the calls that go on in the background."""
        ending = asyncio.create_task(self._end())
        _background.add(ending)
        ending.add_done_callback(_background.discard)
        if not self._sender.leaves_calls_behind:
            await asyncio.shield(ending)
            if self._api_keys and (error_type is None or issubclass(error_type, Exception)):
                await reconcile(self._hook, self._ledger, self._api_keys.made)

    async def _end(self) -> None:
        try:
            await self._sender.wait()
            if self._budget:
                await self._budget.close()
        finally:
            await self._ledger.close()

    async def _open_sender(self) -> Sender:
        limits = self._limits.or_those_of(self._settings)
        models = await self._hook.get_catalogue() if self._validate_model or limits else None
        if models is not None and limits:
            self._budget = await Budget.open(limits, models, self._identity, self._ledger)
        budget = self._budget
        if self._settings.management_key:
            left = (lambda: budget.left) if budget else (lambda: None)
            self._api_keys = AttemptKeys(self._hook, self._ledger, self._identity, left)
        return Sender(
            self._hook,
            self._ledger,
            budget,
            keys=self._api_keys,
            models=models,
            outlives_task=self._outlives_task,
            log_level=self._log_level,
        )

    async def look_for(self, stems: Sequence[str]) -> None:
        """
        Look for files that have the names of pictures already; before the first request.

        :param stems: names without extension
        :raises ImageRouterInputError: if there are any, no attempt has sent anything yet, and ``if_exists`` is ``fail``
        """
        await self._existing.look(stems, is_new=self._ledger.is_new)

    async def run_candidates(self, job: Job, n: int) -> list[Record]:
        """
        Carry out one request `n` times, each with its own ledger entry and bill.

        :param job: the request
        :param n: how many candidates
        :raises ImageRouterError: if one of them failed; after all the others have finished
        """
        await self.look_for([candidate.stem for candidate in job.candidates(n)])
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
        Carry out one request, by the first of its models that can.

        :param job: the request
        :raises ImageRouterError: if it did not end in pictures
        """
        request, inputs = job.check(self._settings)
        requests = requests_of(request, job.fallback_models)
        numbers = [self._keys.number(each, inputs) for each in requests]
        async with self._slots:
            check_bytes_have_a_place(request.response_format, self._store)
            images, masks = await inputs.digests(self._ledger) if inputs else ([], [])
            made_from = inputs.described(images) if inputs else []
            choices = []
            for each, number in zip(requests, numbers, strict=True):
                key = self._keys.key(self._settings.base_url, each, images, masks, number)
                choices.append(Choice(key, each, self._ledger.state(key)))
            return await first_that_works(choices, lambda choice: self._carry_out(choice, inputs, made_from, job))

    async def _carry_out(
        self, choice: Choice, inputs: InputPictures | None, made_from: Sequence[Input], job: Job
    ) -> list[Record]:
        """
        Carry out a request by one model, or take over what an earlier attempt made with it.

        :param choice: the request
        :param inputs: its input pictures, if any
        :param made_from: those that are edited, as its records name them
        :param job: whose request it is
        """
        request = choice.request
        match found := choice.found:
            case Stored():
                self._say("An earlier attempt made %s; nothing is sent", request)
                return await self._delivery.recall(choice, found, job)
            case Answered():
                self._say("An earlier attempt paid for %s; it is only stored", request)
                return await self._delivery.finish(choice, await self._delivery.with_contents(found), made_from, job)
            case Orphaned() | Free():
                orphan = found if isinstance(found, Orphaned) else None
                if orphan and (answered := await self._sender.take_unbooked(choice.key, request, orphan)):
                    return await self._delivery.finish(choice, answered, made_from, job)
                if kept := await self._existing.heed(job.stem):
                    return kept
                if orphan:
                    heed_orphan(request, orphan, self._on_orphaned_intent)
            case _:
                assert_never(found)
        if self._validate_model:
            has_mask = inputs is not None and any(inputs.locations[1])
            check_model(await self._hook.get_catalogue(), request, has_images=bool(inputs), has_mask=has_mask)
        return await self._delivery.finish(choice, await self._send(choice.key, request, inputs), made_from, job)

    async def _send(self, key: str, request: Request, inputs: InputPictures | None) -> Answered:
        """Read the input pictures, and send the request."""
        if inputs:
            request = request.with_images(*await inputs.load())
        try:
            return await self._sender.send(key, request)
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

    def _say(self, message: str, *args: object) -> None:
        log.log(self._log_level, message, *args)


_background: set[asyncio.Task[None]] = set()
