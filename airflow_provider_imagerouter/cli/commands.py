"""What the commands do: ask the hook, print a table for people or JSON for programs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow.cli.simple_table import AirflowConsole
from airflow.models import Connection
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_imagerouter.hooks.connection import read_connection
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterHook
from airflow_provider_imagerouter.money import to_usd

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_imagerouter.api.catalogue import Model, ModelFilters


def models(args: Namespace) -> None:
    """
    List models.

    :param args: ``output``, ``edit``, ``mask``, ``video``, ``max_price``, ``provider``, ``name``
    """
    with _hook(args) as hook:
        limit = to_usd(args.max_price, "--max-price")
        given = {name: getattr(args, name) for name in ("output", "provider", "name")}
        filters: ModelFilters = {name: value for name, value in given.items() if value}  # type: ignore[assignment]
        found = [
            model
            for model in hook.list_models(**filters).values()
            if (model.takes_image or not args.edit)
            and (model.takes_mask or not args.mask)
            and ("video" in model.output or not args.video)
            and (limit is None or (model.max_price is not None and model.max_price <= limit))
        ]
    found.sort(key=lambda model: (model.output, _or_last(model.average_price), _or_last(model.max_price), model.id))
    _print(args, [asdict(model) for model in found], [_row(model) for model in found])


def credits(args: Namespace) -> None:  # noqa: A001
    """
    Show what the account holds.

    :param args: nothing of its own
    """
    with _hook(args) as hook:
        found = asdict(hook.get_credits())
    _print(args, found, [{name: _dollars(amount) for name, amount in found.items()}])


def estimate(args: Namespace) -> None:
    """
    Estimate what generations cost.

    :param args: ``model``, ``n``
    """
    with _hook(args) as hook:
        found = asdict(hook.estimate_cost([{"model": args.model, "n": args.n}]))
    _print(args, found, [{name: _dollars(amount) for name, amount in found.items()}])


@contextmanager
def _hook(args: Namespace) -> Iterator[ImageRouterHook]:
    """Hand out a hook that tries once, as somebody is waiting; its errors end the program with one line."""
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


def _print(args: Namespace, data: Any, rows: list[dict[str, str]]) -> None:
    if args.json:
        sys.stdout.write(json.dumps(data, default=float, indent=2) + "\n")
    else:
        AirflowConsole().print_as_table(rows)


def _row(model: Model) -> dict[str, str]:
    takes = {"image": model.takes_image, "mask": model.takes_mask, "quality": model.takes_quality}
    return {
        "model": model.id,
        "makes": ", ".join(model.output),
        "takes": ", ".join(name for name, taken in takes.items() if taken),
        "price": _price(model),
    }


def _price(model: Model) -> str:
    """Say what a picture costs, or a million tokens."""
    if model.token_prices:
        prices = (f"{name} ${price * 1_000_000:.2f}" for name, price in model.token_prices.items())
        return f"{', '.join(prices)} a million tokens"
    if model.min_price is None or model.max_price is None:
        return "not known"
    low, high = (f"{_dollars(price) if price else 'free':>7}" for price in (model.min_price, model.max_price))
    return low if low == high else f"{low} to {high}"


def _or_last(price: Decimal | None) -> Decimal:
    """Return a price to sort by: what is not known comes last."""
    return Decimal("Infinity") if price is None else price


def _dollars(amount: Decimal) -> str:
    return f"${amount:.4f}"
