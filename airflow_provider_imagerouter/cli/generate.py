"""``airflow imagerouter generate``: a picture or a video, once its price was said."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.api.catalogue import Catalogue
from airflow_provider_imagerouter.api.preflight import check_model, with_near_matches
from airflow_provider_imagerouter.api.request import ImageRequest, Request, VideoRequest
from airflow_provider_imagerouter.cli.console import dollars, open_hook, price_range, show
from airflow_provider_imagerouter.engine.budget import highest_price
from airflow_provider_imagerouter.engine.pictures import PictureStore
from airflow_provider_imagerouter.engine.rescue import into_temporary_files
from airflow_provider_imagerouter.exceptions import (
    ImageRouterBudgetError,
    ImageRouterError,
    ImageRouterInvalidRequestError,
    ImageRouterStorageError,
)
from airflow_provider_imagerouter.files.naming import free_stem, slug
from airflow_provider_imagerouter.files.storing import names_in
from airflow_provider_imagerouter.operators.failure import say_bill
from airflow_provider_imagerouter.records import Record, records_of

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterHook

PARAMETERS = ("prompt", "size", "quality", "output_format", "seconds")


def run(args: Namespace) -> None:
    """
    Make a picture or a video, and store it.

    :param args: ``prompt``, ``model``, ``size``, ``quality``, ``seconds``, ``output_format``, ``output``, ``yes``
    """
    with open_hook(args) as hook:
        catalogue = _catalogue(hook)
        request = _request(args, hook, catalogue)
        store = asyncio.run(PictureStore.open(args.output, hook.settings))  # what cannot be stored is not to be paid
        _check_price(hook, catalogue, request)
        _ask(args, catalogue, request)
        records = asyncio.run(_store(store, request, _send(hook, catalogue, request)))
    show(args, records, [_row(record) for record in records])


def _catalogue(hook: ImageRouterHook) -> Catalogue:
    """Return the models; none if they cannot be listed, as the price is then said not to be known."""
    try:
        return hook.list_models()
    except ImageRouterError as error:
        sys.stderr.write(f"The models cannot be listed: {error}\n")
        return Catalogue()


def _request(args: Namespace, hook: ImageRouterHook, catalogue: Catalogue) -> Request:
    name = hook.settings.model(args.model)
    if catalogue and name not in catalogue:
        sys.stderr.write(f"{catalogue.describe_missing(name)}\n")
    makes_video = name in catalogue and "video" in catalogue[name].output
    kind = VideoRequest if makes_video or args.seconds is not None else ImageRequest
    given = {name: value for name in PARAMETERS if (value := getattr(args, name)) is not None}
    if kind is VideoRequest:
        given.pop("output_format", None)
    request = kind(**{**given, "model": name})
    check_model(catalogue, request, has_images=False, has_mask=False)
    return request


def _check_price(hook: ImageRouterHook, catalogue: Catalogue, request: Request) -> None:
    """Keep to the connection's budget."""
    limit, price = hook.settings.max_cost_usd, highest_price(catalogue, request.model)
    if limit is not None and (price is None or price > limit):
        raise ImageRouterBudgetError(
            f"The connection's max_cost_usd is ${limit}, and what {request.model} costs at most is {dollars(price)}"
        )


def _ask(args: Namespace, catalogue: Catalogue, request: Request) -> None:
    """Say the price, and ask whether to pay it."""
    model = catalogue.get(request.model)
    if model is None or model.max_price is None:
        price = f"What {request.model} costs is not known"
    else:
        price = f"{model.id} costs {price_range(model.min_price, model.max_price)}"
        if model.average_price and model.min_price != model.max_price:
            price += f", {dollars(model.average_price)} on average"
    sys.stderr.write(f"{price}.\n")
    if args.yes:
        return
    sys.stderr.write(f"Make {request}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        sys.exit("Nothing was sent, and nothing is paid; --yes answers the question")


def _send(hook: ImageRouterHook, catalogue: Catalogue, request: Request) -> Answer:
    try:
        return hook.send(request)
    except KeyboardInterrupt:
        sys.exit("\nStopped; ImageRouter may go on with it, and bill it")
    except ImageRouterError as error:
        if isinstance(error, ImageRouterInvalidRequestError):
            error = with_near_matches(error, catalogue, request.model)
        raise error.with_message(f"{str(error).rstrip('.')}. {say_bill(error)}") from None


async def _store(store: PictureStore, request: Request, answer: Answer) -> list[Record]:
    """Store what was made; if that fails, say where it is, as it is paid for."""
    records = records_of(request, answer)
    stem = slug(request.prompt or "") or request.output
    try:
        stem = free_stem(stem, await asyncio.to_thread(names_in, store.folder, stem))
        return [
            await store.add(record, picture.content, stem, number)
            for number, (record, picture) in enumerate(zip(records, answer.pictures, strict=True), start=1)
        ]
    except ImageRouterStorageError as error:
        error.cost = answer.cost
        raise error.with_message(f"{error}. {say_bill(error)}; what was made is {_rescue(answer)}") from error


def _rescue(answer: Answer) -> str:
    """Say where pictures are that could not be stored."""
    try:
        return "here: " + ", ".join(str(picture.url) for picture in into_temporary_files(answer).pictures)
    except OSError as full:
        return f"lost: {full}"


def _row(record: Record) -> dict[str, str]:
    cost = record["cost_usd"]
    pixels = f"{record['width']} x {record['height']}" if record["width"] else ""
    return {
        "path": (record["path"] or "").removeprefix("file://"),
        "pixels": pixels,
        "cost": dollars(None if cost is None else Decimal(str(cost))),
    }
