"""Removing ledgers by age: those of tasks that have succeeded, which nobody but a clear or a late retry reads."""

from __future__ import annotations

import logging
import time

from airflow.providers.common.compat.sdk import conf

from airflow_provider_imagerouter.ledger.place import Place

log = logging.getLogger(__name__)

LEDGER_DAYS = 30.0
"""How long the ledger of a task that has succeeded is kept."""


def remove_old(place: Place) -> None:
    """
    Remove what is older than ``[imagerouter] ledger_days``, once a day for all ledgers that lie beside each other.

    Nothing depends on it, so nothing is raised.

    :param place: one of the ledgers
    """
    days = float(conf.getfloat("imagerouter", "ledger_days", fallback=LEDGER_DAYS))
    today = f"swept-{int(time.time() // 86400)}"
    try:
        if place.leases.read(today) is None and place.leases.create(today, b""):
            place.remove_finished_before(time.time() - days * 86400)
    except Exception as error:  # whatever the place's own library raises
        log.info("Could not remove old ledgers: %s: %s", type(error).__name__, error)
