"""The listings of the models, v1 to v3: what each shows of them, and how queries pick and sort them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_imagerouter.sandbox.models import Catalogue, Model
from airflow_provider_imagerouter.sandbox.wire.answers import json_answer, text_answer
from airflow_provider_imagerouter.sandbox.wire.queries import Query, first, read_query
from airflow_provider_imagerouter.sandbox.words.text_models import TEXT_MODELS

_BAD_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")
_PUNCTUATION = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"


class UnreadableRequestError(Exception):
    """The request makes the API fail: a parameter is no text where text is meant, or an id is badly escaped."""


async def models_v1(request: Request) -> Response:
    """Answer `GET /v1/models`: an object, by id."""
    models = _select(_catalogue(request), read_query(request), kind="type")
    return json_answer({model.id: model.entry for model in models})


async def models_v2(request: Request) -> Response:
    """Answer `GET /v2/models`: an array; `fields` says what of each model."""
    query = read_query(request)
    entries = [model.entry_v2 for model in _select_v2(_catalogue(request), query)]
    if fields := query.get("fields"):
        wanted = {"id", *(fields if isinstance(fields, list) else str(fields).split(","))}
        entries = [{name: value for name, value in entry.items() if name in wanted} for entry in entries]
    return json_answer(entries)


def _select_v2(catalogue: Catalogue, query: Query) -> list[Model]:
    """Pick and sort models as v2 does: by what goes in, too, and by old names; `type` is still understood."""
    kind = "outputType" if "outputType" in query else "type"
    models = _select(catalogue, query, kind, names=lambda model: (model.id, *model.aliases))
    wanted = _text(query, "inputType")
    return [model for model in models if not wanted or model.inputs.get(wanted)]


async def models_v3(request: Request) -> Response:
    """Answer `GET /v3/models`: an array, with the text models at the end."""
    query = read_query(request)
    entries = [model.entry_v3 for model in _catalogue(request).listed()]
    entries += [model.entry_v3 for model in TEXT_MODELS.values()]
    entries = [entry for entry in entries if _text(query, "name") in entry["id"].lower()]
    for side in ("input_modalities", "output_modalities"):
        wanted = set(filter(None, _text(query, side).split(",")))
        entries = [entry for entry in entries if wanted <= set(entry["architecture"][side])]
    if free := query.get("free"):
        entries = [entry for entry in entries if (_price(entry) == 0) == (free == "true")]
    match query.get("sort"):
        case "name":
            entries.sort(key=lambda entry: _collation(entry["id"]))
        case "price":
            entries.sort(key=_price)
    return json_answer(first(entries, query["limit"]) if query.get("limit") else entries)


def _price(entry: dict[str, Any]) -> float:
    pricing = entry["pricing"]
    return float(pricing["average"] if "average" in pricing else pricing["prompt"])


async def openapi(request: Request) -> Response:
    """Answer `GET /.well-known/openapi.yaml`."""
    text = resources.files(__package__).joinpath("openapi.yaml").read_text("utf-8")
    return text_answer(text.replace("SERVER", f"http://{request.headers.get('host', '')}"), "text/yaml; charset=utf-8")


async def model_v1(request: Request) -> Response:
    """Answer `GET /v1/models/<id>`."""
    return _one(request, lambda model: model.entry_alone)


async def model_v2(request: Request) -> Response:
    """Answer `GET /v2/models/<id>`, where the id is escaped: `google%2Fgemini-2.5-flash`."""
    return _one(request, lambda model: model.entry_v2)


def _one(request: Request, describe: Callable[[Model], dict[str, Any]]) -> Response:
    if _BAD_ESCAPE.search(request.scope.get("raw_path", b"")):
        raise UnreadableRequestError(request.url.path)
    model_id = request.path_params["model_id"]
    model = _catalogue(request).get(model_id)
    if model:
        return json_answer(describe(model))
    error = {
        "message": f"The model '{model_id}' does not exist.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    return json_answer({"error": error}, 404)


def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


def _select(
    catalogue: Catalogue,
    query: Query,
    kind: str,
    names: Callable[[Model], tuple[str, ...]] = lambda model: (model.id,),
) -> list[Model]:
    """Pick and sort models; of unknown parameters and values nothing is heeded.

    :param kind: the parameter that says what a model makes
    :param names: what the parameter `name` is looked for in
    :raises UnreadableRequestError: if a name or provider comes twice
    """
    models: Iterable[Model] = catalogue.listed()
    if query.get(kind) in ("image", "video"):
        models = [model for model in models if model.video == (query[kind] == "video")]
    if provider := _text(query, "provider"):
        models = [model for model in models if provider in _maker(model).lower()]
    if free := query.get("free"):
        models = [model for model in models if model.free_of_charge == (free == "true")]
    if name := _text(query, "name"):
        models = [model for model in models if any(name in each.lower() for each in names(model))]
    selected = _sorted(list(models), query.get("sort"))
    return first(selected, query["limit"]) if query.get("limit") else selected


def _text(query: Query, name: str) -> str:
    value = query.get(name, "")
    if not isinstance(value, str):
        raise UnreadableRequestError(name)
    return value.lower()


def _sorted(models: list[Model], order: object) -> list[Model]:
    match order:
        case "name":
            models.sort(key=lambda model: _collation(model.id))
        case "provider":
            models.sort(key=lambda model: _collation(_maker(model)))
        case "price":
            models.sort(key=_first_value)
        case "date":
            models.sort(key=lambda model: model.entry.get("release_date", ""), reverse=True)
    return models


def _maker(model: Model) -> str:
    return model.id.partition("/")[0]


def _first_value(model: Model) -> float:
    return float(model.entry["providers"][0]["pricing"].get("value", math.inf))


def _collation(text: str) -> tuple[list[tuple[int, str]], str]:
    """Order as `localeCompare` does: punctuation, digits, letters; small ones first where nothing else differs."""
    ranks = [
        (_PUNCTUATION.find(letter), "") if letter in _PUNCTUATION else (len(_PUNCTUATION), letter)
        for letter in text.lower()
    ]
    return ranks, text.swapcase()
