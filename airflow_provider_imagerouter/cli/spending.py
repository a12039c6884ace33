"""``airflow imagerouter spending``: what each Dag, run and task spent, by ImageRouter's own books."""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.cli.console import dollars, open_hook, show
from airflow_provider_imagerouter.identity import read_attempt_name

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_imagerouter.api.books import KeyBooks

OTHERS = "(other keys)"
"""What the keys are called that were not made for an attempt."""


def run(args: Namespace) -> None:
    """
    Sum up the account's books by Dag, run and task: the keys that were made for attempts say in their names whose.

    :param args: ``dag``, ``since``
    """
    since = _time(args.since) if args.since else None
    with open_hook(args) as hook:
        keys = hook.get_books().keys
    groups: dict[tuple[str, str, str], list[KeyBooks]] = defaultdict(list)
    for key in keys:
        if since is None or key.created_at is None or key.created_at >= since:
            groups[_whose(key)].append(key)
    if args.dag:
        groups = {whose: found for whose, found in groups.items() if whose[0] == args.dag}
    sums = [_sum(whose, found) for whose, found in groups.items()]
    sums.sort(key=lambda row: (row["dag"] is None, -(row["spent"] or 0), row["dag"], row["run"], row["task"]))
    show(args, sums, [_row(each) for each in (*sums, _total(sums))])


def _whose(key: KeyBooks) -> tuple[str, str, str]:
    """Return Dag, run and task of a key; nothing for one that was not made for an attempt."""
    identity = read_attempt_name(key.name or "")
    return (identity.dag_id, identity.run_id, identity.task_id) if identity else ("", "", "")


def _sum(whose: tuple[str, str, str], keys: list[KeyBooks]) -> dict[str, Any]:
    """Sum up what some keys spent; a sum with something unknown in it is not known."""
    spent, calls = [key.spent for key in keys], [key.requests for key in keys]
    return {
        **{name: part or None for name, part in zip(("dag", "run", "task"), whose, strict=True)},
        "keys": len(keys),
        "calls": None if None in calls else sum(filter(None, calls)),
        "spent": None if None in spent else sum(filter(None, spent), Decimal(0)),
    }


def _total(sums: list[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {"dag": "total", "run": None, "task": None}
    for name in ("keys", "calls", "spent"):
        parts = [row[name] for row in sums]
        total[name] = None if None in parts else sum(parts, Decimal(0))
    return total


def _row(found: dict[str, Any]) -> dict[str, str]:
    return {
        "dag": found["dag"] or OTHERS,
        "run": found["run"] or "",
        "task": found["task"] or "",
        "keys": str(found["keys"]),
        "calls": "not known" if found["calls"] is None else str(found["calls"]),
        "spent": dollars(found["spent"]),
    }


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        sys.exit(f"Error: --since must be a date or time such as 2026-11-24 or 2026-11-24T12:00+01:00, not {text!r}")
    return time if time.tzinfo else time.replace(tzinfo=UTC)
