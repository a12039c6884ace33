"""Checking a request against the catalogue, before anything is paid."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.api.catalogue import ANY_SIZE, Model
from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterInvalidRequestError

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.request import Request

log = logging.getLogger(__name__)

OPERATORS = {"image": "ImageRouterGenerateOperator", "video": "ImageRouterVideoOperator"}


def check_model(catalogue: Mapping[str, Model], request: Request, *, has_images: bool, has_mask: bool) -> None:
    """
    Check that a model takes a request.

    An id that the catalogue does not have only warns: the API knows more names (aliases), and refuses a wrong one
    itself, free of charge.

    :param catalogue: the models by id
    :param request: what is asked for
    :param has_images: whether input pictures will be uploaded
    :param has_mask: whether a mask will be
    :raises ImageRouterInputError: if it does not; says what is allowed
    """
    model = catalogue.get(request.model)
    if model is None:
        log.warning(
            "ImageRouter's catalogue has no model %r; it is sent all the same, since it may be another name of one",
            request.model,
        )
        return
    if request.output not in model.output:
        makes = " and ".join(model.output)
        raise ImageRouterInputError(f"{model.id} makes {makes}, not {request.output}: use {_operator(model)}")
    if has_images and not model.takes_image:
        raise ImageRouterInputError(f"{model.id} takes no input picture{_others(catalogue, request, mask=False)}")
    if has_mask and not model.takes_mask:
        raise ImageRouterInputError(f"{model.id} takes no mask{_others(catalogue, request, mask=True)}")
    _check_size(model, request)
    _check_seconds(model, getattr(request, "seconds", None))


def with_near_matches(
    error: ImageRouterInvalidRequestError, catalogue: Mapping[str, Model], name: str
) -> ImageRouterInvalidRequestError:
    """
    Return the API's refusal with the ids most like the one it refused, if that is not in the catalogue.

    :param error: the refusal
    :param catalogue: the models by id
    :param name: the model id that was asked for
    """
    by_lower = {model_id.lower(): model_id for model_id in catalogue}
    matches = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=3)]
    if name in catalogue or not matches:
        return error
    return error.with_message(f"{error}. Near it: {', '.join(matches)}")


def _operator(model: Model) -> str:
    return " or ".join(OPERATORS[output] for output in model.output if output in OPERATORS)


def _others(catalogue: Mapping[str, Model], request: Request, *, mask: bool) -> str:
    """Name a few models that do, cheapest first."""
    able = [
        model
        for model in catalogue.values()
        if request.output in model.output and (model.takes_mask if mask else model.takes_image)
    ]
    names = [model.id for model in sorted(able, key=lambda model: model.average_price)[:3]]
    return f"; models that do: {', '.join(names)}, …" if names else ""


def _check_size(model: Model, request: Request) -> None:
    if request.size in (None, "auto") or ANY_SIZE in model.sizes:
        return
    asked = re.sub("[X×*]", "x", request.size or "")
    if asked not in model.sizes:
        raise ImageRouterInputError(f"{model.id} takes size {', '.join(model.sizes)}; not {request.size}")


def _check_seconds(model: Model, seconds: int | float | str | None) -> None:
    if seconds in (None, "auto") or not model.seconds:
        return
    if Decimal(str(seconds)) not in model.seconds:
        allowed = ", ".join(str(allowed) for allowed in model.seconds)
        raise ImageRouterInputError(f"{model.id} makes videos of {allowed} seconds; not {seconds}")
