"""Asking once for what many tasks want to know at the same time: a triggerer runs a thousand in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

_answers: dict[asyncio.AbstractEventLoop, dict[Hashable, asyncio.Task[Any]]] = {}


async def share(key: Hashable, ask: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
    """
    Return an answer that all who want it in this event loop share; an error, too, but that is not kept.

    :param key: what is asked
    :param ask: asks it; goes on although whoever wanted it first is cancelled
    :param seconds: how long the answer is kept
    """
    loop = asyncio.get_running_loop()
    for closed in [other for other in list(_answers) if other.is_closed()]:  # other threads have loops of their own
        _answers.pop(closed, None)
    answers = _answers.setdefault(loop, {})

    def keep(task: asyncio.Task[T]) -> None:
        good = not task.cancelled() and task.exception() is None
        loop.call_later(seconds if good else 0, answers.pop, key, None)

    if key not in answers:
        answers[key] = asyncio.create_task(ask())
        answers[key].add_done_callback(keep)
    answer: T = await asyncio.shield(answers[key])
    return answer
