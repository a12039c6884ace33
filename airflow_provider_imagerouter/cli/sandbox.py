"""``airflow imagerouter sandbox``: a local ImageRouter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_imagerouter.sandbox.__main__ import run_sandbox

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> None:
    """
    Run the sandbox until it is stopped.

    :param args: ``host``, ``port``
    """
    run_sandbox(args.host, args.port)
