"""Waiting for money."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, conf
from typing_extensions import override

from airflow_provider_imagerouter.compat import is_final
from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterInputError
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID
from airflow_provider_imagerouter.money import to_usd
from airflow_provider_imagerouter.operators.failure import as_raised

if TYPE_CHECKING:
    from airflow.sdk import Context


class ImageRouterCreditsSensor(BaseSensorOperator):
    """
    Wait until the account holds enough.

    A bad key, or whatever else would not get better, fails the task at once, without retries; when ImageRouter cannot
    be reached, the sensor tries on until its ``timeout``. Example::

        ImageRouterCreditsSensor(task_id="enough_credits", min_usd=5, mode="reschedule", poke_interval=600)

    :param min_usd: USD that the account must hold at least
    :param imagerouter_conn_id: connection of type ``imagerouter``
    :param deferrable: wait in the triggerer, so that it holds no worker slot; ``[operators] default_deferrable`` if
        None. ``poke_interval`` and ``timeout`` hold there, too
    """

    template_fields = ("min_usd", "imagerouter_conn_id")
    ui_color = "#e8e4f8"

    def __init__(
        self,
        *,
        min_usd: float | str,
        imagerouter_conn_id: str = DEFAULT_CONN_ID,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.min_usd = min_usd
        self.imagerouter_conn_id = imagerouter_conn_id
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        if is_final(min_usd):
            self._minimum()

    @override
    def execute(self, context: Context) -> Any:
        """
        Wait here, or in the triggerer.

        :raises ImageRouterError: if it makes no sense to wait; says that nothing was billed
        """
        try:
            return self._execute(context)
        except ImageRouterError as error:
            raise as_raised(error, context, self) from None

    def _execute(self, context: Context) -> Any:
        if self.deferrable:
            from airflow_provider_imagerouter.triggers.credits import ImageRouterCreditsTrigger

            limits = [timedelta(seconds=self.timeout), self.execution_timeout]
            self.defer(
                trigger=ImageRouterCreditsTrigger(self.imagerouter_conn_id, str(self._minimum()), self.poke_interval),
                method_name="execute_complete",
                timeout=min(limit for limit in limits if limit is not None),
            )
        return super().execute(context)

    def execute_complete(self, context: Context, event: Any = None) -> None:
        """
        End the waiting.

        :param event: how the trigger ended
        :raises ImageRouterError: as :meth:`execute`
        """
        from airflow_provider_imagerouter.triggers.credits import ENOUGH
        from airflow_provider_imagerouter.triggers.event import read_event

        if event == ENOUGH:
            return
        try:
            read_event(event)  # raises what it carries
        except ImageRouterError as error:
            raise as_raised(error, context, self) from None

    @override
    def poke(self, context: Context) -> bool:
        from airflow_provider_imagerouter.triggers.credits import holds_enough

        return asyncio.run(holds_enough(self.imagerouter_conn_id, self._minimum()))

    def _minimum(self) -> Decimal:
        minimum = to_usd(self.min_usd, "min_usd")
        if minimum is None:
            raise ImageRouterInputError("min_usd is missing: how much the account must hold, in USD")
        return minimum
