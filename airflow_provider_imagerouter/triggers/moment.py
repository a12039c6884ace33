"""When a trigger may end: Airflow loses tasks that are resumed too soon after they deferred."""

from __future__ import annotations

import asyncio
import time

from airflow.providers.common.compat.sdk import conf

from airflow_provider_imagerouter.compat import is_in_triggerer

MARGIN = 1.2
"""How much longer than a worker's supervisor may take: the scheduler has to hear of it, too."""


async def wait_until_safe(begun: float) -> None:
    """
    Wait until the worker that deferred the task has surely told so.

    A worker that starts another task in the same moment notices only after ``[workers] min_heartbeat_interval`` that
    the task deferred. The scheduler takes a task that is resumed before that for killed (measured on Airflow 3.3.2).

    :param begun: when the trigger began, by ``time.monotonic()``
    """
    if not is_in_triggerer():
        return
    interval = conf.getint("workers", "min_heartbeat_interval", fallback=5)
    await asyncio.sleep(max(0.0, begun + MARGIN * interval - time.monotonic()))
