"""Money: USD as Decimal inside, as a JSON number outside."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Any

from airflow_provider_imagerouter.exceptions import ImageRouterInputError


def to_usd(value: Any, name: str) -> Decimal | None:
    """
    Read an amount of money.

    :param value: a number or its text; None for no limit
    :param name: the parameter's name, for errors
    :raises ImageRouterInputError: if it is not an amount
    """
    if value is None or value == "":
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise ImageRouterInputError(f"{name} must be an amount in USD, 0 or more, not {value!r}")
    return amount


def as_billed(price: Decimal) -> Decimal:
    """
    Return what a price comes to on the bill: the API rounds up to 1/10000 USD, in floating point ($0.035 is $0.0351).

    :param price: USD
    """
    return Decimal(math.ceil(float(price) * 10_000)) / 10_000
