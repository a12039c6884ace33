"""``airflow imagerouter credits``: what the account holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.cli.console import dollars, open_hook, show

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> None:
    """
    Show what the account holds.

    :param args: nothing of its own
    """
    with open_hook(args) as hook:
        found = asdict(hook.get_credits())
    show(args, found, [{name: dollars(amount) for name, amount in found.items()}])
