"""One request as the engine takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.request import ImageRequest, Request, VideoRequest
from airflow_provider_imagerouter.engine.inputs import InputPictures
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.files.naming import candidate_stem

if TYPE_CHECKING:
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings


@dataclass(frozen=True)
class Job:
    """
    One request as the engine takes it.

    :param parameters: the API's parameters; ``image`` and ``mask`` may be anything that
        :func:`~airflow_provider_imagerouter.engine.inputs.records` takes; None is the API's default
    :param stem: name of its pictures, without extension
    :param output: what it makes: ``image`` or ``video``
    :param fallback_models: which models are asked, one after the other, where its own could not make it
    :param metadata: for its records
    """

    parameters: Mapping[str, Any]
    stem: str
    output: str = "image"
    fallback_models: Sequence[str] = ()
    metadata: dict[str, Any] | None = None

    def candidates(self, n: int) -> list[Job]:
        """Return the job as it is to be done `n` times; each has a name of its own."""
        return [replace(self, stem=candidate_stem(self.stem, number, n)) for number in range(1, n + 1)]

    def check(self, settings: ConnectionSettings) -> tuple[Request, InputPictures | None]:
        """
        Check all of the request but its input pictures' bytes, and return both.

        :param settings: the connection
        :raises ImageRouterInputError: if something is not allowed
        """
        given = {name: value for name, value in self.parameters.items() if value is not None}
        image, mask = given.pop("image", None), given.pop("mask", None)
        kind: type[Request] = VideoRequest if self.output == "video" else ImageRequest
        request = kind(**{**given, "model": settings.model(given.get("model"))})
        if mask is not None and image is None:
            raise ImageRouterInputError("mask needs an image: it says which part of it to edit")
        return request, None if image is None else InputPictures(image, mask, settings)
