"""The models ImageRouter offers: what each takes, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from airflow_provider_imagerouter.api.call import Call, Reply
from airflow_provider_imagerouter.api.reply import read_json_object, shorten
from airflow_provider_imagerouter.api.request import check_n
from airflow_provider_imagerouter.exceptions import (
    ImageRouterInputError,
    ImageRouterInvalidRequestError,
    ImageRouterServerError,
)

ANY_SIZE = "custom"
"""The catalogue's word for "any size" (GET /v2/models, ``inputs.size``)."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """
    One model of the catalogue (``GET /v2/models``).

    :param id: model id
    :param output: what it makes: ``image``, ``video``
    :param takes_image: whether it takes input pictures
    :param takes_mask: whether it takes a mask
    :param takes_quality: whether it heeds ``quality``
    :param sizes: the sizes it takes; ``("custom",)`` means any
    :param seconds: the lengths a video model makes, in seconds; empty for image models
    :param min_price: USD, lowest price of a picture or video
    :param average_price: USD, average price
    :param max_price: USD, highest price
    :param release_date: ``YYYY-MM-DD``, or None
    """

    id: str
    output: tuple[str, ...]
    takes_image: bool
    takes_mask: bool
    takes_quality: bool
    sizes: tuple[str, ...]
    seconds: tuple[Decimal, ...]
    min_price: Decimal
    average_price: Decimal
    max_price: Decimal
    release_date: str | None


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
    models: Mapping[str, Model],
    requests: Iterable[str | Mapping[str, Any]],
    choose: Callable[[str | None], str],
) -> CostEstimate:
    """
    Return what requests may cost together.

    :param models: the catalogue
    :param requests: each a prompt, or a dict of parameters; only ``model`` and ``n`` matter
    :param choose: returns the model to use for what a request says of it
    :raises ImageRouterInputError: if a model is not in the catalogue
    """
    total = CostEstimate(Decimal(0), Decimal(0), Decimal(0))
    for request in requests:
        parameters = {} if isinstance(request, str) else request
        model_id, n = choose(parameters.get("model")), check_n(parameters.get("n", 1))
        if model_id not in models:
            raise ImageRouterInputError(f"ImageRouter's catalogue has no price for {model_id!r}")
        model = models[model_id]
        total = CostEstimate(
            total.min + n * model.min_price,
            total.average + n * model.average_price,
            total.max + n * model.max_price,
        )
    return total


class ModelFilters(TypedDict, total=False):
    """
    Which models to list.

    :param output: those that make this: ``image`` or ``video``
    :param provider: those whose id has this in the part before the ``/``
    :param free: the free ones, or the paid ones
    :param name: those whose id has this in it
    """

    output: str
    provider: str
    free: bool
    name: str


def list_models_call(**filters: Unpack[ModelFilters]) -> Call[dict[str, Model]]:
    """
    Return the call that lists models.

    :param filters: which models
    """
    names = {"output": "type"}
    params = {
        names.get(name, name): value if isinstance(value, str) else str(value).lower()
        for name, value in filters.items()
    }
    return Call("GET", "/v2/models", read_models, params=params)


def get_model_call(model: str) -> Call[Model]:
    """
    Return the call that describes one model.

    :param model: model id; aliases are not in the catalogue
    """

    def read(reply: Reply) -> Model:
        models = read_models(reply)
        if model not in models:
            raise ImageRouterInvalidRequestError(f"ImageRouter's catalogue has no model {model!r}")
        return models[model]

    return Call("GET", "/v2/models", read, params={"name": model})


def read_models(reply: Reply) -> dict[str, Model]:
    """
    Read the reply to a listing: an object keyed by model id.

    :raises ImageRouterResponseError: if the API said no, or the listing makes no sense
    """
    listing = read_json_object(reply)
    try:
        return {model_id: _model(model_id, entry) for model_id, entry in listing.items()}
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ImageRouterServerError(
            f"ImageRouter's catalogue makes no sense ({error!r}): {shorten(listing)}"
        ) from None


def _model(model_id: str, entry: Mapping[str, Any]) -> Model:
    inputs, price = entry["inputs"], entry["price"]
    return Model(
        id=model_id,
        output=tuple(entry["output"]),
        takes_image=bool(inputs["image"]),
        takes_mask=bool(inputs["mask"]),
        takes_quality=bool(inputs["quality"]),
        sizes=tuple(str(size) for size in inputs.get("size", (ANY_SIZE,))),
        seconds=tuple(Decimal(seconds) for seconds in inputs.get("seconds", ())),
        min_price=Decimal(price["min"]),
        average_price=Decimal(price["average"]),
        max_price=Decimal(price["max"]),
        release_date=entry.get("release_date"),
    )
