"""What the commands share: the hook they ask, and how they print what it says."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow.cli.simple_table import AirflowConsole
from airflow.models import Connection
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_imagerouter.hooks.connection import read_connection
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterHook

if TYPE_CHECKING:
    from argparse import Namespace


@contextmanager
def open_hook(args: Namespace) -> Iterator[ImageRouterHook]:
    """
    Hand out a hook that tries once, as somebody is waiting; its errors end the program with one line.

    :param args: ``conn_id``
    """
    logging.disable()  # Airflow logs to standard output, which is for tables and JSON
    try:
        hook = ImageRouterHook(args.conn_id)
        # Like Airflow's own commands: the metadata database is asked for connections, too.
        connection = Connection.get_connection_from_secrets(args.conn_id)
        hook.settings = replace(read_connection(connection), retry_timeout=0)
        yield hook
    except AirflowException as error:
        sys.exit(f"Error: {error}")
    finally:
        logging.disable(logging.NOTSET)


def show(args: Namespace, data: Any, rows: list[dict[str, str]]) -> None:
    """
    Print what a command found: a table for people, or all of it for programs.

    :param args: ``json``
    :param data: all of it; amounts are Decimal
    :param rows: the table's
    """
    if args.json:
        sys.stdout.write(json.dumps(data, default=float, indent=2) + "\n")
    else:
        AirflowConsole().print_as_table(rows)


def dollars(amount: Decimal) -> str:
    """
    Write an amount for people.

    :param amount: USD
    """
    return f"${amount:.4f}"
