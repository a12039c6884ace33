"""Checking a request against the catalogue, before anything is paid."""

from __future__ import annotations

import logging
import re
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.api import errors
from airflow_provider_imagerouter.api.catalogue import ANY_SIZE, Catalogue, Model

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.request import Request

log = logging.getLogger(__name__)


def check_model(catalogue: Catalogue, request: Request, *, has_images: bool, has_mask: bool) -> None:
    """
    Check that a model takes a request; what the catalogue does not say is taken for possible.

    A name that the catalogue does not have only warns: the API may know it, and refuses a wrong one free of charge.

    :param catalogue: the models
    :param request: what is asked for
    :param has_images: whether input pictures will be uploaded
    :param has_mask: whether a mask will be
    :raises ImageRouterInputError: if it does not; says what is allowed
    """
    if request.model not in catalogue:
        log.warning("%s. It may be a new name of one", catalogue.describe_missing(request.model))
        return
    model = catalogue[request.model]
    if model.output and request.output not in model.output:
        makes = " and ".join(model.output)
        others = _others(catalogue, request, "output")
        raise errors.ImageRouterInputError(f"{model.id} makes {makes}, not {request.output}{others}")
    if has_images and model.takes_image is False:
        others = _others(catalogue, request, "takes_image")
        raise errors.ImageRouterInputError(f"{model.id} takes no input picture{others}")
    if has_mask and model.takes_mask is False:
        raise errors.ImageRouterInputError(f"{model.id} takes no mask{_others(catalogue, request, 'takes_mask')}")
    _check_size(model, request)
    _check_seconds(model, getattr(request, "seconds", None))


def with_near_matches(
    error: errors.ImageRouterInvalidRequestError, catalogue: Catalogue, name: str
) -> errors.ImageRouterInvalidRequestError:
    """
    Return the API's refusal with the ids most like the one it refused, if it is the model that it refused.

    :param error: the refusal
    :param catalogue: the models
    :param name: the model that was asked for
    """
    near = catalogue.near(name)
    if name in catalogue or name not in str(error) or not near:
        return error
    return error.with_message(f"{error}. Near it: {', '.join(near)}")


def _others(catalogue: Catalogue, request: Request, ability: str) -> str:
    """Name a few models that do, cheapest first."""
    able = [model for model in catalogue.values() if request.output in model.output and getattr(model, ability)]
    able.sort(key=lambda model: Decimal("Infinity") if model.average_price is None else model.average_price)
    names = [model.id for model in able[:3]]
    return f"; models that do: {', '.join(names)}, …" if names else ""


def _check_size(model: Model, request: Request) -> None:
    if request.size in (None, "auto") or not model.sizes or ANY_SIZE in model.sizes:
        return
    asked = re.sub("[X×*]", "x", str(request.size))
    if asked not in model.sizes:
        raise errors.ImageRouterInputError(f"{model.id} takes size {', '.join(model.sizes)}; not {request.size}")


def _check_seconds(model: Model, seconds: int | float | str | None) -> None:
    if seconds in (None, "auto") or not model.seconds:
        return
    if Decimal(str(seconds)) not in model.seconds:
        allowed = ", ".join(str(allowed) for allowed in model.seconds)
        raise errors.ImageRouterInputError(f"{model.id} makes videos of {allowed} seconds; not {seconds}")
