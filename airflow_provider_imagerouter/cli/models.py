"""``airflow imagerouter models``: what there is, what it takes, and what it costs."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.cli.console import dollars, open_hook, show
from airflow_provider_imagerouter.money import to_usd

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_imagerouter.api.catalogue import Model, ModelFilters


def run(args: Namespace) -> None:
    """
    List models.

    :param args: ``output``, ``edit``, ``mask``, ``video``, ``max_price``, ``provider``, ``name``
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
        ]
    found.sort(key=lambda model: (model.output, _or_last(model.average_price), _or_last(model.max_price), model.id))
    show(args, [asdict(model) for model in found], [_row(model) for model in found])


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
    low, high = (f"{dollars(price) if price else 'free':>7}" for price in (model.min_price, model.max_price))
    return low if low == high else f"{low} to {high}"


def _or_last(price: Decimal | None) -> Decimal:
    """Return a price to sort by: what is not known comes last."""
    return Decimal("Infinity") if price is None else price
