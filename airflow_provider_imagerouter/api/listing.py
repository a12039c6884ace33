"""
The listings of models: which are asked for, and reading them in every shape there is or was.

- ``GET /v1/models``: an object keyed by model id, with ``providers[].pricing`` (measured, February 2026, and October)
- ``GET /v2/models``: an object keyed by model id, with ``price`` (measured, February 2026); an array, each with its
  ``id`` (ImageRouter's documents, October 2026); ``{"data": […]}`` (as other clients expect)
- ``GET /v3/models``: an array, with ``architecture`` and ``pricing``, text models among them (probed, October 2026)

What is not known is left out, and so is what makes no sense: the next listing may say more than any before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from airflow_provider_imagerouter.api import errors
from airflow_provider_imagerouter.api.call import Call
from airflow_provider_imagerouter.api.catalogue import Catalogue, Model, ModelFilters
from airflow_provider_imagerouter.api.parsing import shorten
from airflow_provider_imagerouter.api.refusal import refusal_in_success
from airflow_provider_imagerouter.api.reply import read_json, senseless

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Reply

log = logging.getLogger(__name__)

T = TypeVar("T")
Prices = tuple[Decimal | None, Decimal | None, Decimal | None]

NAMED = 10
"""How many of the things that make no sense in a listing are named."""

SHOWN = 80
"""How many characters of each are shown."""

MAX_PRICE = 10**6
"""USD; a price above it is none."""


class Listings:
    """
    The calls to make, one after the other, for a catalogue: what the next one is, depends on what the last one said.

    First the listing that has been stable (v1) and, for aliases and what the first may not say, v2; then, if there is
    no catalogue yet or text models are wanted, the newest (v3). Example::

        for call in listings:
            try:
                listings.add(run(call))
            except ImageRouterError as error:
                listings.add(error)
        return listings.catalogue()

    :param filters: which models
    """

    def __init__(self, **filters: Unpack[ModelFilters]) -> None:
        self._filters = filters
        self._found: Catalogue | None = None
        self._error: errors.ImageRouterError | None = None

    def __iter__(self) -> Iterator[Call[Catalogue]]:
        """Return the calls."""
        if self._filters.get("output") != "text":
            yield Call("GET", "/v1/models", read_listing)
            if not self._api_is_away():
                yield Call("GET", "/v2/models", read_listing)
        if not self._found and not self._api_is_away():
            yield Call("GET", "/v3/models", read_listing)

    def add(self, outcome: Catalogue | errors.ImageRouterError) -> None:
        """
        Add what a call led to.

        :param outcome: a listing, or why there is none
        """
        if isinstance(outcome, Catalogue):
            self._found = outcome if self._found is None else self._found.completed_by(outcome)
        else:
            self._error = self._error or outcome

    def catalogue(self) -> Catalogue:
        """
        Return what the listings say together.

        :raises ImageRouterError: the first error, if there is no listing
        """
        if self._found is None and self._error:
            raise self._error
        return (self._found or Catalogue()).select(**self._filters)

    def _api_is_away(self) -> bool:
        """Return whether nothing would come of another call, either."""
        return self._error is not None and isinstance(
            self._error, errors.ImageRouterConnectionError | errors.ImageRouterRateLimitError
        )


def read_listing(reply: Reply) -> Catalogue:
    """
    Read the reply to a listing; one warning names all that makes no sense in it.

    :raises ImageRouterResponseError: if the API said no, or the reply is no listing
    """
    listing = read_json(reply)
    if isinstance(listing, dict) and "error" in listing:
        raise refusal_in_success(listing) or senseless("ImageRouter's catalogue", listing, reply.status_code)
    odd: list[str] = []
    models = [model for name, entry in _entries(listing) if (model := _Entry(name, entry, odd).model())]
    if odd and not models:
        raise senseless("ImageRouter's catalogue", listing, reply.status_code)
    if odd:
        named = "; ".join(odd[:NAMED]) + (f"; and {len(odd) - NAMED} more" if len(odd) > NAMED else "")
        log.warning("ImageRouter's catalogue has what makes no sense, and is left out: %s", named)
    return Catalogue(models)


def _entries(listing: Any) -> Iterator[tuple[str, Any]]:
    """Return the entries by model id, or by their number where they have none."""
    if isinstance(listing, dict) and isinstance(listing.get("data"), dict | list):
        listing = listing["data"]
    if isinstance(listing, dict):
        yield from listing.items()
        return
    for number, entry in enumerate(listing, start=1):
        model_id = entry.get("id") if isinstance(entry, dict) else None
        yield (model_id, entry) if isinstance(model_id, str) and model_id else (f"entry {number}", None)


class _Entry:
    """
    One entry of a listing.

    :param model_id: model id
    :param entry: what the listing says of it
    :param odd: for the names of what makes no sense
    """

    def __init__(self, model_id: str, entry: Any, odd: list[str]) -> None:
        self._id = model_id
        self._entry = entry
        self._odd = odd

    def model(self) -> Model | None:
        """Return the model; None if nothing can be made of the entry."""
        if not isinstance(self._entry, dict):
            self._odd.append(f"{self._id}: {shorten(self._entry)[:SHOWN]}")
            return None
        output = self._field(_texts, ("output",), ("architecture", "output_modalities")) or ()
        takes = self._field(_texts, ("architecture", "input_modalities")) or ()
        lowest, average, highest = self._prices()
        if not output and highest is None:
            self._odd.append(f"{self._id}: neither output nor price")
            return None
        return Model(
            id=self._id,
            aliases=self._field(_texts, ("aliases",)) or (),
            output=output,
            takes_image=self._takes("image", ("supported_params", "edit"), takes),
            takes_mask=self._takes("mask", ("supported_params", "mask"), ()),
            takes_quality=self._takes("quality", ("supported_params", "quality"), ()),
            sizes=self._field(_texts, ("sizes",), ("inputs", "size"), ("parameters", "size")) or (),
            seconds=self._field(_numbers, ("seconds",), ("inputs", "seconds"), ("parameters", "seconds")) or (),
            min_price=lowest,
            average_price=average,
            max_price=highest,
            token_prices=(self._field(_token_prices, ("pricing",)) or {}) if self._sells_tokens() else {},
            release_date=self._field(_text, ("release_date",)),
        )

    def _takes(self, name: str, flag: tuple[str, ...], modalities: tuple[str, ...]) -> bool | None:
        said = self._field(_flag, ("inputs", name), flag)
        return name in modalities if said is None and modalities else said

    def _prices(self) -> Prices:
        """Return the lowest, average and highest price of a picture; all None if they are not known."""
        found = None if self._sells_tokens() else self._field(_prices, ("price",), ("pricing",))
        return found or self._field(_provider_prices, ("providers",)) or (None, None, None)

    def _sells_tokens(self) -> bool:
        pricing = self._at(("pricing",))
        return isinstance(pricing, dict) and not pricing.keys() & {"min", "average", "max", "value", "range"}

    def _field(self, read: Callable[[Any], T], *paths: tuple[str, ...]) -> T | None:
        """Read the first of several fields that is there; None if none is, or what it says makes no sense."""
        for path in paths:
            value = self._at(path)
            if value is None:
                continue
            try:
                return read(value)
            except (TypeError, ValueError, ArithmeticError):
                self._odd.append(f"{'.'.join(path)} of {self._id}: {shorten(value)[:SHOWN]}")
        return None

    def _at(self, path: tuple[str, ...]) -> Any:
        value = self._entry
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in ([value] if isinstance(value, str) else _list(value)))


def _numbers(value: Any) -> tuple[Decimal, ...]:
    """Read numbers; words among them, such as ``auto``, say nothing."""
    items = [item for item in (_list(value) if isinstance(value, list) else [value]) if item != "auto"]
    return tuple(_amount(item) for item in items)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    if isinstance(value, str):
        raise TypeError
    return bool(value)


def _amount(value: Any) -> Decimal:
    """Read an amount as a number or its text."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise TypeError
    amount = Decimal(value)
    if not amount.is_finite() or not 0 <= amount < MAX_PRICE:
        raise ValueError
    return amount


def _prices(pricing: Any) -> Prices:
    """Read ``{min, average, max}``, ``{range: {min, average, max}}``, ``{value}`` or a bare number."""
    if isinstance(pricing, dict):
        pricing = next((pricing[key] for key in ("range", "value") if pricing.get(key) is not None), pricing)
    if not isinstance(pricing, dict):
        price = _amount(pricing)
        return price, price, price
    lowest, average, highest = (
        None if pricing.get(name) is None else _amount(pricing[name]) for name in ("min", "average", "max")
    )
    if highest is not None:  # seen: an average below the lowest price
        highest = max(price for price in (lowest, average, highest) if price is not None)
    return lowest, average, highest


def _provider_prices(providers: Any) -> Prices:
    """Read the prices of all providers of a model: any may be asked, and the first of them is asked first."""
    each = [_prices(_object(provider).get("pricing") or {}) for provider in _list(providers)]
    lowest = [price for price, _, _ in each if price is not None]
    highest = [price for _, _, price in each]
    return (
        min(lowest, default=None),
        each[0][1] if each else None,
        max(price for price in highest if price is not None) if highest and None not in highest else None,
    )


def _token_prices(pricing: Mapping[str, Any]) -> dict[str, Decimal]:
    """Read USD a token, by the API's own names of the kinds of tokens."""
    return {name: _amount(price) for name, price in pricing.items() if price is not None}
