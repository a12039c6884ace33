"""``airflow imagerouter estimate``: what generations cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.cli.console import dollars, open_hook, show

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> None:
    """
    Estimate what generations cost.

    :param args: ``model``, ``n``
    """
    with open_hook(args) as hook:
        found = asdict(hook.estimate_cost([{"model": args.model, "n": args.n}]))
    show(args, found, [{name: dollars(amount) for name, amount in found.items()}])
