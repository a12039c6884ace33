"""
Leases: how an attempt says that it is alive, and how others find that it is not.

Each process keeps one lease in each place where its attempts keep their ledgers: a file that lists those attempts, and
is written anew every third of `lease_seconds`. An attempt is alive while a lease that has not run out lists it. A
lease that did run out, as after a freeze, is never renewed: its attempts must claim their ledgers again, like anybody.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from uuid import uuid4

from airflow.providers.common.compat.sdk import conf

from airflow_provider_imagerouter.ledger.place import Place

log = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""How long after its last sign of life an attempt is taken for dead; machines' clocks must agree within two thirds."""


class Lease:
    """
    This process's lease in one place.

    :param place: where it is kept
    :param seconds: how long it lasts after each renewal
    """

    def __init__(self, place: Place, seconds: float) -> None:
        self.name = f"lease-{uuid4().hex}"
        self._place = place
        self._seconds = seconds
        self._owners: set[str] = set()
        self._written: frozenset[str] = frozenset()
        self._until = float("inf")
        self._changing = threading.Lock()
        self._writing = threading.Lock()
        self._ended = threading.Event()

    @property
    def has_run_out(self) -> bool:
        """Whether others may take its attempts for dead by now."""
        return time.time() >= self._until

    @property
    def has_ended(self) -> bool:
        """Whether nobody can be listed in it any more."""
        return self._ended.is_set() or self.has_run_out

    def add(self, owner: str) -> bool:
        """
        List an attempt as alive; many that come at the same time are listed with one write.

        :param owner: the attempt
        :return: whether that was still possible
        """
        with self._changing:
            if self.has_ended:
                return False
            self._owners.add(owner)
        with self._writing:
            if owner not in self._written:
                is_first = not self._written
                self._write()
                if is_first:
                    threading.Thread(target=self._keep_renewing, name="imagerouter-lease", daemon=True).start()
        return not self.has_run_out

    def drop(self, owner: str) -> None:
        """
        List an attempt no longer, since it has ended.

        :param owner: the attempt
        """
        with self._changing:
            self._owners.discard(owner)
            if not self._owners:
                self._ended.set()
        with self._writing:
            if self._ended.is_set():
                self._place.remove([self.name])
                if self._place.read(self.name) is None:
                    return
            if not self.has_run_out:
                self._write()

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self._seconds / 3):
            try:
                with self._writing:
                    if self.has_ended:
                        return
                    self._write()
            except Exception as error:  # whatever the place's own library raises
                log.warning("Could not renew the ledger's lease: %s: %s", type(error).__name__, error)

    def _write(self) -> None:
        until, owners = time.time() + self._seconds, frozenset(self._owners)
        self._place.write(self.name, json.dumps({"until": until, "owners": sorted(owners)}).encode())
        self._until, self._written = until, owners


_leases: dict[tuple[int, str], Lease] = {}
_taking = threading.Lock()


def take_lease(place: Place, owner: str) -> Lease:
    """
    Return this process's lease in a place, with an attempt listed in it.

    :param place: where its ledger is
    :param owner: the attempt
    """
    leases = place.leases
    key = os.getpid(), leases.key  # a forked process has no part in its parent's lease
    while True:
        with _taking:
            for ended in [name for name, lease in _leases.items() if lease.has_ended]:
                del _leases[ended]
            lease = _leases.setdefault(key, Lease(leases, lease_seconds()))
        if lease.add(owner):
            return lease


def is_alive(place: Place, lease: str, owner: str) -> bool:
    """
    Return whether an attempt is alive.

    :param place: where its ledger is
    :param lease: the name of its process's lease
    :param owner: the attempt
    """
    content = place.leases.read(lease)
    try:
        told = json.loads(content or b"")
        return bool(told["until"] > time.time() and owner in told["owners"])
    except (ValueError, TypeError, KeyError):  # it is gone, or is no lease
        return False


def lease_seconds() -> float:
    """Return how long after its last sign of life an attempt is taken for dead: ``[imagerouter] lease_seconds``."""
    return float(conf.getfloat("imagerouter", "lease_seconds", fallback=LEASE_SECONDS))
