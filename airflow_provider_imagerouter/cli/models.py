"""``airflow imagerouter models``: what there is, what it takes, and what it costs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.catalogue import ANY_SIZE
from airflow_provider_imagerouter.cli.console import dollars, open_hook, price_range, show
from airflow_provider_imagerouter.money import to_usd

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_imagerouter.api.catalogue import Model, ModelFilters

SANDBOX = "sandbox/"
"""What the sandbox's models that misbehave on purpose begin with."""

SHOWN_SIZES = 3


def run(args: Namespace) -> None:
    """
    List models.

    :param args: ``output``, ``edit``, ``mask``, ``video``, ``max_price``, ``provider``, ``name``, ``sort``
    """
    with open_hook(args) as hook:
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
            and (not model.id.startswith(SANDBOX) or _asks_for_sandbox(args))
        ]
        if args.name and not found:
            alike: ModelFilters = {"output": args.output} if args.output else {}
            _say_near(hook.list_models(**alike).near(args.name))
    found.sort(key=SORTINGS[args.sort])
    show(args, [asdict(model) for model in found], [_row(model) for model in found])


def _asks_for_sandbox(args: Namespace) -> bool:
    return any((given or "").lower().startswith("sandbox") for given in (args.provider, args.name))


def _say_near(ids: list[str]) -> None:
    if ids:
        sys.stderr.write(f"No such model. Near it: {', '.join(ids)}\n")


def _row(model: Model) -> dict[str, str]:
    takes = {"image": model.takes_image, "mask": model.takes_mask, "quality": model.takes_quality}
    return {
        "model": model.id,
        "makes": ", ".join(model.output),
        "takes": ", ".join(name for name, taken in takes.items() if taken),
        "sizes": _sizes(model.sizes),
        "seconds": ", ".join(f"{seconds.normalize():f}" for seconds in model.seconds),
        "average": "" if model.token_prices else dollars(model.average_price),
        "price": _price(model),
    }


def _sizes(sizes: tuple[str, ...]) -> str:
    """Name a few sizes, and say how many more there are."""
    if ANY_SIZE in sizes:
        return "any"
    sizes = tuple(size for size in sizes if size != "auto")
    more = len(sizes) - SHOWN_SIZES
    return ", ".join(sizes[:SHOWN_SIZES]) + (f" and {more} more" if more > 0 else "")


def _price(model: Model) -> str:
    """Say what a picture costs, or a million tokens."""
    if not model.token_prices:
        return price_range(model.min_price, model.max_price)
    prices = (f"{name} {_dollars_a_million(price)}" for name, price in model.token_prices.items())
    return f"{', '.join(prices)} a million tokens"


def _dollars_a_million(price: Decimal) -> str:
    """Write all digits that there are, and two behind the point at least: some models cost a few cents."""
    amount = price * 1_000_000
    return f"${max(amount.normalize(), round(amount, 2), key=lambda same: -int(same.as_tuple().exponent)):f}"


def _by_price(model: Model) -> tuple[Any, ...]:
    tokens = sum(model.token_prices.values())
    return tokens, _or_last(model.average_price), _or_last(model.max_price), model.id


def _or_last(price: Decimal | None) -> Decimal:
    """Return a price to sort by: what is not known comes last."""
    return Decimal("Infinity") if price is None else price


def _newest_first(model: Model) -> tuple[Any, ...]:
    return [-ord(digit) for digit in model.release_date or ""] or [1], model.id


SORTINGS: dict[str, Callable[[Model], tuple[Any, ...]]] = {
    "price": _by_price,
    "name": lambda model: (model.id.lower(),),
    "date": _newest_first,
}
