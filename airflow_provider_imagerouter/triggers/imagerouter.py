"""Doing a task's work in the triggerer, so that no worker slot waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_imagerouter.engine.work import work_from_json
from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.ledger import where
from airflow_provider_imagerouter.triggers.event import error_event, success_event
from airflow_provider_imagerouter.triggers.moment import wait_until_safe

BEGIN_AT_A_TIME = 8
"""How many tasks of a triggerer begin together: a thousand in one moment would hold up its event loop."""


class ImageRouterTrigger(BaseTrigger):
    """
    Does the work of one task.

    When a triggerer restarts, Airflow runs its triggers anew. This one then finds its ledger: what was made is not
    made again, and what was in flight follows ``on_orphaned_intent``.

    :param work: from :meth:`~airflow_provider_imagerouter.engine.work.Work.to_json`; no bytes, no secrets
    """

    def __init__(self, work: dict[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work = work

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow needs to make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"work": self.work}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do the work; the one event says how it ended."""
        begun = time.monotonic()
        try:
            async with _beginnings.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(BEGIN_AT_A_TIME)):
                await asyncio.to_thread(_import_engine)
                work = work_from_json(self.work)
                place = await where.in_trigger(work.identity, work.folder)
            event = success_event(await work.run(place, in_trigger=True))
        except ImageRouterError as error:
            event = error_event(error)
        await wait_until_safe(begun)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]


_beginnings: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _import_engine() -> None:
    """Import what the first work needs, which takes a second, outside the event loop that all triggers share."""
    from airflow_provider_imagerouter.engine import batch  # noqa: F401
    from airflow_provider_imagerouter.hooks import async_calls  # noqa: F401
    from airflow_provider_imagerouter.hooks.httpx_transport import ssl_context

    ssl_context()
