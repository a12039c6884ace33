"""The models ImageRouter offers: what each takes, and what it costs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from typing_extensions import override

from airflow_provider_imagerouter.api import errors
from airflow_provider_imagerouter.api.request import check_n

ANY_SIZE = "custom"
"""The catalogue's word for "any size"."""

MODEL_NOT_FOUND = "model_not_found"
"""The API's own ``error.type`` for a model that it does not have (404 of ``/v1/models/<id>``, February 2026)."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """
    One model of the catalogue. What a listing does not say is None or empty: it is not known.

    :param id: model id
    :param aliases: other names that it goes by
    :param output: what it makes: ``image``, ``video``, ``text``
    :param takes_image: whether it takes input pictures
    :param takes_mask: whether it takes a mask
    :param takes_quality: whether it heeds ``quality``
    :param sizes: the sizes it takes; ``custom`` among them means any
    :param seconds: the lengths a video model makes, in seconds
    :param min_price: USD, lowest price of a picture or video
    :param average_price: USD, average price
    :param max_price: USD, highest price
    :param token_prices: of a text model: USD a token, by kind of token as the API names it
    :param release_date: ``YYYY-MM-DD``
    """

    id: str
    aliases: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    takes_image: bool | None = None
    takes_mask: bool | None = None
    takes_quality: bool | None = None
    sizes: tuple[str, ...] = ()
    seconds: tuple[Decimal, ...] = ()
    min_price: Decimal | None = None
    average_price: Decimal | None = None
    max_price: Decimal | None = None
    token_prices: Mapping[str, Decimal] = field(default_factory=dict)
    release_date: str | None = None

    def completed_by(self, other: Model) -> Model:
        """
        Return this model with what only another listing says of it.

        :param other: the same model there
        """
        unknown = [name.name for name in fields(self) if getattr(self, name.name) in (None, (), {})]
        return replace(self, **{name: getattr(other, name) for name in unknown})


class ModelFilters(TypedDict, total=False):
    """
    Which models to list.

    :param output: those that make this: ``image``, ``video`` or ``text``; pictures and videos if left out
    :param provider: those whose id has this in the part before the ``/``
    :param free: the free ones, or the others
    :param name: those whose id or alias has this in it
    """

    output: str
    provider: str
    free: bool
    name: str


class Catalogue(Mapping[str, Model]):
    """
    Models by id. An alias finds its model, too, but is not listed.

    :param models: the models
    """

    def __init__(self, models: Iterable[Model] = ()) -> None:
        self._models = {model.id: model for model in models}
        self._aliases = {alias: model.id for model in self._models.values() for alias in model.aliases}

    @override
    def __getitem__(self, name: str) -> Model:
        return self._models[name if name in self._models else self._aliases[name]]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    @override
    def __len__(self) -> int:
        return len(self._models)

    def completed_by(self, other: Catalogue) -> Catalogue:
        """
        Return this catalogue with what only another listing says.

        :param other: the other listing
        """
        known = [model.completed_by(other[model.id]) if model.id in other else model for model in self.values()]
        return Catalogue([*known, *(model for model in other.values() if model.id not in self)])

    def select(self, **filters: Unpack[ModelFilters]) -> Catalogue:
        """
        Return some of the models.

        :param filters: which
        """
        return Catalogue(model for model in self.values() if _matches(model, **filters))

    def find(self, name: str) -> Model:
        """
        Return the model of an id or an alias.

        :param name: model id or alias
        :raises ImageRouterInputError: if there is none; names those near it
        """
        if name in self:
            return self[name]
        raise errors.ImageRouterInputError(self.describe_missing(name), error_type=MODEL_NOT_FOUND)

    def describe_missing(self, name: str) -> str:
        """
        Say that there is no such model, and which are near it.

        :param name: what is no model's id or alias
        """
        near = self.near(name)
        return f"ImageRouter's catalogue has no model {name!r}" + (f". Near it: {', '.join(near)}" if near else "")

    def near(self, name: str) -> list[str]:
        """
        Return the ids and aliases most like a name, with or without what is before their slash; three at most.

        :param name: what somebody typed
        """
        known = (*self._aliases, *self._models)
        by_lower = {name.lower().rpartition("/")[2]: name for name in known} | {name.lower(): name for name in known}
        near = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=6)]
        return list(dict.fromkeys(near))[:3]


@dataclass(frozen=True)
class CostEstimate:
    """
    What a list of requests may cost together, USD.

    :param min: if every picture cost its model's lowest price
    :param average: at average prices
    :param max: if every picture cost its model's highest price
    """

    min: Decimal
    average: Decimal
    max: Decimal


def estimate_cost(
    catalogue: Catalogue,
    requests: Iterable[str | Mapping[str, Any]],
    choose: Callable[[str | None], str],
) -> CostEstimate:
    """
    Return what requests may cost together.

    :param catalogue: the models
    :param requests: each a prompt, or a dict of parameters; only ``model`` and ``n`` matter
    :param choose: returns the model to use for what a request says of it
    :raises ImageRouterInputError: if a model is not in the catalogue, or its price is not known
    """
    total = CostEstimate(Decimal(0), Decimal(0), Decimal(0))
    for request in requests:
        parameters = {} if isinstance(request, str) else request
        model, n = catalogue.find(choose(parameters.get("model"))), check_n(parameters.get("n", 1), most=None)
        if model.min_price is None or model.average_price is None or model.max_price is None:
            raise errors.ImageRouterInputError(f"ImageRouter's catalogue does not say what {model.id} costs")
        total = CostEstimate(
            total.min + n * model.min_price,
            total.average + n * model.average_price,
            total.max + n * model.max_price,
        )
    return total


def _matches(model: Model, **filters: Unpack[ModelFilters]) -> bool:
    name, provider = filters.get("name", "").lower(), filters.get("provider", "").lower()
    output, free = filters.get("output"), filters.get("free")
    return (
        (output in model.output if output else model.output != ("text",))
        and provider in model.id.partition("/")[0].lower()
        and any(name in known.lower() for known in (model.id, *model.aliases))
        and (free is None or free == (model.max_price == 0))
    )
