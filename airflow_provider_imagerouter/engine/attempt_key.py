"""
The API key that an attempt works on, where the connection has a management key.

It is made before the attempt's first paid call, limited to what is left of the task's budget, and noted in the ledger
by name and id before it is used: its books then tell a later attempt what became of a call without an end. The key
itself is in memory only.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.compat import mask_secret
from airflow_provider_imagerouter.exceptions import (
    ImageRouterAccessError,
    ImageRouterAuthenticationError,
    ImageRouterBudgetError,
    ImageRouterDailyLimitError,
    ImageRouterError,
    ImageRouterRateLimitError,
    ImageRouterResponseError,
)

if TYPE_CHECKING:
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.ledger.ledger import Ledger

log = logging.getLogger(__name__)

USED_LIFE = 0.9
"""For how much of its lifetime a key is used; an attempt that goes on for longer makes another."""

_SPENT = re.compile(r"\bspen(d|t|ding)\b|(?<!rate )\blimit\b.*\bkey\b|\bkey\b.*(?<!rate )\blimit\b", re.IGNORECASE)
"""Words of a refusal that can only be about what a key may spend."""


@dataclass
class AttemptKey:
    """
    A key of an attempt's own.

    :param name: what the books call it
    :param id: what else the books call it; None if ImageRouter did not say
    :param key: the key itself
    :param limit: USD that may be spent with it; None for no limit
    :param useful_until: on the monotonic clock
    :param spent: USD, what was spent with it, as far as it is known
    :param unknown: of how many calls with it that is not known
    """

    name: str
    id: str | None
    key: str = field(repr=False)
    limit: Decimal | None
    useful_until: float
    spent: Decimal = Decimal(0)
    unknown: int = 0

    def count(self, cost: Decimal | None) -> None:
        """
        Count a call that was made with it.

        :param cost: USD; None if that is not known
        """
        self.unknown += cost is None
        self.spent += cost or Decimal(0)


class AttemptKeys:
    """
    Makes the key of one attempt when it is needed; and another if that one is about to expire.

    :param hook: the connection, which has a management key
    :param ledger: where names and ids are noted
    :param identity: the task instance
    :param budget_left: returns USD, what is left of the task's budget; None if it has none
    """

    def __init__(
        self, hook: ImageRouterAsyncHook, ledger: Ledger, identity: Identity, budget_left: Callable[[], Decimal | None]
    ) -> None:
        self._hook = hook
        self._ledger = ledger
        self._identity = identity
        self._budget_left = budget_left
        self._making = asyncio.Lock()
        self._failures: list[ImageRouterError] = []
        self.made: list[AttemptKey] = []

    async def get(self) -> AttemptKey:
        """
        Return the key to work on.

        :raises ImageRouterError: if none can be made, or noted: nothing is paid then
        """
        failures = len(self._failures)
        async with self._making:
            if self.made and time.monotonic() < self.made[-1].useful_until:
                return self.made[-1]
            if len(self._failures) > failures:  # of somebody else's try, which this one waited for
                raise self._failures[-1].with_message(str(self._failures[-1]))
            try:
                self.made.append(await self._make())
            except ImageRouterError as error:
                self._failures.append(error)
                raise
            return self.made[-1]

    async def _make(self) -> AttemptKey:
        lifetime = (await self._hook.get_settings()).key_lifetime
        useful_until = time.monotonic() + USED_LIFE * lifetime
        number = len(self.made) + 1
        name = self._identity.attempt_name(f"{self._ledger.epoch}" + (f"-{number}" if number > 1 else ""))
        limit = self._budget_left()
        try:
            made = await self._hook.make_key(name, limit, datetime.now(UTC) + timedelta(seconds=lifetime))
        except ImageRouterError as error:
            hint = ". Is the connection's management key right?" if _is_refusal(error) else ""
            said = f"No API key could be made for this attempt, and nothing is sent: {str(error).rstrip('.')}{hint}"
            raise error.with_message(said) from None
        await mask_secret(made.key)
        await self._ledger.note_api_key(name, made.id)
        log.info("This attempt works on the API key %s%s", name, "" if limit is None else f", limited to ${limit}")
        return AttemptKey(name, made.id, made.key, limit, useful_until)

    async def budgets_end(self, key: AttemptKey, error: ImageRouterError, price: Decimal | None) -> ImageRouterError:
        """
        Return the error of a refused call: the budget's end, if its key was refused because it has spent its limit.

        How ImageRouter says so is not known (October 2026); what its words leave open, its books tell.

        :param key: that the call was made with
        :param error: how the call ended
        :param price: USD, what it may cost at most
        """
        if key.limit is None or not isinstance(error, ImageRouterResponseError) or error.billed == "yes":
            return error
        is_told = error.status_code == 402 or _SPENT.search(str(error))
        if not is_told and not (_is_refusal(error) and await self._has_spent_its_limit(key, price)):
            return error
        return ImageRouterBudgetError(
            f"This attempt's API key has spent its limit, the ${key.limit} that were left of max_cost_usd: {error}",
            status_code=error.status_code,
            error_type=error.error_type,
        )

    async def _has_spent_its_limit(self, key: AttemptKey, price: Decimal | None) -> bool:
        try:
            spent = (await self._hook.get_books()).of(key.name, key.id).spent
        except ImageRouterError as error:
            log.warning("Whether the API key %s has spent its limit is not known: %s", key.name, error)
            return False
        return spent is not None and key.limit is not None and spent + (price or Decimal(0)) > key.limit


def _is_refusal(error: ImageRouterError) -> bool:
    kinds = (
        ImageRouterAccessError,
        ImageRouterAuthenticationError,
        ImageRouterDailyLimitError,
        ImageRouterRateLimitError,
    )
    return isinstance(error, kinds)
