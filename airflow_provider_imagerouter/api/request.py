"""What one generation or edit asks for: its parameters, checked before anything is sent."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

from airflow_provider_imagerouter.api import errors

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.api.call import Call, UploadedFile

MAX_PROMPT_LENGTH = 20_000
"""Characters of a prompt (ImageRouter's documents, October 2026); UTF-16 units (its server source, February 2026)."""

MAX_IMAGES = 16
"""Input pictures of a picture or a video (ImageRouter's documents, October 2026); a model may take fewer."""

MAX_MASKS = 16
"""Masks of an edit (ImageRouter's documents, October 2026); a model may take fewer."""

MAX_SECONDS = 60
"""Seconds of a video (ImageRouter's server source, February 2026)."""

MAX_FILE_BYTES = 25 * 1024 * 1024
"""An uploaded file must be smaller than this (measured, February 2026: exactly this many bytes are refused)."""

MAX_N = 100
"""Candidates of one request; our own limit, against mistakes. The API ignores ``n`` (measured, February 2026)."""

QUALITIES = ("auto", "low", "medium", "high")
"""ImageRouter's server source, February 2026; newer ones pass in ``extra_body``."""

RESPONSE_FORMATS = ("url", "b64_json", "b64_ephemeral")
"""ImageRouter's server source, February 2026, and its documents, October 2026."""

OUTPUT_FORMATS = ("webp", "jpeg", "jpg", "png")
"""ImageRouter's server source, February 2026; newer ones pass in ``extra_body``."""

_SIZE = re.compile(r"[0-9]+[xX×*][0-9]+")
"""What a size looks like (ImageRouter's server source, February 2026); which ones, depends on the model."""


@dataclass(frozen=True)
class InputPicture:
    """
    An input picture, ready to upload.

    :param content: the picture's bytes
    :param content_type: its media type, found from the bytes, e.g. ``image/png``
    """

    content: bytes = field(repr=False)
    content_type: str

    def part(self, field: str, name: str) -> UploadedFile:
        """Return the picture as a file part of a multipart body."""
        extension = self.content_type.partition("/")[2].partition("+")[0]
        return field, (f"{name}.{extension}", self.content, self.content_type)


class Options(TypedDict, total=False):
    """
    The optional parameters of a generation or edit; None leaves one to the API's default.

    :param quality: ``auto``, ``low``, ``medium`` or ``high``
    :param size: ``auto`` or ``WIDTHxHEIGHT`` in pixels
    :param response_format: ``url``, ``b64_json`` or ``b64_ephemeral``
    :param output_format: ``webp``, ``jpeg``, ``jpg`` or ``png``
    :param extra_body: further parameters, sent as they are
    """

    quality: str | None
    size: str | None
    response_format: str | None
    output_format: str | None
    extra_body: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """
    A checked request for one call. Parameters that are None are left to the API's defaults.

    :param model: model id
    :param prompt: what to make; some models need none
    :param quality: ``auto``, ``low``, ``medium`` or ``high``
    :param size: ``auto`` or ``WIDTHxHEIGHT`` in pixels
    :param response_format: ``url``, ``b64_json`` or ``b64_ephemeral``
    :param images: input pictures
    :param masks: where to edit
    :param extra_body: further parameters, sent as they are and unchecked; they go before those above
    :raises ImageRouterInputError: if a value is not allowed
    """

    output: ClassVar[str]
    path: ClassVar[str]
    path_with_images: ClassVar[str]
    names: ClassVar[tuple[str, ...]]

    model: str
    prompt: str | None = None
    quality: str | None = None
    size: str | None = None
    response_format: str | None = None
    images: tuple[InputPicture, ...] = ()
    masks: tuple[InputPicture, ...] = ()
    extra_body: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check every value, and take over those of ``extra_body`` that we look at, too."""
        check_parameter("extra_body", self.extra_body)
        extra = self.extra_body or {}
        for name in self.names:
            if isinstance(extra.get(name), str):
                object.__setattr__(self, name, extra[name])
            elif name not in extra:
                check_parameter(name, getattr(self, name))
        _check_text("model", self.model)

    def __str__(self) -> str:
        """Say in a few words what is asked for."""
        prompt = repr(textwrap.shorten(self.prompt, 80, placeholder="…")) if self.prompt else f"a {self.output}"
        others = {name: value for name, value in self.parameters.items() if name not in ("model", "prompt")}
        details = [f"{name} {textwrap.shorten(str(value), 80, placeholder='…')}" for name, value in others.items()]
        if self.images:
            details.append(f"{len(self.images)} input picture{'s' if len(self.images) > 1 else ''}")
        return prompt + (f" ({', '.join(details)})" if details else "")

    def with_images(self, images: tuple[InputPicture, ...], masks: tuple[InputPicture, ...] = ()) -> Self:
        """
        Return this request with input pictures.

        :param images: at least one
        :param masks: where to edit
        """
        check_number_of_images(len(images))
        if masks:
            check_number_of_masks(len(masks))
        return replace(self, images=images, masks=masks)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that are sent, by the API's names, without the pictures."""
        given = {name: getattr(self, name) for name in self.names if getattr(self, name) is not None}
        return {**given, **(self.extra_body or {})}

    def call(self) -> Call[Answer]:
        """Return the HTTP call for this request."""
        # Here, so that importing an operator, which needs the checks below, does not import them.
        from airflow_provider_imagerouter.api.answer import read_answer
        from airflow_provider_imagerouter.api.call import Call

        if not self.images:
            return Call("POST", self.path, read_answer, json=self.parameters)
        files = [picture.part("image[]", f"image-{number}") for number, picture in enumerate(self.images, start=1)]
        files += [picture.part("mask[]", f"mask-{number}") for number, picture in enumerate(self.masks, start=1)]
        data = {name: _as_field(value) for name, value in self.parameters.items()}
        return Call("POST", self.path_with_images, read_answer, data=data, files=files)


@dataclass(frozen=True, kw_only=True)
class ImageRequest(Request):
    """
    A checked request for pictures: text to image, or image to image where there are input pictures, 16 at most.

    :param output_format: ``webp``, ``jpeg``, ``jpg`` or ``png``
    """

    output = "image"
    path = "/v1/openai/images/generations"
    path_with_images = "/v1/openai/images/edits"
    names = ("prompt", "model", "quality", "size", "response_format", "output_format")

    output_format: str | None = None


@dataclass(frozen=True, kw_only=True)
class VideoRequest(Request):
    """
    A checked request for a video: text to video, or image to video where there are input pictures, 16 at most.

    :param seconds: ``auto``, or 1 to 60; which ones, depends on the model
    """

    output = "video"
    path = path_with_images = "/v1/openai/videos/generations"
    names = ("prompt", "model", "quality", "size", "response_format", "seconds")

    seconds: int | float | str | None = None


def check_parameter(name: str, value: Any) -> None:
    """
    Check the value of one parameter by itself; parameters without a rule of their own pass.

    :param name: the API's name of the parameter
    :param value: the value; None, the API's default, is always allowed
    :raises ImageRouterInputError: if the value is not allowed
    """
    if value is not None and name in _CHECKS:
        _CHECKS[name](name, value)


def check_number_of_images(number: int) -> None:
    """
    Check that a call with this many input pictures would be taken.

    :param number: how many there are
    :raises ImageRouterInputError: if there are none or too many
    """
    if not 1 <= number <= MAX_IMAGES:
        raise errors.ImageRouterInputError(f"image takes 1 to {MAX_IMAGES} pictures, not {number}")


def check_number_of_masks(number: int) -> None:
    """
    Check that a call with this many masks would be taken.

    :param number: how many there are
    :raises ImageRouterInputError: if there are none or too many
    """
    if not 1 <= number <= MAX_MASKS:
        raise errors.ImageRouterInputError(f"mask takes 1 to {MAX_MASKS} pictures, not {number}")


def text_parameter(parameters: Mapping[str, Any], name: str) -> str | None:
    """
    Return a parameter that is text; ``extra_body`` goes before the others, as in the call.

    :param parameters: those of a request, checked or not
    :param name: which one
    :return: None if it is not there, or no text
    """
    extra = parameters.get("extra_body")
    value = extra[name] if isinstance(extra, Mapping) and name in extra else parameters.get(name)
    return value if isinstance(value, str) else None


def check_n(n: Any, *, most: int | None = MAX_N) -> int:
    """
    Return a number of candidates, as a number.

    :param n: a whole number, or its text
    :param most: the highest that is allowed; None for any
    :raises ImageRouterInputError: if it is none, or an absurd one
    """
    number = int(n) if isinstance(n, int | str) and not isinstance(n, bool) and str(n).strip().isdecimal() else 0
    if number < 1 or (most is not None and number > most):
        upwards = "upwards" if most is None else f"to {most}"
        raise errors.ImageRouterInputError(f"n must be a whole number from 1 {upwards}, not {n!r}")
    return number


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise errors.ImageRouterInputError(f"{name} must be a string, not {type(value).__name__}")
    if not value.strip():
        raise errors.ImageRouterInputError(f"{name} is empty; None leaves it out")
    try:
        value.encode()
    except UnicodeEncodeError:
        problem = f"{name} has half a character in it, and cannot be sent: {value[:80]!r}"
        raise errors.ImageRouterInputError(problem) from None
    if "\0" in value:
        raise errors.ImageRouterInputError(f"{name} has a NUL character in it, which providers and databases refuse")


def _check_prompt(name: str, value: Any) -> None:
    _check_text(name, value)
    length = len(value.encode("utf-16-le")) // 2
    if length > MAX_PROMPT_LENGTH:
        raise errors.ImageRouterInputError(
            f"prompt has {length} characters; ImageRouter takes {MAX_PROMPT_LENGTH} at most "
            "(counted in UTF-16 units: an emoji is two)"
        )


def _check_size(name: str, value: Any) -> None:
    _check_text(name, value)
    if value != "auto" and not _SIZE.fullmatch(value):
        raise errors.ImageRouterInputError(f"size must be 'auto' or like '1024x768', not {value!r}")


def _check_seconds(name: str, value: Any) -> None:
    try:
        seconds = 1.0 if value == "auto" else float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if isinstance(value, bool) or not 1 <= seconds <= MAX_SECONDS:
        raise errors.ImageRouterInputError(f"{name} must be 'auto' or a number from 1 to {MAX_SECONDS}, not {value!r}")


def _check_extra_body(name: str, extra_body: Any) -> None:
    """Check that further parameters can be sent; what they mean is between the user and the API."""
    if not isinstance(extra_body, Mapping) or not all(isinstance(name, str) and name for name in extra_body):
        raise errors.ImageRouterInputError(f"{name} must be a dict of parameters by name, not {extra_body!r:.200}")
    try:
        json.dumps(dict(extra_body), allow_nan=False, sort_keys=True).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.ImageRouterInputError(f"{name} has a value that JSON has no word for: {error}") from None


def _one_of(allowed: tuple[str, ...]) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in allowed:
            raise errors.ImageRouterInputError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")

    return check


def _as_field(value: Any) -> str:
    """Return a value as a text field of a multipart body."""
    return value if isinstance(value, str) else json.dumps(value)


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "model": _check_text,
    "prompt": _check_prompt,
    "quality": _one_of(QUALITIES),
    "size": _check_size,
    "response_format": _one_of(RESPONSE_FORMATS),
    "output_format": _one_of(OUTPUT_FORMATS),
    "seconds": _check_seconds,
    "extra_body": _check_extra_body,
}
