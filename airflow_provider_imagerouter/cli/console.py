"""What the commands share: the hook they ask, and how they print what it says."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow.cli.simple_table import AirflowConsole
from airflow.models import Connection
from airflow.providers.common.compat.sdk import AirflowException
from airflow.utils import yaml

from airflow_provider_imagerouter.exceptions import ImageRouterAuthenticationError
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
    except ImageRouterAuthenticationError as error:
        sys.exit(f"Error: {str(error).rstrip('.')} (the connection is {args.conn_id!r})")
    except AirflowException as error:
        sys.exit(f"Error: {error}")
    finally:
        logging.disable(logging.NOTSET)


def show(args: Namespace, data: Any, rows: Sequence[dict[str, str]]) -> None:
    """
    Print what a command found: a table for people, or all of it for programs.

    :param args: ``format``, ``json``
    :param data: all of it; amounts are Decimal
    :param rows: the table's
    """
    match "json" if args.json else args.format:
        case "json":
            sys.stdout.write(json.dumps(data, default=float, indent=2) + "\n")
        case "yaml":
            sys.stdout.write(yaml.dump(json.loads(json.dumps(data, default=float)), sort_keys=False))
        case "plain":
            AirflowConsole().print_as_plain_table(list(rows))
        case _:
            AirflowConsole().print_as_table(list(rows))


def dollars(amount: Decimal | None) -> str:
    """
    Write an amount for people.

    :param amount: USD; None if it is not known
    """
    return "not known" if amount is None else f"${amount:.4f}"


def price_range(low: Decimal | None, high: Decimal | None) -> str:
    """
    Write what something costs at least and at most, for people.

    :param low: USD
    :param high: USD
    """
    if low is None or high is None:
        return "not known"
    least, most = (dollars(price) if price else "nothing" for price in (low, high))
    return least if least == most else f"{least} to {most}"
