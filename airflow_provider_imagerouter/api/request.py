"""What one generation or edit asks for: its parameters, checked before anything is sent."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

from airflow_provider_imagerouter.exceptions import ImageRouterInputError

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.api.call import Call, UploadedFile

MAX_PROMPT_LENGTH = 10_000
"""UTF-16 units (ImageRouter's server source)."""

MAX_IMAGES = 16
"""Input pictures a call takes at most (ImageRouter's server source)."""

MAX_SECONDS = 60
"""Seconds a video lasts at most (ImageRouter's server source)."""

MAX_FILE_BYTES = 25 * 1024 * 1024
"""An uploaded file must be smaller than this (measured: exactly this many bytes are refused)."""

MAX_N = 100
"""Candidates of one request at most; our own limit, against mistakes. The API ignores ``n``."""

QUALITIES = ("auto", "low", "medium", "high")
RESPONSE_FORMATS = ("url", "b64_json", "b64_ephemeral")
OUTPUT_FORMATS = ("webp", "jpeg", "jpg", "png")
BASE64_FORMATS = ("b64_json", "b64_ephemeral")

_SIZE = re.compile(r"[0-9]+[xX×*][0-9]+")


@dataclass(frozen=True)
class InputPicture:
    """
    An input picture, ready to upload.

    :param content: the picture's bytes
    :param content_type: its media type, found from the bytes, e.g. ``image/png``
    """

    content: bytes
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
    """

    quality: str | None
    size: str | None
    response_format: str | None
    output_format: str | None


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
    :param mask: where to edit
    :raises ImageRouterInputError: if a value is not allowed
    """

    output: ClassVar[str]
    path: ClassVar[str]
    path_with_images: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    max_images: ClassVar[int]

    model: str
    prompt: str | None = None
    quality: str | None = None
    size: str | None = None
    response_format: str | None = None
    images: tuple[InputPicture, ...] = ()
    mask: InputPicture | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        _check_text("model", self.model)
        for name, value in self.parameters.items():
            check_parameter(name, value)

    def __str__(self) -> str:
        """Say in a few words what is asked for."""
        prompt = repr(textwrap.shorten(self.prompt, 80, placeholder="…")) if self.prompt else f"a {self.output}"
        details = [str(value) for name, value in self.parameters.items() if name not in ("model", "prompt")]
        if self.images:
            details.append(f"{len(self.images)} input picture(s)")
        return prompt + (f" ({', '.join(details)})" if details else "")

    def with_images(self, images: tuple[InputPicture, ...], mask: InputPicture | None) -> Self:
        """
        Return this request with input pictures.

        :param images: at least one
        :param mask: where to edit
        """
        check_number_of_images(len(images), self.max_images)
        return replace(self, images=images, mask=mask)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that are set, by the API's names, without the pictures."""
        return {name: getattr(self, name) for name in self.names if getattr(self, name) is not None}

    def call(self) -> Call[Answer]:
        """Return the HTTP call for this request."""
        # Here, so that importing an operator, which needs the checks below, does not import them.
        from airflow_provider_imagerouter.api.answer import read_answer
        from airflow_provider_imagerouter.api.call import Call

        if not self.images:
            return Call("POST", self.path, read_answer, json=self.parameters)
        files = [picture.part("image[]", f"image-{number}") for number, picture in enumerate(self.images, start=1)]
        if self.mask:
            files.append(self.mask.part("mask[]", "mask"))
        data = {name: str(value) for name, value in self.parameters.items()}
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
    max_images = MAX_IMAGES

    output_format: str | None = None


@dataclass(frozen=True, kw_only=True)
class VideoRequest(Request):
    """
    A checked request for a video: text to video, or image to video where there is an input picture.

    :param seconds: ``auto``, or 1 to 60; which ones, depends on the model
    """

    output = "video"
    path = path_with_images = "/v1/openai/videos/generations"
    names = ("prompt", "model", "quality", "size", "response_format", "seconds")
    max_images = 1

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


def check_number_of_images(number: int, most: int = MAX_IMAGES) -> None:
    """
    Check that a call with this many input pictures would be taken.

    :param number: how many there are
    :param most: how many there may be
    :raises ImageRouterInputError: if there are none or too many
    """
    if not 1 <= number <= most:
        allowed = f"1 to {most} pictures" if most > 1 else "one picture"
        raise ImageRouterInputError(f"image takes {allowed}, not {number}")


def check_bytes_have_a_place(response_format: str | None, output: object) -> None:
    """
    Check that a picture that comes as base64 will be stored.

    :param response_format: as asked for
    :param output: where pictures are stored, if anywhere
    :raises ImageRouterInputError: if it would have nowhere to go but XCom
    """
    if response_format in BASE64_FORMATS and not output:
        raise ImageRouterInputError(
            f"response_format={response_format!r} needs an output_path: picture bytes do not go through XCom"
        )


def check_n(n: Any) -> int:
    """
    Return a number of candidates, as a number.

    :raises ImageRouterInputError: if it is none, or an absurd one
    """
    number = int(n) if isinstance(n, int | str) and not isinstance(n, bool) and str(n).strip().isdecimal() else 0
    if not 1 <= number <= MAX_N:
        raise ImageRouterInputError(f"n must be a whole number from 1 to {MAX_N}, not {n!r}")
    return number


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ImageRouterInputError(f"{name} must be a string, not {type(value).__name__}")
    if not value.strip():
        raise ImageRouterInputError(f"{name} is empty; leave it out (None) for the default")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ImageRouterInputError(f"{name} has half a character in it, and cannot be sent: {value[:80]!r}") from None


def _check_prompt(name: str, value: Any) -> None:
    _check_text(name, value)
    length = len(value.encode("utf-16-le")) // 2
    if length > MAX_PROMPT_LENGTH:
        raise ImageRouterInputError(
            f"prompt has {length} characters; ImageRouter takes {MAX_PROMPT_LENGTH} at most "
            "(counted in UTF-16 units: an emoji is two)"
        )


def _check_size(name: str, value: Any) -> None:
    _check_text(name, value)
    if value != "auto" and not _SIZE.fullmatch(value):
        raise ImageRouterInputError(f"size must be 'auto' or like '1024x768', not {value!r}")


def _check_seconds(name: str, value: Any) -> None:
    try:
        seconds = 1.0 if value == "auto" else float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if isinstance(value, bool) or not 1 <= seconds <= MAX_SECONDS:
        raise ImageRouterInputError(f"{name} must be 'auto' or a number from 1 to {MAX_SECONDS}, not {value!r}")


def _one_of(allowed: tuple[str, ...]) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in allowed:
            raise ImageRouterInputError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")

    return check


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "model": _check_text,
    "prompt": _check_prompt,
    "quality": _one_of(QUALITIES),
    "size": _check_size,
    "response_format": _one_of(RESPONSE_FORMATS),
    "output_format": _one_of(OUTPUT_FORMATS),
    "seconds": _check_seconds,
}
