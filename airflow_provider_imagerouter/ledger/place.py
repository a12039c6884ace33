"""
A place for the ledger of one task instance: named files, and a journal that only grows.

All methods block; the ledger calls them in threads. Whatever a place's own library raises goes through.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import ClassVar


class Appender(ABC):
    """The end of a journal that one attempt writes, and nobody else."""

    @abstractmethod
    def append(self, lines: bytes, room: int) -> None:
        """
        Put lines at the end; they outlive a power cut once this returns.

        :param lines: whole lines
        :param room: bytes that must be kept free for later lines, where the place can do that
        """

    @abstractmethod
    def close(self) -> None:
        """Give back the room that was kept; nothing is appended any more."""


class Place(ABC):
    """
    Where a ledger is kept.

    :cvar lasting: whether a later attempt will find it
    :cvar takes_bytes: whether pictures' bytes may be put here
    :cvar seconds_between_appends: how long to gather lines before they are appended together
    """

    lasting: ClassVar[bool] = True
    takes_bytes: ClassVar[bool] = False
    seconds_between_appends: float = 0.0

    @property
    @abstractmethod
    def leases(self) -> Place:
        """Where the leases of those who write here are kept; one for each process, where many tasks share it."""

    @property
    @abstractmethod
    def key(self) -> str:
        """What tells this place from all others in this process."""

    @abstractmethod
    def names(self) -> set[str]:
        """Return the names of all files, journals among them."""

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Write a new file; return False, and change nothing, if there is one of this name."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file, in place of one of the same name."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None if there is no such file."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, as far as they are there and may be removed: nothing depends on it."""
        for name in names:
            with suppress(Exception):  # whatever the place's own library raises
                self._remove(name)

    @abstractmethod
    def _remove(self, name: str) -> None:
        """Remove a file."""

    @abstractmethod
    def remove_finished_before(self, then: float) -> None:
        """
        Remove the ledgers beside this one that were finished before a time, and as old notes of runs and leases.

        Where each ledger has a place of its own, Airflow removes it with its task instance.

        :param then: seconds since 1970
        """

    @abstractmethod
    def begin_journal(self, name: str) -> Appender:
        """
        Begin a journal.

        :param name: that no journal had before
        """

    @abstractmethod
    def read_journal(self, name: str) -> Iterator[bytes]:
        """Return the lines of a journal, one after the other; none if there is no such journal."""
