"""What a task tells of its pictures to those that wait for the assets it updates."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

MOST_CHARACTERS = 60_000
"""How much JSON of records an event carries; it is kept in Airflow's database, once for each asset."""


def attach_result(context: Context, outlets: Iterable[Any], result: Any) -> None:
    """
    Attach what a task made to the events of the assets among its outlets; what is there already stays.

    An event says ``pictures`` (the records), ``pictures_total`` (how many there are; records that are too many are left
    out) or, of a batch, ``manifest``. That it cannot be attached fails nothing: the task has made, and paid for, it.

    :param context: the task's
    :param outlets: the operator's
    :param result: a list of records, or a batch's manifest
    """
    for outlet in outlets:
        if isinstance(outlet, Asset):  # an alias does not say which asset it is
            try:
                context["outlet_events"][outlet].extra.update(_extra(result))
            except Exception as error:  # whatever Airflow raises
                log.warning("The event of %s says nothing of the pictures: %s", outlet.name, error)


def _extra(result: Any) -> dict[str, Any]:
    if not isinstance(result, list):
        return {"manifest": result}
    pictures, room = [], MOST_CHARACTERS
    for record in result:
        room -= len(json.dumps(record))
        if room < 0:
            break
        pictures.append(record)
    return {"pictures": pictures, "pictures_total": len(result)}
