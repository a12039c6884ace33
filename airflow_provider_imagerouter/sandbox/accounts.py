"""Accounts and what they paid, in whole credits of 1/10000 USD."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

from airflow_provider_imagerouter.sandbox.keys import EMPTY_KEY, NEARLY_EMPTY_KEY, RICH_KEY

CREDITS_PER_USD = 10_000


def credits_for(usd: float) -> int:
    """Convert a price to credits, rounded up as the API does.

    :param usd: a price in USD
    """
    return math.ceil(usd * CREDITS_PER_USD)


@dataclass
class Account:
    """One account with its only key.

    :param name: what the ledger calls it
    :param key: the API key
    :param deposited: credits ever paid in
    """

    name: str
    key: str
    deposited: int
    requests: int = 0
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        """Start with everything that was deposited."""
        self.remaining = self.deposited

    @property
    def balance_usd(self) -> float:
        """What is left, in USD."""
        return self.remaining / CREDITS_PER_USD

    def charge(self, amount: int) -> None:
        """Take the highest price of a call before it starts.

        :param amount: credits
        """
        self.requests += 1
        self.remaining -= amount

    def give_back(self, amount: int) -> None:
        """Return what a call turned out not to cost.

        :param amount: credits
        """
        self.remaining += amount

    def statement(self, by_api_key: bool) -> dict[str, object]:
        """Answer `GET /v1/credits`.

        :param by_api_key: add a row per key
        """
        used = _dollars(self.deposited - self.remaining)
        answer: dict[str, object] = {
            "remaining_credits": _dollars(self.remaining),
            "credit_usage": used,
            "total_deposits": _dollars(self.deposited),
        }
        if by_api_key:
            answer["usage_by_api_key"] = [
                {
                    "api_key_id": f"sandbox-{self.name}",
                    "api_key_name": self.name,
                    "credit_usage": used,
                    "total_requests": self.requests,
                    "created_at": self.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "is_active": True,
                }
            ]
        return answer


def _dollars(amount: int) -> str:
    return f"{amount / CREDITS_PER_USD:.4f}"


def open_accounts() -> dict[str, Account]:
    """Open the three accounts afresh, by key."""
    accounts = [
        Account("rich", RICH_KEY, credits_for(100)),
        Account("nearly empty", NEARLY_EMPTY_KEY, credits_for(0.001)),
        Account("empty", EMPTY_KEY, 0),
    ]
    return {account.key: account for account in accounts}
