"""Judging by the books: which calls of an API key were billed, as far as their number and sum tell."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_imagerouter.api.books import CREDIT

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.books import Books, KeyBooks
    from airflow_provider_imagerouter.exceptions import Billed
    from airflow_provider_imagerouter.ledger.entries import KeyCalls

MOST_COMBINATIONS = 100_000
"""How many are looked at; calls of more different prices than that are not told apart."""

_ENDLESS = Decimal("Infinity")


class Price(NamedTuple):
    """
    What a call may be billed.

    :param lowest: USD; None if that is not known
    :param highest: USD; None if that is not known
    """

    lowest: Decimal | None
    highest: Decimal | None

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing."""
        return self.highest == 0

    @property
    def bills(self) -> tuple[Decimal, Decimal]:
        """What can be on the bill; of a range the beginning is what was seen, and no promise."""
        if self.highest is None:
            return CREDIT, _ENDLESS
        return self.highest if self.lowest == self.highest else CREDIT, self.highest

    @property
    def usual_bills(self) -> tuple[Decimal, Decimal]:
        """What is usually on the bill."""
        return self.lowest or CREDIT, _ENDLESS if self.highest is None else self.highest


@dataclass(frozen=True)
class Judgement:
    """
    What the books say of the calls of one key that have no end.

    :param billed: whether each was billed, by the key of its request
    :param cost: USD, what was taken for all of them together; None if the books do not tell
    :param accepted: how many of them were accepted, at most; None if the books do not tell
    :param all_accepted: whether all of them surely were accepted
    :param at_work: those that may still be at work
    """

    billed: Mapping[str, Billed]
    cost: Decimal | None
    accepted: int | None
    all_accepted: bool
    at_work: Sequence[str]

    def said(self, key: str) -> str:
        """
        Say what the books say of a call.

        :param key: of its request
        """
        number, cost = len(self.billed), f"${self.cost}"
        if self.cost is None:
            return "it may have been made and billed, as ImageRouter's books do not tell"
        at_work = ", or are taken for it as long as it is at work" if key in self.at_work else ""
        if number == 1:
            return f"ImageRouter's books say that {cost} were billed for it{at_work}"
        if self.billed[key] == "yes":
            return f"ImageRouter's books say that it was billed, with {number - 1} more for {cost} together{at_work}"
        accepted = "" if self.accepted is None else f"{self.accepted} of them accepted, "
        return (
            f"{number} calls were in flight, {accepted}{cost} billed for all together; which of them were billed, "
            "ImageRouter's books do not tell"
        )


def judge(calls: KeyCalls, books: Books, prices: Mapping[str, Price]) -> Judgement:
    """
    Judge the calls of one key that have no end.

    :param calls: what the journals say of the key's calls
    :param books: the account's
    :param prices: of each call without an end, by the key of its request
    """
    row = books.of(calls.name, calls.id)
    beyond = None if row.spent is None else row.spent - calls.spent
    accepted = None if row.requests is None else max(0, min(row.requests - calls.answered, len(calls.open)))
    all_accepted = row.requests is not None and row.requests - calls.answered - calls.failed >= len(calls.open)
    priced = {key: price for key, price in prices.items() if not price.is_free}
    if beyond is None or beyond < 0 or (calls.unsaid and beyond) or _may_be_hidden(row, books, priced):
        beyond = None
    most = len(priced) if accepted is None else accepted
    told: dict[str, Billed] = dict.fromkeys(prices, "no")
    if beyond is None:
        told |= dict.fromkeys(priced, "unknown")
    elif beyond:
        told |= _tell_apart(beyond, most, priced)
    at_work = [key for key in priced if beyond and _may_be_at_work(key, beyond, most, priced)]
    return Judgement(told, beyond, accepted, all_accepted, at_work)


def _may_be_hidden(row: KeyBooks, books: Books, prices: Mapping[str, Price]) -> bool:
    """Return whether a key may only seem never used, since the account spent more than all the books' keys did."""
    least = min((price.bills[0] for price in prices.values()), default=_ENDLESS)
    return row.id is None and row.name is None and books.hidden >= least


def _tell_apart(cost: Decimal, most: int, prices: Mapping[str, Price]) -> dict[str, Billed]:
    """
    Say of each call whether it was billed, as far as all ways tell to get to a sum.

    :param cost: USD, what all were billed together
    :param most: how many can have been
    :param prices: of each call, by key
    """
    if len(prices) == 1 and most:
        return dict.fromkeys(prices, "yes")  # whatever it was thought to cost
    kinds = Counter(price.bills for price in prices.values())
    ways = list(_ways(kinds, cost, most))
    told: dict[str, Billed] = {}
    for key, price in prices.items():
        numbers = {way[price.bills] for way in ways}
        told[key] = "unknown"
        if numbers == {0}:
            told[key] = "no"
        elif numbers == {kinds[price.bills]}:
            told[key] = "yes"
    return told


def _may_be_at_work(key: str, cost: Decimal, most: int, prices: Mapping[str, Price]) -> bool:
    """Return whether a call's highest price may be in a sum, as it is while the call is at work."""
    highest = prices[key].highest
    if highest is None:
        return True
    others = Counter(price.usual_bills for other, price in prices.items() if other != key)
    rest = cost - highest
    return -CREDIT <= rest <= CREDIT or any(_ways(others, rest, most - 1))


def _ways(
    kinds: Mapping[tuple[Decimal, Decimal], int], cost: Decimal, most: int
) -> Iterator[dict[tuple[Decimal, Decimal], int]]:
    """
    Yield the ways to get to a sum: of each kind of call how many were billed.

    :param kinds: how many calls there are of each kind: those that may be billed from so much to so much
    :param cost: USD, the sum
    :param most: how many calls can have been billed
    """
    if math.prod(number + 1 for number in kinds.values()) > MOST_COMBINATIONS:
        yield from (dict(kinds), dict.fromkeys(kinds, 0))  # anything may be
        return
    for numbers in itertools.product(*(range(number + 1) for number in kinds.values())):
        way = dict(zip(kinds, numbers, strict=True))
        lowest = sum((kind[0] * number for kind, number in way.items()), Decimal(0))
        highest = sum((kind[1] * number for kind, number in way.items() if number), Decimal(0))
        if lowest <= cost <= highest and sum(numbers) <= most:
            yield way
