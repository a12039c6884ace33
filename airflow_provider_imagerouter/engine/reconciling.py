"""Comparing what a task's calls cost, as their answers said, with what ImageRouter's books say of its API keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_imagerouter.engine.attempt_key import AttemptKey
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
    from airflow_provider_imagerouter.ledger.entries import KeyCalls
    from airflow_provider_imagerouter.ledger.ledger import Ledger

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""How long the books are waited for; they are good to know, and no more."""

LOOK_AGAIN_SECONDS = 1.0
"""After how long books that say something else are read once more: they may be behind."""


async def reconcile(hook: ImageRouterAsyncHook, ledger: Ledger, made: Sequence[AttemptKey]) -> None:
    """
    Warn if the books of a task's API keys say something else than what is known; nothing is raised.

    :param hook: the connection
    :param ledger: what earlier attempts noted
    :param made: this attempt's keys; there is nothing new to compare if it has none
    """
    if not made:
        return
    earlier = ledger.api_keys.values()
    keys: list[AttemptKey | KeyCalls] = [*made, *earlier]
    names = [(key.name, key.id) for key in keys]
    known = sum((key.spent for key in keys), Decimal(0))
    unknown = sum(key.unknown for key in made) + sum(calls.unsaid + len(calls.open) for calls in earlier)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            booked = await _booked(hook, names)
            if booked != known:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
                booked = await _booked(hook, names)
    except Exception as error:  # the task is done, whatever the books say
        log.warning("What this task cost could not be compared with ImageRouter's books: %r", error)
        return
    if booked is not None and booked != known:
        log.warning(
            "The answers to this task's calls say that they cost $%s (cost_usd), "
            "ImageRouter's books of its API keys say $%s%s",
            known,
            booked,
            f"; of {unknown} call(s) no answer says it" if unknown else "",
        )


async def _booked(hook: ImageRouterAsyncHook, names: Sequence[tuple[str, str | None]]) -> Decimal | None:
    """Return USD that were spent with keys, None if the books do not tell."""
    books = await hook.get_books()
    spent = [books.of(name, key_id).spent for name, key_id in names]
    return None if None in spent else sum(filter(None, spent), Decimal(0))
