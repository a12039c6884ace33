"""Many requests in one task: a few at a time, with results that are written as they come and a small manifest."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_imagerouter.api.request import check_n, text_parameter
from airflow_provider_imagerouter.engine.bill import total_bill
from airflow_provider_imagerouter.engine.budget import NO_LIMITS, Limits, highest_price
from airflow_provider_imagerouter.engine.engine import Engine
from airflow_provider_imagerouter.engine.failures import Failures, shorten
from airflow_provider_imagerouter.engine.job import Job
from airflow_provider_imagerouter.engine.results_file import ResultsFile, Totals
from airflow_provider_imagerouter.engine.stopping import Stops
from airflow_provider_imagerouter.exceptions import (
    ImageRouterBatchError,
    ImageRouterBatchRefusedError,
    ImageRouterBudgetError,
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterStorageError,
)
from airflow_provider_imagerouter.files.naming import RequestNames
from airflow_provider_imagerouter.results import Manifest, Row

if TYPE_CHECKING:
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.records import Record

T = TypeVar("T")

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 15.0

PUBLISH_SECONDS = 30.0
"""How often results are written where nothing can be appended, such as an object store."""

PROMPT_CHARACTERS = 60
"""How much of a prompt a line of the log shows."""


@dataclass(frozen=True)
class Item:
    """
    One request of the list.

    :param index: which one, from 0
    :param parameters: those of the API
    :param n: how many candidates, as given
    :param model: its model, or the default; None if neither names one
    :param fallback_models: which ones are asked where that one could not make it
    :param stem: name of its pictures, without extension
    :param id: of its row
    :param metadata: for its row
    """

    index: int
    parameters: dict[str, Any]
    n: Any
    model: str | None
    fallback_models: list[str]
    stem: str
    id: str
    metadata: dict[str, Any] | None

    @property
    def prompt(self) -> str | None:
        """What to make."""
        return text_parameter(self.parameters, "prompt")

    def __str__(self) -> str:
        """Say in a few words which request it is; ``requests[index]`` is how the operator's list names it."""
        return f"requests[{self.index}] ({shorten(self.prompt or 'no prompt', PROMPT_CHARACTERS)!r}, {self.model})"


class Batch:
    """
    Runs a list of requests with an engine.

    :param engine: with as many slots as requests are to be under way at a time
    :param hook: the connection
    :param requests: the parameters of each; ``n``, ``filename``, ``metadata`` and ``fallback_models`` among them
    :param folder: where pictures and results go
    :param identity: the task instance
    :param max_concurrency: how many requests are under way at a time
    :param limits: what may be spent; the connection's where there is none
    :param filename: a pattern for the names of pictures, or what all of them begin with; None for names that no other
        task instance has
    """

    def __init__(
        self,
        engine: Engine,
        hook: ImageRouterAsyncHook,
        requests: Sequence[Mapping[str, Any]],
        *,
        folder: str,
        identity: Identity,
        max_concurrency: int,
        limits: Limits = NO_LIMITS,
        filename: str | None = None,
    ) -> None:
        self._engine = engine
        self._hook = hook
        self._requests = requests
        self._folder = folder
        self._identity = identity
        self._names = RequestNames(requests, identity, filename)
        self._max_concurrency = min(max_concurrency, len(requests))
        self._limits = limits
        self._no_metadata: dict[str, Any] | None = {} if any(request.get("metadata") for request in requests) else None
        self._results = ResultsFile(folder, identity, len(requests), lambda index: self._item(index).id)
        self._thread = ThreadPoolExecutor(1, "imagerouter-results")
        self._stops = Stops(max_concurrency)
        self._failures = Failures()
        self._in_flight: set[int] = set()
        self._succeeded = 0
        self._cost = Decimal(0)
        self._started = time.monotonic()

    async def run(self, *, fail_on_partial_error: bool) -> Manifest:
        """
        Run all requests, write the results, and return the manifest.

        :param fail_on_partial_error: whether a failed request fails the batch, after all others have finished
        :raises ImageRouterError: if the batch had to stop, or a request failed and that fails the batch
        """
        self._settings = await self._hook.get_settings()
        await self._check_prices()
        try:
            async with self._engine:
                await self._engine.look_for(await asyncio.to_thread(self._stems))
                await self._in_thread(self._results.open)
                try:
                    await self._run_all()
                finally:
                    results = await self._finish()
        finally:
            self._thread.submit(self._results.close)
            self._thread.shutdown(wait=False)
        return self._conclude(*results, fail_on_partial_error=fail_on_partial_error)

    async def _check_prices(self) -> None:
        """Refuse the whole list, before anything is paid, if there is a budget and a model without a price."""
        if not self._limits.or_those_of(self._settings):
            return
        catalogue = await self._hook.get_catalogue()
        missing: set[str] = set()
        known: set[str] = set()
        for request in self._requests:
            models = [model for model in (self._model(request), *(request.get("fallback_models") or ())) if model]
            there = [model for model in models if model in catalogue]  # a model that is gone hands over to the next
            known.update(there)
            missing.update(() if there else models)
        faults = [catalogue.describe_missing(model) for model in sorted(missing)]
        unpriced = [model for model in sorted(known) if highest_price(catalogue, model) is None]
        faults += [f"It does not say what {model} costs" for model in unpriced]
        if faults:
            raise ImageRouterInputError(f"A budget needs each model's price; nothing was sent. {'. '.join(faults)}")

    async def _run_all(self) -> None:
        indexes = iter(range(len(self._requests)))
        workers = [asyncio.create_task(self._work(indexes)) for _ in range(self._max_concurrency)]
        others = [asyncio.create_task(self._say_progress()), asyncio.create_task(self._publish())]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in (*workers, *others):
                task.cancel()
            await asyncio.gather(*workers, *others, return_exceptions=True)

    async def _work(self, indexes: Iterator[int]) -> None:
        for index in indexes:
            if self._stops.everything:
                return
            item = self._item(index)
            if self._stops.reason(item.model):
                continue
            self._in_flight.add(index)
            try:
                await self._run_one(item)
            except Exception as error:  # nobody foresaw it: the calls under way are paid for, and may finish
                self._stops.stop(error)
                await self._add(item, [], [error])
            self._in_flight.discard(index)

    async def _run_one(self, item: Item) -> None:
        was_made_before = item.index in self._results
        try:
            job = Job(item.parameters, item.stem, fallback_models=item.fallback_models, metadata=item.metadata)
            records, errors = await self._engine.try_candidates(job, check_n(item.n))
        except ImageRouterError as refusal:
            records, errors = [], [refusal]
        records = [{**record, "metadata": item.metadata} for record in records]
        if not errors and not was_made_before:
            self._stops.heed_success()
        for error in errors:
            self._stops.heed_error(error, error.model or item.model, has_inputs="image" in item.parameters)
        if records or not isinstance(errors[0], ImageRouterBudgetError):  # which is not this request's, and not sent
            await self._add(item, records, errors)
        if any(isinstance(error, ImageRouterStorageError) for error in errors):
            await self._publish_now()

    async def _add(self, item: Item, records: list[Record], errors: Sequence[Exception]) -> None:
        """Count how a request ended, and write its row; if that fails, so would all further ones."""
        if errors:
            self._failures.add(item.index, str(item), errors[0])
        else:
            self._succeeded += 1
        row = self._row(item, records, errors)
        self._cost += Decimal(str(row["cost_usd"]))
        try:
            await self._in_thread(self._results.add, row)
        except ImageRouterStorageError as error:
            self._stops.stop(error)

    async def _publish_now(self) -> None:
        """Find out whether storage takes anything at all."""
        try:
            await self._in_thread(self._results.publish)
        except ImageRouterStorageError as error:
            self._stops.stop(error)

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(PUBLISH_SECONDS)
            try:
                await self._in_thread(self._results.publish)
            except ImageRouterStorageError as error:
                log.warning("%s; it is tried again", error)

    async def _finish(self) -> tuple[str | None, Totals]:
        try:
            return await self._in_thread(self._results.finish, self._row_of_missing)
        except ImageRouterStorageError as error:
            self._stops.stop(error)
            return None, Totals()

    def _conclude(self, path: str | None, totals: Totals, *, fail_on_partial_error: bool) -> Manifest:
        """Say how it went, and raise what there is to raise."""
        stop, failed, not_sent = self._stops.everything, totals.errors.total(), totals.statuses["not_sent"]
        where = f"results: {path}" if path else "the results could not be written"
        said = f"{self._progress()}, {not_sent} not sent; {where}"
        log.info("%s, in %.1f s", said, time.monotonic() - self._started)
        self._failures.say()
        if isinstance(stop, ImageRouterError):
            error = stop.with_message(f"{stop}. {said}")
            error.billed, error.cost = (totals.billed, totals.cost) if path else ("unknown", self._cost)
            error.results_path = path
            raise error
        if stop:
            raise stop
        if failed and fail_on_partial_error:
            kind = ImageRouterBatchRefusedError if self._failures.are_refusals else ImageRouterBatchError
            counts = ", ".join(f"{count} {name}" for name, count in totals.errors.most_common())
            unsent = f", {not_sent} were not sent" if not_sent else ""
            failure = kind(
                f"{failed} of {len(self._requests)} requests failed ({counts}){unsent}; see {path}",
                billed=totals.billed,
                cost=totals.cost,
            )
            failure.results_path = path
            raise failure
        return Manifest(
            results_path=str(path),
            result_path=str(path).rpartition("/")[0],
            requests=len(self._requests),
            succeeded=totals.statuses["success"],
            failed=failed,
            not_sent=not_sent,
            errors=dict(totals.errors),
            pictures=totals.pictures,
            cost_usd=float(totals.cost),
            seconds=round(time.monotonic() - self._started, 1),
        )

    def _item(self, index: int) -> Item:
        parameters = dict(self._requests[index])
        n, metadata = parameters.pop("n", 1), parameters.pop("metadata", None)
        parameters.pop("filename", None)
        fallback_models = parameters.pop("fallback_models", None) or []
        text = json.dumps([self._identity.digest, parameters], default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        return Item(
            index=index,
            parameters=parameters,
            n=n,
            model=self._model(parameters),
            fallback_models=fallback_models,
            stem=self._names.stem(index, digest),
            id=f"{self._identity.digest}-{index:05d}-{digest}",
            metadata=metadata or self._no_metadata,  # never both null and an object: Arrow wants one type
        )

    def _stems(self) -> list[str]:
        """Return the names of all pictures, without extension."""
        items = map(self._item, range(len(self._requests)))
        return [stem for item in items for stem in self._names.candidates(item.index, item.stem)]

    def _model(self, parameters: Mapping[str, Any]) -> str | None:
        try:
            return self._settings.model(text_parameter(parameters, "model"))
        except ImageRouterInputError:
            return None

    def _row(self, item: Item, records: list[Record], errors: Sequence[Exception]) -> Row:
        bill = total_bill(records, errors)
        return Row(
            id=item.id,
            index=item.index,
            status="error" if errors else "success",
            prompt=item.prompt,
            model=item.model,
            metadata=item.metadata,
            cost_usd=float(bill["cost"] or 0),
            billed=bill["billed"],
            error_type=type(errors[0]).__name__ if errors else None,
            error_message=str(errors[0]) if errors else None,
            records=records,
        )

    def _row_of_missing(self, index: int) -> Row:
        """Return the row of a request that did not end, or was not sent."""
        item = self._item(index)
        is_in_flight = index in self._in_flight
        row = self._row(item, [], [])
        row["status"], row["billed"] = ("in_flight", "unknown") if is_in_flight else ("not_sent", "no")
        if not is_in_flight and (reason := self._stops.reason(item.model)):
            row["error_type"], row["error_message"] = type(reason).__name__, str(reason)
        return row

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function of the results in their thread, one after the other; to its end, even if this is cancelled."""
        run = partial(contextvars.copy_context().run, function, *arguments)
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, run))

    async def _say_progress(self) -> None:
        while True:
            before, finished_before = time.monotonic(), self._finished
            await asyncio.sleep(PROGRESS_SECONDS)
            rate = (self._finished - finished_before) / (time.monotonic() - before)
            left = f", {(len(self._requests) - self._finished) / rate:.0f} s left" if rate else ""
            log.info("%s, %.1f requests/s%s", self._progress(), rate, left)

    @property
    def _finished(self) -> int:
        return self._succeeded + self._failures.total

    def _progress(self) -> str:
        return (
            f"{self._succeeded} of {len(self._requests)} requests succeeded, {self._failures.total} failed, "
            f"{len(self._in_flight)} in flight, ${self._cost.normalize():f} spent"
        )
