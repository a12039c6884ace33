"""Waiting for money in the triggerer, so that no worker slot waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.sensors.credits import ENOUGH, holds_enough
from airflow_provider_imagerouter.triggers.event import error_event


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

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow needs to make this trigger again."""
        arguments = {
            "imagerouter_conn_id": self.imagerouter_conn_id,
            "min_usd": self.min_usd,
            "poke_interval": self.poke_interval,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask until there is enough; the one event says how it ended."""
        try:
            while not await holds_enough(self.imagerouter_conn_id, Decimal(self.min_usd)):  # noqa: ASYNC110
                await asyncio.sleep(self.poke_interval)
        except ImageRouterError as error:
            yield TriggerEvent(error_event(error))  # type: ignore[no-untyped-call]
        else:
            yield TriggerEvent(ENOUGH)  # type: ignore[no-untyped-call]
