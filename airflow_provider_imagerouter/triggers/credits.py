"""Waiting for money in the triggerer, so that no worker slot waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent
from typing_extensions import override

from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.triggers.event import error_event
from airflow_provider_imagerouter.triggers.moment import wait_until_safe

log = logging.getLogger(__name__)

ENOUGH = {"status": "enough"}
"""The trigger's event when the waiting is over."""


class ImageRouterCreditsTrigger(BaseTrigger):
    """
    Asks until the account holds enough.

    :param imagerouter_conn_id: connection of type ``imagerouter``
    :param min_usd: USD, as text
    :param poke_interval: seconds between questions
    """

    def __init__(self, imagerouter_conn_id: str, min_usd: str, poke_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.imagerouter_conn_id = imagerouter_conn_id
        self.min_usd = min_usd
        self.poke_interval = poke_interval

    @override
    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {
            "imagerouter_conn_id": self.imagerouter_conn_id,
            "min_usd": self.min_usd,
            "poke_interval": self.poke_interval,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    @override
    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask until there is enough; the one event says how it ended."""
        begun = time.monotonic()
        event: dict[str, Any] = ENOUGH
        try:
            while not await holds_enough(self.imagerouter_conn_id, Decimal(self.min_usd)):  # noqa: ASYNC110
                await asyncio.sleep(self.poke_interval)
        except ImageRouterError as error:
            event = error_event(error)
        await wait_until_safe(begun)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]


async def holds_enough(imagerouter_conn_id: str, min_usd: Decimal) -> bool:
    """
    Return whether an account holds enough, and log what it holds; False if that cannot be known now.

    :param imagerouter_conn_id: connection of type ``imagerouter``
    :param min_usd: USD
    :raises ImageRouterError: if asking again would not help
    """
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook

    try:
        remaining = (await ImageRouterAsyncHook(imagerouter_conn_id).get_credits()).remaining
    except ImageRouterError as error:
        if isinstance(error, AirflowFailException):
            raise
        log.warning("Could not ask what the account holds: %s", error)
        return False
    enough = remaining >= min_usd
    log.info("The account holds $%s, %s $%s", remaining, "at least" if enough else "less than", min_usd)
    return enough
