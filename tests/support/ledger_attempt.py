"""Ledgers as the engine opens them: where a task keeps its own, and one attempt at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

from airflow_provider_imagerouter.api.answer import Answer, Picture
from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.ledger import where
from airflow_provider_imagerouter.ledger.ledger import Ledger
from airflow_provider_imagerouter.ledger.place import Place
from airflow_provider_imagerouter.records import record_of_location

ANSWER = Answer(
    (Picture("https://x/1.webp", None, "a fat cat"),), Decimal("0.004"), 12, datetime(2026, 1, 2, tzinfo=UTC)
)
RECORD = record_of_location("s3://bucket/cat.webp")


Open = Callable[[], Place]

IDENTITY = Identity("dag", "run", "task", -1)


def in_files(folder: object, map_index: int = -1) -> Place:
    """Open the ledger of a task under a folder."""
    place = where.in_files(IDENTITY._replace(map_index=map_index), str(folder))
    assert place
    return place


@asynccontextmanager
async def attempt(place: Callable[[], Place], max_tries: int = 0) -> AsyncIterator[Ledger]:
    """Open a ledger, and close it; Airflow's paths want to be made outside an event loop."""
    ledger = Ledger(await asyncio.to_thread(place), max_tries)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()
