"""Many requests in one task: a few at a time, with a results file and a small manifest."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_imagerouter.api.request import check_n
from airflow_provider_imagerouter.engine.engine import Engine, Job
from airflow_provider_imagerouter.exceptions import (
    ImageRouterAuthenticationError,
    ImageRouterBatchError,
    ImageRouterBatchRefusedError,
    ImageRouterBudgetError,
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterInsufficientCreditsError,
)
from airflow_provider_imagerouter.files.storing import prepare_folder, store

if TYPE_CHECKING:
    from airflow_provider_imagerouter.records import Record

log = logging.getLogger(__name__)

RESULTS_FILE = "results.jsonl"
PROGRESS_SECONDS = 15.0

STOPPING = (ImageRouterAuthenticationError, ImageRouterBudgetError, ImageRouterInsufficientCreditsError)
"""Errors that all further requests would meet, too: nothing more is sent."""


class Manifest(TypedDict):
    """
    What a batch puts into XCom; as small for 10,000 requests as for ten.

    :param results_path: URI of ``results.jsonl``: a row a request, in order
    :param result_path: URI of the folder that it and the pictures are in
    :param requests: how many requests there were
    :param succeeded: how many of them ended in pictures
    :param failed: how many did not
    :param not_sent: how many were not sent, because the batch stopped before
    :param errors: how many requests ended in which class of error
    :param pictures: how many pictures there are
    :param cost_usd: USD, what they cost, and calls that were billed without one; pictures of unknown cost count as 0
    :param seconds: how long this attempt took
    """

    results_path: str
    result_path: str
    requests: int
    succeeded: int
    failed: int
    not_sent: int
    errors: dict[str, int]
    pictures: int
    cost_usd: float
    seconds: float


class Batch:
    """
    Runs a list of requests with an engine.

    :param engine: with as many slots as requests are to be under way at a time
    :param requests: the parameters of each, ``n`` among them
    :param folder: where pictures and results go
    :param name: what tells the pictures of this task instance from those of others in the folder
    :param max_concurrency: how many requests are under way at a time
    """

    def __init__(
        self,
        engine: Engine,
        requests: Sequence[Mapping[str, Any]],
        *,
        folder: str,
        name: str,
        max_concurrency: int,
    ) -> None:
        self._engine = engine
        self._requests = requests
        self._folder = folder
        self._name = name
        self._max_concurrency = max_concurrency
        self._rows: list[str | None] = [None] * len(requests)
        self._errors: Counter[str] = Counter()
        self._all_refused = True
        self._in_flight = 0
        self._succeeded = 0
        self._pictures = 0
        self._cost = Decimal(0)
        self._stopped_by: Exception | None = None
        self._started = time.monotonic()

    async def run(self, *, fail_on_partial_error: bool) -> Manifest:
        """
        Run all requests, write the results, and return the manifest.

        :param fail_on_partial_error: whether a failed request fails the batch, after all others have finished
        :raises ImageRouterError: if the batch had to stop, or a request failed and that fails the batch
        """
        async with self._engine:
            progress = asyncio.create_task(self._say_progress())
            try:
                await self._run_all()
            finally:
                progress.cancel()
                with suppress(asyncio.CancelledError):
                    await progress
                results_path = await asyncio.to_thread(self._write_results)
            log.info("%s, in %.1f s. Results: %s", self._progress(), time.monotonic() - self._started, results_path)
            self._check(results_path, fail_on_partial_error)
            return self._manifest(results_path)

    async def _run_all(self) -> None:
        jobs = iter(enumerate(self._requests))
        workers = [asyncio.create_task(self._work(jobs)) for _ in range(self._max_concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, jobs: Iterator[tuple[int, Mapping[str, Any]]]) -> None:
        for index, request in jobs:
            if self._stopped_by:
                return
            self._in_flight += 1
            self._set_row(index, {"status": "in_flight", "records": [], "error": None})
            try:
                await self._run_one(index, request)
            except Exception as error:  # nobody foresaw it: the calls under way are paid for, and may finish
                self._stopped_by = self._stopped_by or error
            finally:
                self._in_flight -= 1

    async def _run_one(self, index: int, request: Mapping[str, Any]) -> None:
        parameters = dict(request)
        given_n = parameters.pop("n", 1)
        digest = hashlib.sha256(json.dumps([self._name, parameters], default=str).encode()).hexdigest()[:10]
        job = Job(parameters, f"{index + 1:05d}-{digest}")
        try:
            records, errors = await self._engine.try_candidates(job, check_n(given_n))
        except ImageRouterInputError as error:
            records, errors = [], [error]
        self._pictures += len(records)
        self._cost += sum((Decimal(str(record["cost_usd"] or 0)) for record in records), Decimal(0))
        self._cost += sum((error.cost or Decimal(0) for error in errors), Decimal(0))
        if errors:
            self._fail(index, records, errors[0])
        else:
            self._succeeded += 1
            self._set_row(index, {"status": "success", "records": records, "error": None})

    def _fail(self, index: int, records: list[Record], error: ImageRouterError) -> None:
        log.warning("Request %d failed: %s", index + 1, error)
        self._errors[type(error).__name__] += 1
        self._all_refused &= isinstance(error, AirflowFailException)
        details = {"type": type(error).__name__, "message": str(error), "billed": error.billed}
        self._set_row(index, {"status": "error", "records": records, "error": details})
        if isinstance(error, STOPPING) and not self._stopped_by:
            log.error("Nothing more is sent; %d request(s) under way may finish", self._in_flight - 1)
            self._stopped_by = error

    def _set_row(self, index: int, outcome: Mapping[str, Any]) -> None:
        self._rows[index] = json.dumps({"index": index, **outcome}, default=str)

    def _write_results(self) -> str:
        not_sent: dict[str, Any] = {"status": "not_sent", "records": [], "error": None}
        lines = (row or json.dumps({"index": index, **not_sent}) for index, row in enumerate(self._rows))
        content = "".join(f"{line}\n" for line in lines).encode()
        return str(store(content, prepare_folder(self._folder), RESULTS_FILE))

    def _check(self, results_path: str, fail_on_partial_error: bool) -> None:
        failed = self._errors.total()
        if isinstance(self._stopped_by, ImageRouterError):
            said = f"{self._stopped_by}. {self._progress()}; what is done is kept: {results_path}"
            raise self._stopped_by.with_message(said)
        if self._stopped_by:
            raise self._stopped_by
        if failed and fail_on_partial_error:
            kind = ImageRouterBatchRefusedError if self._all_refused else ImageRouterBatchError
            counts = ", ".join(f"{count} {name}" for name, count in self._errors.most_common())
            raise kind(f"{failed} of {len(self._rows)} requests failed ({counts}); see {results_path}")

    def _manifest(self, results_path: str) -> Manifest:
        failed = self._errors.total()
        return Manifest(
            results_path=results_path,
            result_path=results_path.removesuffix(f"/{RESULTS_FILE}"),
            requests=len(self._rows),
            succeeded=self._succeeded,
            failed=failed,
            not_sent=len(self._rows) - self._succeeded - failed,
            errors=dict(self._errors),
            pictures=self._pictures,
            cost_usd=float(self._cost),
            seconds=round(time.monotonic() - self._started, 1),
        )

    async def _say_progress(self) -> None:
        while True:
            before, finished_before = time.monotonic(), self._finished
            await asyncio.sleep(PROGRESS_SECONDS)
            rate = (self._finished - finished_before) / (time.monotonic() - before)
            left = f", {(len(self._rows) - self._finished) / rate:.0f} s left" if rate else ""
            log.info("%s, %.1f/s%s", self._progress(), rate, left)

    @property
    def _finished(self) -> int:
        return self._succeeded + self._errors.total()

    def _progress(self) -> str:
        return (
            f"{self._succeeded} of {len(self._rows)} done, {self._errors.total()} failed, "
            f"{self._in_flight} in flight, ${self._cost} spent"
        )
