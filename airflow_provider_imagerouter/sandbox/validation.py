"""Checks a call's parameters, and complains in the words of the API's validator (zod)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_imagerouter.sandbox.models import Catalogue, Model

MAX_PROMPT_UNITS = 20_000
MAX_FREE_PIXELS = 1024
OUTPUT_FORMATS = ("webp", "jpeg", "jpg", "png")

_SIZE = re.compile(r"[0-9]+[xX×*][0-9]+")
_MISSING = object()

_PROMPT_TOO_LONG = (
    "'prompt' must be 20,000 characters or less. Please contact ImageRouter support if you need a higher limit."
)
_SIZE_FORM = "'size' must be 'auto' or in the format 'WIDTHxHEIGHT' (e.g. '1024x768')"
_FREE_TOO_LARGE = "Free models support maximum size of 1024x1024. Please use the paid models for higher quality."


class InvalidParameterError(Exception):
    """A parameter is wrong; the message is the one the API answers with."""


@dataclass(frozen=True)
class Parameters:
    """The parameters of one call, checked, with the API's defaults filled in.

    :param size: width and height in pixels, or None for `auto`
    :param seconds: length of a video, or None for `auto`
    """

    model: Model
    prompt: str
    response_format: str
    quality: str
    size: tuple[int, int] | None
    output_format: str | None
    seconds: float | None


def check_parameters(body: object, video: bool, catalogue: Catalogue) -> Parameters:
    """Check what a call asks for.

    :param body: the JSON body, or the text fields of a form
    :param video: on the video endpoint
    :param catalogue: the models there are
    :raises InvalidParameterError: about the first thing that is wrong
    """
    if not isinstance(body, Mapping):
        raise InvalidParameterError(f"Expected object, received {_type_name(body)}")
    prompt = _prompt(body.get("prompt", _MISSING))
    model_id = _model_id(body.get("model", _MISSING), video)
    response_format = _choice(body.get("response_format", "url"), ("url", "b64_json", "b64_ephemeral"))
    quality = _choice(body.get("quality", "auto"), ("auto", "low", "medium", "high"))
    size = _size(body.get("size", "auto"))
    output_format = None if video else _output_format(body.get("output_format", _MISSING))
    seconds = _seconds(body.get("seconds", "auto")) if video else None
    model = _find_model(model_id, video, catalogue)
    if model.id.endswith(":free") and size and max(size) > MAX_FREE_PIXELS:
        raise InvalidParameterError(_FREE_TOO_LARGE)
    return Parameters(model, prompt, response_format, quality, size, output_format, seconds)


def _find_model(model_id: str, video: bool, catalogue: Catalogue) -> Model:
    model = catalogue.resolve(model_id)
    if model is None:
        raise InvalidParameterError(f"model '{catalogue.unalias(model_id)}' is not available")
    if model.video and not video:
        raise InvalidParameterError(f"'{model.id}' is a video model. Please use the video generation endpoint.")
    if video and not model.video:
        raise InvalidParameterError(f"'{model.id}' is an image model. Please use the image generation endpoint.")
    return model


def _prompt(value: object) -> str:
    if value is _MISSING:
        return ""
    if not isinstance(value, str):
        raise InvalidParameterError("'prompt' must be a string")
    if len(value.encode("utf-16-le", "surrogatepass")) // 2 > MAX_PROMPT_UNITS:
        raise InvalidParameterError(_PROMPT_TOO_LONG)
    return value


def _model_id(value: object, video: bool) -> str:
    if isinstance(value, str):
        if not value:
            raise InvalidParameterError("'model' is a required parameter")
        return value
    if video:
        raise InvalidParameterError("Required" if value is _MISSING else _wrong_type("string", value))
    missing = value is _MISSING
    raise InvalidParameterError("'model' is a required parameter" if missing else "'model' must be a string")


def _choice(value: object, options: tuple[str, ...]) -> str:
    expected = " | ".join(f"'{option}'" for option in options)
    if not isinstance(value, str):
        raise InvalidParameterError(_wrong_type(expected, value))
    if value not in options:
        raise InvalidParameterError(f"Invalid enum value. Expected {expected}, received '{value}'")
    return value


def _size(value: object) -> tuple[int, int] | None:
    if not isinstance(value, str):
        raise InvalidParameterError(_wrong_type("string", value))
    if value == "auto":
        return None
    if not _SIZE.fullmatch(value):
        raise InvalidParameterError(_SIZE_FORM)
    width, height = (int(digits.lstrip("0")[:9] or "0") for digits in re.split("[xX×*]", value))
    return width, height


def _output_format(value: object) -> str | None:
    if value is _MISSING:
        return None
    if not isinstance(value, str):
        raise InvalidParameterError(_wrong_type("string", value))
    if value not in OUTPUT_FORMATS:
        raise InvalidParameterError(f"'output_format' must be one of {', '.join(map(repr, OUTPUT_FORMATS))}")
    return value


def _seconds(value: object) -> float | None:
    if value == "auto":
        return None
    number = _as_number(value)
    if math.isnan(number):
        raise InvalidParameterError("Invalid input")
    if number < 1:
        raise InvalidParameterError("'seconds' must be at least 1")
    if number > 60:
        raise InvalidParameterError("'seconds' must be 60 or less")
    return number


def _as_number(value: object) -> float:
    """Convert as JavaScript's Number() does, as far as form fields and JSON need it."""
    if value is None or value == "" or value == []:
        return 0.0
    if isinstance(value, list) and len(value) == 1:
        return _as_number(value[0])
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) and "_" not in value else math.nan
    except ValueError:
        return math.nan


def _wrong_type(expected: str, value: object) -> str:
    return f"Expected {expected}, received {_type_name(value)}"


def _type_name(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
