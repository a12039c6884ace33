"""
What the tasks of a Dag run hold of its budget, noted where all of them see it.

A note is a small file whose name says all that counts, so that one listing tells what everybody holds. A task's newest
note stands in for its earlier ones. None is ever changed or removed (but by age, all together): no listing can miss a
task because its note was just being replaced.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.ledger.leases import is_alive

if TYPE_CHECKING:
    from airflow_provider_imagerouter.ledger.claims import Claim
    from airflow_provider_imagerouter.ledger.place import Place

_AMOUNT = r"\d+(?:\.\d+)?"
_NAME = re.compile(rf"(.+)-(\d{{6,}})-(\d{{6,}})-({_AMOUNT})-({_AMOUNT})-({_AMOUNT})")


@dataclass(frozen=True)
class Holding:
    """
    What one task instance holds of its run's budget.

    :param task: what tells it from all others of the run
    :param generation: a number for its attempt, higher than that of every earlier one
    :param number: of the note in its attempt, from 1
    :param spent: USD that it has spent, or may have spent in calls that it knows nothing more of
    :param open: USD that is set aside for calls; what they do not cost will be released
    :param wanted: USD that it waits for, and does not hold
    """

    task: str
    generation: int
    number: int
    spent: Decimal
    open: Decimal
    wanted: Decimal

    @property
    def amounts(self) -> tuple[Decimal, Decimal, Decimal]:
        """USD spent, set aside, and wanted."""
        return self.spent, self.open, self.wanted

    @property
    def amount(self) -> Decimal:
        """USD that are not there for other tasks."""
        return self.spent + self.open

    @property
    def name(self) -> str:
        """The name of its note."""
        amounts = "-".join(f"{amount:f}" for amount in self.amounts)
        return f"{self.task}-{self.generation:06d}-{self.number:06d}-{amounts}"


class RunNotes:
    """
    The notes of all tasks of a Dag run.

    :param place: where they are; its leases are those of the tasks' ledgers
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def holdings(self) -> dict[str, Holding]:
        """Return what each task holds, by the newest of its notes."""
        newest: dict[str, Holding] = {}
        for match in filter(None, map(_NAME.fullmatch, self._place.names())):
            task, generation, number, *amounts = match.groups()
            holding = Holding(task, int(generation), int(number), *map(Decimal, amounts))
            other = newest.get(holding.task)
            if other is None or (other.generation, other.number) < (holding.generation, holding.number):
                newest[holding.task] = holding
        return newest

    def add(self, holding: Holding, claim: Claim) -> None:
        """
        Note what a task holds; it outlives a power cut, and others see it, once this returns.

        :param holding: what it holds
        :param claim: of its attempt, so that others can find out whether it is alive
        """
        self._place.write(holding.name, json.dumps({"lease": claim.lease, "owner": claim.owner}).encode())

    def is_alive(self, holding: Holding) -> bool:
        """
        Return whether the attempt that noted something is alive.

        :param holding: what it noted
        """
        try:
            told = json.loads(self._place.read(holding.name) or b"")
            return is_alive(self._place, told["lease"], told["owner"])
        except (ValueError, TypeError, KeyError):
            return False
