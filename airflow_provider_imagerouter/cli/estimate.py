"""``airflow imagerouter estimate``: what generations cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.catalogue import Catalogue, estimate_cost
from airflow_provider_imagerouter.api.preflight import check_model
from airflow_provider_imagerouter.api.request import ImageRequest, VideoRequest, check_n
from airflow_provider_imagerouter.cli.console import dollars, open_hook, show
from airflow_provider_imagerouter.cli.requests_file import read_requests_file
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.batch import PARAMETERS as BATCH_PARAMETERS

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_imagerouter.api.catalogue import CostEstimate
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterHook

PARAMETERS = ("model", "size", "quality", "seconds", "n")


def run(args: Namespace) -> None:
    """
    Estimate what generations cost.

    :param args: ``requests``, or ``model``, ``size``, ``quality``, ``seconds``, ``n``
    """
    with open_hook(args) as hook:
        given = {name: value for name in PARAMETERS if (value := getattr(args, name)) is not None}
        if args.requests and given.keys() - {"model"}:
            raise ImageRouterInputError("A file of requests says itself what is asked for; only --model goes with it")
        requests = [{**given, **request} for request in read_requests_file(args.requests)] if args.requests else [given]
        catalogue = hook.list_models()
        by_model: dict[str, list[dict[str, Any]]] = {}
        for index, request in enumerate(requests):
            try:
                by_model.setdefault(check(catalogue, hook, request), []).append(request)
            except ImageRouterInputError as error:
                raise error.with_message(f"requests[{index}]: {error}" if args.requests else str(error)) from None
        each = {
            model: (
                sum(check_n(request.get("n", 1), most=None) for request in asked),
                _estimate(catalogue, asked, hook),
            )
            for model, asked in by_model.items()
        }
        total = _estimate(catalogue, requests, hook)
    models = [{"model": model, "n": n, **asdict(estimate)} for model, (n, estimate) in each.items()]
    rows = [_row(model, n, estimate) for model, (n, estimate) in each.items()]
    if len(rows) > 1:
        rows.append(_row("total", sum(n for n, _ in each.values()), total))
    show(args, {**asdict(total), "models": models}, rows)


def check(catalogue: Catalogue, hook: ImageRouterHook, parameters: dict[str, Any]) -> str:
    """
    Check what is asked of a model, as far as the catalogue knows, and return the model's id.

    :param catalogue: the models
    :param hook: the connection, for its default model
    :param parameters: those of a generation or an edit
    :raises ImageRouterInputError: if there is no such model, or it does not take what is asked
    """
    if unknown := parameters.keys() - {*PARAMETERS, *BATCH_PARAMETERS}:
        raise ImageRouterInputError(f"unknown parameters {sorted(map(str, unknown))}")
    model = catalogue.find(hook.settings.model(parameters.get("model")))
    kind = VideoRequest if "video" in model.output else ImageRequest
    if kind is ImageRequest and parameters.get("seconds") is not None:
        raise ImageRouterInputError(f"{model.id} makes pictures, which have no seconds")
    asked = {name: value for name in kind.names if (value := parameters.get(name)) is not None}
    request = kind(**{**asked, "model": model.id})
    has_images, has_mask = bool(parameters.get("image")), bool(parameters.get("mask"))
    check_model(catalogue, request, has_images=has_images, has_mask=has_mask)
    return model.id


def _count(requests: list[dict[str, Any]]) -> int:
    return sum(check_n(request.get("n", 1), most=None) for request in requests)


def _estimate(catalogue: Catalogue, requests: list[dict[str, Any]], hook: ImageRouterHook) -> CostEstimate:
    return estimate_cost(catalogue, requests, hook.settings.model)


def _row(model: str, n: int, estimate: CostEstimate) -> dict[str, str]:
    return {
        "model": model,
        "n": str(n),
        **{name: dollars(amount) for name, amount in asdict(estimate).items()},
    }
