"""
Claims: which attempt may spend, one at a time.

The attempts of a task instance follow each other in *epochs*. A new epoch is claimed by creating its file, which works
for one only; and only once the attempt of the epoch before has ended, or its lease has.
"""

from __future__ import annotations

import json
import logging
import re
import time
from dataclasses import asdict, dataclass

from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.ledger.leases import is_alive, lease_seconds
from airflow_provider_imagerouter.ledger.place import Place

log = logging.getLogger(__name__)

TRIES = 3
"""How often to try to create a file that a store refuses, though it is not there."""

_NUMBERED = re.compile(r"(claim|journal|finished|picture)-(\d{6})(-.*)?")


@dataclass(frozen=True)
class Claim:
    """
    An epoch that an attempt has claimed.

    :param epoch: its number, from 1
    :param owner: the attempt
    :param lease: the name of the lease that its process renews
    :param max_tries: the task instance's, as the attempt saw it: a clear raises it, a retry does not
    :param after: the last epoch that was cleared: what it and those before it noted does not count
    """

    epoch: int
    owner: str
    lease: str
    max_tries: int
    after: int


def latest_claim(place: Place) -> Claim | None:
    """
    Return the claim of the newest epoch.

    :param place: where the ledger is
    :raises ImageRouterStorageError: if it cannot be made sense of
    """
    epochs = [epoch for kind, epoch, _ in _numbers(place) if kind == "claim"]
    return _read_claim(place, max(epochs)) if epochs else None


def is_over(place: Place, claim: Claim) -> bool:
    """
    Return whether the attempt that made a claim has ended, or is to be taken for dead.

    :param place: where the ledger is
    :param claim: the newest one
    """
    return not is_alive(place, claim.lease, claim.owner)


def claim_next(place: Place, latest: Claim | None, owner: str, lease: str, max_tries: int) -> Claim | None:
    """
    Claim the next epoch.

    :param place: where the ledger is
    :param latest: the claim before, which is over; None if there is none
    :param owner: the attempt
    :param lease: the name of its process's lease, which lists it
    :param max_tries: the task instance's
    :return: the claim; None if another attempt was faster
    :raises ImageRouterStorageError: if the store refuses it for no reason
    """
    epoch, after = (latest.epoch + 1, latest.after) if latest else (1, 0)
    if latest and latest.max_tries < max_tries and _was_finished(place, latest):
        after = latest.epoch
    claim = Claim(epoch, owner, lease, max_tries, after)
    return claim if _create(place, claim) else None


def note_finished(place: Place, max_tries: int) -> None:
    """
    Note that the task succeeded with what the ledger holds; only a clear begins anew from here.

    :param place: where the ledger is
    :param max_tries: the task instance's
    """
    for epoch in sorted((epoch for kind, epoch, _ in _numbers(place) if kind == "claim"), reverse=True):
        if _read_claim(place, epoch).max_tries == max_tries:  # not that of an attempt after a clear that came meanwhile
            place.write(_name("finished", epoch), json.dumps(max_tries).encode())
            return


def remove_cleared(place: Place, claim: Claim) -> None:
    """
    Remove what the epochs before a clear noted.

    :param place: where the ledger is
    :param claim: this attempt's
    """
    if claim.after:
        place.remove({name for _, epoch, name in _numbers(place) if epoch <= claim.after})


def journals(place: Place, claim: Claim) -> list[str]:
    """
    Return the names of the journals that count, in order.

    :param place: where the ledger is
    :param claim: this attempt's
    """
    epochs = {epoch for kind, epoch, _ in _numbers(place) if kind == "journal" and epoch > claim.after}
    return [_name("journal", epoch) for epoch in sorted(epochs)]


def journal_name(claim: Claim) -> str:
    """Return the name of the journal that the owner of a claim writes."""
    return _name("journal", claim.epoch)


def _create(place: Place, claim: Claim) -> bool:
    """
    Create a claim's file.

    Whatever the store says, what counts is who owns the file: a store may lose the response to a write, and answer its
    repetition with "there is one already".
    """
    name, values = _name("claim", claim.epoch), asdict(claim)
    refusal: Exception | None = None
    for _ in range(TRIES):
        try:
            if place.create(name, json.dumps(values).encode()):
                return True
        except Exception as error:  # whatever the place's own library raises
            refusal = error
        if place.read(name) is not None:
            return _read_claim(place, claim.epoch) == claim
        time.sleep(0.1)
    raise ImageRouterStorageError(f"The ledger cannot be claimed: {refusal or 'it is refused'}", billed="no")


def _read_claim(place: Place, epoch: int) -> Claim:
    name = _name("claim", epoch)
    deadline = time.time() + lease_seconds()
    while True:  # not every file system lets a file appear whole
        try:
            return Claim(**json.loads(place.read(name) or b""))
        except (ValueError, TypeError):
            if time.time() > deadline:
                return Claim(epoch, "nobody", "none", 0, 0)
        time.sleep(0.5)


def _was_finished(place: Place, latest: Claim) -> bool:
    """Return whether the task succeeded since its last clear: in an attempt that saw the same ``max_tries``."""
    marks = [name for kind, epoch, name in _numbers(place) if kind == "finished" and epoch > latest.after]
    return any(place.read(name) == json.dumps(latest.max_tries).encode() for name in marks)


def _numbers(place: Place) -> list[tuple[str, int, str]]:
    """Return the kind, epoch and name of each file."""
    found = (_NUMBERED.fullmatch(name) for name in place.names())
    return [(match[1], int(match[2]), match[0]) for match in found if match]


def _name(kind: str, epoch: int) -> str:
    return f"{kind}-{epoch:06d}"
