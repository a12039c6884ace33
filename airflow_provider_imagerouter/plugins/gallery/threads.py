"""Slow work, kept out of the API server's event loop and out of the threads that it answers everybody with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from airflow_provider_imagerouter.plugins.gallery.cache import NoRoomError
from airflow_provider_imagerouter.plugins.gallery.storage import NotShownError

T = TypeVar("T")

FILE_SECONDS = 30
"""How long a picture or video may take to come from storage."""

RESULTS_SECONDS = 10
"""How long a page waits for the results of batches."""

_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="imagerouter-gallery")
"""However slow storage is, it takes no more than these; who finds them all waiting for it, waits a while, too."""


async def slowly(work: Callable[[], T], seconds: float) -> T:
    """
    Do something that may take long; if it takes longer, it goes on, but nobody waits for it.

    :param work: asks storage, or scales a picture
    :param seconds: how long to wait
    :raises NotShownError: if it takes longer, or the disk is full; and whatever the work raises
    """
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(_threads, work), seconds)
    except TimeoutError:
        raise NotShownError("Storage takes too long. It may be there in a while.", 504) from None
    except NoRoomError:
        raise NotShownError("The API server's disk has no room for it.", 507) from None
