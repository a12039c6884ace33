"""What the log says of a batch's failed requests."""

from __future__ import annotations

import logging
from collections import Counter

from airflow.providers.common.compat.sdk import AirflowFailException

log = logging.getLogger(__name__)

LINE_CHARACTERS = 300
"""How long the line of a failed request may be; its row of the results has the whole message."""

EXAMPLES = 5
"""How many requests the summary names for each class of error."""


class Failures:
    """The failed requests of one attempt: each in a line of the log, and grouped in the end."""

    def __init__(self) -> None:
        self.total = 0
        self.are_refusals = True
        self._groups: dict[str, tuple[str, list[int]]] = {}
        self._numbers: Counter[str] = Counter()

    def add(self, index: int, name: str, error: Exception) -> None:
        """
        Say how a request failed, and remember it.

        :param index: which one of the list
        :param name: what to call it
        :param error: what was wrong
        """
        kind = type(error).__name__
        log.warning("%s", shorten(f"{name} failed: {kind}: {error}", LINE_CHARACTERS))
        self.total += 1
        self.are_refusals &= isinstance(error, AirflowFailException)
        self._numbers[kind] += 1
        _, indexes = self._groups.setdefault(kind, (shorten(str(error), LINE_CHARACTERS), []))
        if len(indexes) < EXAMPLES:
            indexes.append(index)

    def say(self) -> None:
        """Say what failed how often, and where to look."""
        for kind, number in self._numbers.most_common():
            message, indexes = self._groups[kind]
            named = ", ".join(f"requests[{index}]" for index in sorted(indexes)) + (
                ", …" if number > len(indexes) else ""
            )
            log.warning("%d x %s: %s; the first: %s", number, kind, named, message)


def shorten(text: str, length: int) -> str:
    """
    Return the start of a text on one line.

    :param text: any text
    :param length: how many characters at most
    """
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
