"""What number and sum in an API key's books tell of its calls."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_imagerouter.api.books import Books, KeyBooks
from airflow_provider_imagerouter.engine.judging import Judgement, Price, judge
from airflow_provider_imagerouter.ledger.entries import Intent, KeyCalls

RANGE = Price(Decimal("0.004"), Decimal("0.01"))
FIXED = Price(Decimal("0.3"), Decimal("0.3"))
FREE = Price(Decimal(0), Decimal(0))
UNKNOWN = Price(None, None)


def judged(
    requests: int | None, usage: str | None, *prices: Price, used: str | None = None, rows: Any = None, **known: Any
) -> Judgement:
    """Judge calls ``a``, ``b`` … of a key by its books."""
    keys = [chr(ord("a") + number) for number in range(len(prices))]
    calls = KeyCalls("k", "1", open={key: Intent(key, Decimal(0), "m", 0.0, "k") for key in keys}, **known)
    row = KeyBooks("1", "k", requests, None if usage is None else Decimal(usage))
    books = Books((row,) if rows is None else rows, None if used is None else Decimal(used))
    return judge(calls, books, dict(zip(keys, prices, strict=True)))


def told(*given: Any, **more: Any) -> str:
    """What is told of each call: Yes, No or Unknown; in capitals where it may be at work."""
    found = judged(*given, **more)
    return "".join(each[0].upper() if key in found.at_work else each[0] for key, each in found.billed.items())


@pytest.mark.parametrize("price", [RANGE, FIXED, UNKNOWN])
def test_one_call_is_always_told(price: Price) -> None:
    assert told(0, "0", price) == "n"
    assert told(1, "0", price) == "n"  # accepted, and given back
    assert told(1, "0.0123", price).lower() == "y"
    assert judged(1, "0.0123", price).cost == Decimal("0.0123")


def test_what_is_known_is_taken_off() -> None:
    known = {"answered": 2, "failed": 3, "spent": Decimal("0.008")}
    assert told(2, "0.008", RANGE, **known) == "n"
    assert told(5, "0.008", RANGE, **known) == "n"
    assert told(3, "0.012", RANGE, **known) == "y"
    assert judged(5, "0.012", RANGE, **known).all_accepted is False  # it may be those that failed which are in there
    assert judged(6, "0.012", RANGE, **known).all_accepted is True


def test_the_highest_price_may_be_a_call_at_work() -> None:
    assert told(1, "0.01", RANGE) == "Y"
    assert told(1, "0.004", RANGE) == "y"
    assert told(1, "0.3", FIXED) == "Y"
    assert told(1, "0.004", UNKNOWN) == "Y"
    assert told(3, "0.012", RANGE, RANGE, RANGE) == "uuu"  # two cannot have cost the rest, 0.002
    assert told(2, "0.014", RANGE, RANGE) == "YY"
    assert told(2, "0.02", RANGE, RANGE) == "YY"


def test_of_several_calls_only_what_is_unknown_is_unknown() -> None:
    assert told(0, "0", RANGE, RANGE, RANGE) == "nnn"
    assert told(3, "0", RANGE, RANGE, RANGE) == "nnn"
    assert told(2, "0.6", FIXED, FIXED) == "YY"
    assert told(2, "0.3", FIXED, FIXED).lower() == "uu"
    assert told(1, "0.008", RANGE, RANGE) == "uu"
    assert told(2, "0.004", RANGE, FIXED) == "yn"
    assert told(2, "0.3", RANGE, FIXED).lower() == "ny"
    assert told(3, "0.304", RANGE, FIXED, RANGE).lower() == "uyu"
    assert told(1, "0.01", RANGE, FREE) == "Yn"


def test_a_price_range_is_no_promise() -> None:
    """0.002 is below the usual, and may have been billed for either."""
    other = Price(Decimal("0.05"), Decimal("0.06"))
    assert told(2, "0.002", RANGE, other) == "uu"


@pytest.mark.parametrize(
    "books",
    [
        {"requests": 1, "usage": None},
        {"requests": 1, "usage": "0.001", "spent": Decimal("0.004"), "answered": 1},
        {"requests": 2, "usage": "0.008", "unsaid": 1, "answered": 1},
        {"requests": 0, "usage": "0.004"},
    ],
)
def test_books_that_do_not_fit_tell_nothing(books: dict[str, Any]) -> None:
    assert told(books.pop("requests"), books.pop("usage"), RANGE, RANGE, **books).lower() == "uu"


def test_a_key_that_is_not_in_the_books_was_never_used_if_they_are_whole() -> None:
    assert told(None, None, RANGE, rows=()) == "n"
    assert told(None, None, RANGE, rows=(), used="0") == "n"
    assert told(None, None, RANGE, rows=(), used="0.004") == "u"
    other = KeyBooks("2", "other", 1, Decimal("0.004"))
    assert told(None, None, RANGE, rows=(other,), used="0.004") == "n"
    assert told(None, None, RANGE, rows=(other,), used="0.008") == "u"


def test_very_many_calls_of_very_many_prices_are_not_told_apart() -> None:
    prices = [Price(Decimal(number), Decimal(number)) for number in range(1, 40)]
    assert set(told(39, "3", *prices).lower()) == {"u"}
    assert set(told(39, "0", *prices)) == {"n"}


def test_it_is_said_in_words() -> None:
    assert judged(1, "0.004", RANGE).said("a") == "ImageRouter's books say that $0.004 were billed for it"
    assert "as long as it is at work" in judged(1, "0.01", RANGE).said("a")
    assert "billed, with 1 more for $0.6 together" in judged(2, "0.6", FIXED, FIXED).said("a")
    assert "3 calls were in flight, 2 of them accepted, $0.008 billed" in judged(2, "0.008", *[RANGE] * 3).said("a")
    assert "do not tell" in judged(1, None, RANGE).said("a")
