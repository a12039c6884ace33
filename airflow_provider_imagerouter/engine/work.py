"""
What one task is to do, as plain JSON values: a worker does it itself, or a trigger does, after it crossed the database.
"""

from __future__ import annotations

import gc
import json
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError
from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.money import to_usd

if TYPE_CHECKING:
    from airflow_provider_imagerouter.engine.budget import Limits
    from airflow_provider_imagerouter.engine.engine import Engine, OrphanPolicy
    from airflow_provider_imagerouter.engine.existing import IfExists
    from airflow_provider_imagerouter.ledger.place import Place

REQUESTS_FILE = "requests"
"""The file beside the ledger that a deferred batch's requests wait in; the database gets no long list of them."""


_DATA_URI = re.compile(r"data:[^,\s]*,", re.IGNORECASE)


@dataclass(kw_only=True)
class Work(ABC):
    """
    What one task is to do.

    :param identity: the task instance
    :param max_tries: the task instance's: a clear raises it, a retry does not
    :param imagerouter_conn_id: the connection
    :param folder: where pictures are stored, if anywhere
    :param max_cost_usd: USD that all attempts together may spend
    :param max_run_cost_usd: USD that all tasks of the Dag run together may spend
    :param on_orphaned_intent: ``resubmit``, ``resubmit_unbilled`` or ``fail``
    :param validate_model: whether requests are checked against the catalogue first
    :param if_exists: what to do about files that have the names of its pictures already
    :param sidecar: whether a file beside each stored picture says what it is
    :param embed_metadata: whether each stored picture's own file does
    """

    kind: ClassVar[str]

    identity: Identity
    max_tries: int
    imagerouter_conn_id: str
    folder: str | None
    max_cost_usd: str | None
    on_orphaned_intent: OrphanPolicy
    validate_model: bool = False
    max_run_cost_usd: str | None = None
    if_exists: IfExists = "replace"
    sidecar: bool = False
    embed_metadata: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the work as JSON values, for :func:`work_from_json`."""
        values = {**asdict(self), "kind": self.kind, "identity": list(self.identity)}
        return dict(json.loads(json.dumps(values, default=_as_text)))

    def put_aside(self, place: Place) -> Work:
        """
        Put what is too long for Airflow's database beside the ledger, and return the work without it.

        :param place: where the ledger is kept
        """
        return self

    @abstractmethod
    async def run(self, place: Place, *, in_trigger: bool = False) -> Any:
        """
        Do the work.

        :param place: where the ledger is kept
        :param in_trigger: whether this is a triggerer, which goes on when the task is stopped
        :return: what goes into XCom
        :raises ImageRouterError: if it did not succeed
        """

    @property
    def _limits(self) -> Limits:
        from airflow_provider_imagerouter.engine.budget import Limits

        return Limits(
            to_usd(self.max_cost_usd, "max_cost_usd"),
            to_usd(self.max_run_cost_usd, "max_run_cost_usd"),
        )

    def _engine(self, place: Place, **options: Any) -> Engine:
        from airflow_provider_imagerouter.engine.engine import Engine
        from airflow_provider_imagerouter.engine.extras import Extras
        from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
        from airflow_provider_imagerouter.ledger.ledger import Ledger

        _keep_collections_short()
        return Engine(
            ImageRouterAsyncHook(self.imagerouter_conn_id),
            Ledger(place, self.max_tries),
            identity=self.identity,
            folder=self.folder,
            limits=self._limits,
            on_orphaned_intent=self.on_orphaned_intent,
            validate_model=self.validate_model,
            if_exists=self.if_exists,
            extras=Extras(self.sidecar, self.embed_metadata),
            **options,
        )


@dataclass(kw_only=True)
class SingleWork(Work):
    """
    One request, so many times.

    :param parameters: the API's parameters, ``image`` and ``mask`` among them
    :param n: how many candidates
    :param stem: name of the pictures, without extension
    :param output: what it makes: ``image`` or ``video``
    :param fallback_models: which models are asked, one after the other, where its own could not make it
    """

    kind = "single"

    parameters: dict[str, Any]
    n: int
    stem: str
    output: str
    fallback_models: list[str] = field(default_factory=list)

    @override
    def to_json(self) -> dict[str, Any]:
        _check_no_bytes([self.parameters.get(name) for name in ("image", "mask", "extra_body")])
        return super().to_json()

    async def run(self, place: Place, *, in_trigger: bool = False) -> Any:
        """Return the records of the pictures."""
        from airflow_provider_imagerouter.engine.job import Job

        async with self._engine(place, outlives_task=in_trigger) as engine:
            job = Job(self.parameters, self.stem, self.output, self.fallback_models)
            return await engine.run_candidates(job, self.n)


@dataclass(kw_only=True)
class BatchWork(Work):
    """
    Many requests.

    :param requests: the parameters of each; None if they were put aside
    :param max_concurrency: how many are under way at a time
    :param fail_on_partial_error: whether a failed request fails the batch
    :param filename: a pattern for the names of pictures, or what all of them begin with, if anything
    """

    kind = "batch"

    folder: str
    requests: list[dict[str, Any]] | None
    max_concurrency: int
    fail_on_partial_error: bool
    filename: str | None = None

    @override
    def put_aside(self, place: Place) -> Work:
        place.write(REQUESTS_FILE, json.dumps(self.requests, default=_as_text).encode())
        return replace(self, requests=None)

    async def run(self, place: Place, *, in_trigger: bool = False) -> Any:
        """Return the manifest of the batch."""
        import asyncio

        from airflow_provider_imagerouter.engine.batch import Batch
        from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook

        requests = self.requests
        if requests is None:
            text = await asyncio.to_thread(place.read, REQUESTS_FILE)
            if text is None:
                raise ImageRouterStorageError("The list of this batch's requests is gone from its ledger", billed="no")
            requests = json.loads(text)
        engine = self._engine(
            place, outlives_task=in_trigger, max_concurrency=self.max_concurrency, log_level=logging.DEBUG
        )
        batch = Batch(
            engine,
            ImageRouterAsyncHook(self.imagerouter_conn_id),
            requests,
            folder=self.folder,
            identity=self.identity,
            max_concurrency=self.max_concurrency,
            limits=self._limits,
            filename=self.filename,
        )
        return await batch.run(fail_on_partial_error=self.fail_on_partial_error)


@cache
def _keep_collections_short() -> None:
    """
    Leave what was imported out of garbage collections.

    A full one looks at all of Airflow's modules: the event loop stands still for 100 to 150 ms (Airflow 3.3.2).
    """
    gc.freeze()


def work_from_json(values: Mapping[str, Any]) -> Work:
    """
    Return the work that :meth:`Work.to_json` described.

    :param values: JSON values
    """
    kinds: dict[str, type[Work]] = {kind.kind: kind for kind in (SingleWork, BatchWork)}
    given = dict(values)
    return kinds[given.pop("kind")](**{**given, "identity": Identity(*given["identity"])})


def _check_no_bytes(given: Any) -> None:
    """Check that no picture's bytes would go into Airflow's database, not even as a data URI."""
    if isinstance(given, bytes | bytearray | memoryview) or (isinstance(given, str) and _DATA_URI.match(given)):
        raise ImageRouterInputError("A deferrable task takes pictures by path, link or record, not as bytes")
    if isinstance(given, Mapping):
        given = list(given.values())
    if isinstance(given, list | tuple):
        for value in given:
            _check_no_bytes(value)


def _as_text(value: Any) -> str:
    """Return what JSON has no type for, such as a path, as text."""
    _check_no_bytes(value)
    return str(value)
