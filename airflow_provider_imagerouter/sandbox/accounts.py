"""Accounts and their keys, and what each paid, in whole credits of 1/10000 USD."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from airflow_provider_imagerouter.sandbox.keys import EMPTY_KEY, MANAGEMENT_KEY, NEARLY_EMPTY_KEY, RICH_KEY

CREDITS_PER_USD = 10_000
PERIODS = ("day", "week", "month")


def credits_for(usd: float) -> int:
    """Convert a price to credits, rounded up as the API does.

    :param usd: a price in USD
    """
    return math.ceil(usd * CREDITS_PER_USD)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Account:
    """One account: all its keys spend its credits.

    :param name: what the ledger calls it
    :param deposited: credits ever paid in
    """

    name: str
    deposited: int
    keys: list[ApiKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start with everything that was deposited."""
        self.remaining = self.deposited

    @property
    def balance_usd(self) -> float:
        """What is left, in USD."""
        return self.remaining / CREDITS_PER_USD

    def statement(self, by_api_key: bool) -> dict[str, object]:
        """Answer `GET /v1/credits`.

        :param by_api_key: add a row for each key that was ever used
        """
        answer: dict[str, object] = {
            "remaining_credits": _dollars(self.remaining),
            "credit_usage": _dollars(self.deposited - self.remaining),
            "total_deposits": _dollars(self.deposited),
        }
        if by_api_key:
            answer["usage_by_api_key"] = [key.books() for key in self.keys if key.requests]
        return answer


@dataclass
class ApiKey:
    """One key of an account.

    :param secret: what a client sends
    :param name: what the books call it
    :param management: makes other keys, and does nothing else
    :param spend_limit: credits it may spend in each period, None for no limit
    :param spend_limit_period: `day`, `week` or `month` in UTC, None for its life
    :param expires_at: when it stops working, None for never
    """

    account: Account
    secret: str
    name: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    management: bool = False
    spend_limit: int | None = None
    spend_limit_period: str | None = None
    expires_at: datetime | None = None
    created_at: datetime = field(default_factory=_now)
    requests: int = 0
    spent: int = 0

    def __post_init__(self) -> None:
        """Join the account."""
        self.account.keys.append(self)
        self._period_start = self._current_period()
        self._period_spent = 0

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= _now()

    def affords(self, amount: int) -> bool:
        """Say whether its limit leaves room for a call.

        :param amount: credits
        """
        self._turn_page()
        return self.spend_limit is None or self._period_spent + amount <= self.spend_limit

    def enter(self, amount: int) -> Entry:
        """Enter a call the moment it is accepted, and take its highest price.

        :param amount: credits
        """
        self._turn_page()
        self.requests += 1
        self.book(amount, self._period_start)
        return Entry(self, amount, self._period_start)

    def book(self, amount: int, period_start: datetime) -> None:
        """Add to what was spent, or take away from it.

        :param amount: credits, below zero for what is given back
        :param period_start: beginning of the period it belongs to
        """
        self.account.remaining -= amount
        self.spent += amount
        if period_start == self._period_start:
            self._period_spent += amount

    def books(self) -> dict[str, object]:
        """Describe what it was asked and spent: its row in `usage_by_api_key`."""
        self._turn_page()
        return {
            "api_key_id": self.id,
            "api_key_name": self.name,
            "credit_usage": _dollars(self.spent),
            "total_requests": self.requests,
            "created_at": in_iso(self.created_at),
            "is_active": not self.expired,
            "spend_limit": None if self.spend_limit is None else _dollars(self.spend_limit),
            "spend_limit_period": self.spend_limit_period,
            "period_spend": _dollars(self._period_spent),
            "period_start": in_iso(self._period_start) if self.spend_limit_period else None,
            "expires_at": in_iso(self.expires_at) if self.expires_at else None,
        }

    def _turn_page(self) -> None:
        """Count from zero again when a new period began."""
        current = self._current_period()
        if current != self._period_start:
            self._period_start, self._period_spent = current, 0

    def _current_period(self) -> datetime:
        today = _now().replace(hour=0, minute=0, second=0, microsecond=0)
        match self.spend_limit_period:
            case "day":
                return today
            case "week":
                return today - timedelta(days=today.weekday())
            case "month":
                return today.replace(day=1)
            case _:
                return self.created_at


@dataclass
class Entry:
    """One accepted call in the books of its key.

    :param amount: credits, as booked up to now
    """

    key: ApiKey
    amount: int
    period_start: datetime

    def correct(self, amount: int) -> None:
        """Book what the call really cost; zero gives everything back.

        :param amount: credits
        """
        self.key.book(amount - self.amount, self.period_start)
        self.amount = amount


def in_iso(time: datetime) -> str:
    """Write a time as JavaScript's `toISOString` does."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dollars(amount: int) -> str:
    return f"{amount / CREDITS_PER_USD:.4f}"


def open_accounts() -> dict[str, ApiKey]:
    """Open the three accounts afresh; their keys by what a client sends."""
    rich = Account("rich", credits_for(100))
    nearly_empty = Account("nearly empty", credits_for(0.001))
    empty = Account("empty", 0)
    keys = [
        ApiKey(account, secret, account.name, f"sandbox-{account.name.replace(' ', '-')}")
        for account, secret in ((rich, RICH_KEY), (nearly_empty, NEARLY_EMPTY_KEY), (empty, EMPTY_KEY))
    ]
    keys.append(ApiKey(rich, MANAGEMENT_KEY, "rich management", "sandbox-rich-management", management=True))
    return {key.secret: key for key in keys}
