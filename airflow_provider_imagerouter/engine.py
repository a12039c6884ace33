"""
Running requests: read the input pictures, send, fetch and store what came, and return records.

One engine, asynchronous, serves every operator. A worker runs it in an event loop of its own.
"""

from __future__ import annotations

import logging
import textwrap
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.request import ImageRequest, check_bytes_have_a_place
from airflow_provider_imagerouter.inputs import load_images, load_mask
from airflow_provider_imagerouter.pictures import Output, PictureStore
from airflow_provider_imagerouter.records import Record, records_of

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
    from airflow_provider_imagerouter.hooks.imagerouter_async import ImageRouterAsyncHook

log = logging.getLogger(__name__)


class Engine:
    """
    Runs requests with one connection.

    :param hook: the connection
    :param output: where pictures are stored; None to pass on the links
    """

    def __init__(self, hook: ImageRouterAsyncHook, output: Output | None) -> None:
        self._hook = hook
        self._output = output

    async def run(self, parameters: Mapping[str, Any]) -> list[Record]:
        """
        Carry out one request.

        :param parameters: the API's parameters; ``image`` and ``mask`` may be anything that
            :func:`~airflow_provider_imagerouter.inputs.records` takes
        :raises ImageRouterError: if it did not end in pictures
        """
        settings = await self._hook.get_settings()
        store = await PictureStore.open(self._output, settings) if self._output else None
        request = await _read_request(parameters, settings)
        check_bytes_have_a_place(request.response_format, self._output)
        answer = await self._send(request)
        records = records_of(request, answer)
        if store is None:
            return records
        return [
            await store.add(record, picture.content, number)
            for number, (record, picture) in enumerate(zip(records, answer.pictures, strict=True), start=1)
        ]

    async def _send(self, request: ImageRequest) -> Answer:
        log.info("Asking %s for %s", request.model, _describe(request))
        started = time.monotonic()
        answer = await self._hook.send(request)
        log.info(
            "%s answered in %.1f s with %d picture(s) for %s",
            request.model,
            time.monotonic() - started,
            len(answer.pictures),
            "an unknown price" if answer.cost is None else f"${answer.cost}",
        )
        return answer


async def _read_request(parameters: Mapping[str, Any], settings: ConnectionSettings) -> ImageRequest:
    given = {name: value for name, value in parameters.items() if value is not None}
    image, mask = given.pop("image", None), given.pop("mask", None)
    request = ImageRequest(**{**given, "model": settings.model(given.get("model"))})
    if image is None:
        return request
    return request.with_images(
        await load_images(image, settings), None if mask is None else await load_mask(mask, settings)
    )


def _describe(request: ImageRequest) -> str:
    """Say in a few words what is asked for."""
    prompt = repr(textwrap.shorten(request.prompt, 80, placeholder="…")) if request.prompt else "a picture"
    details = [value for value in (request.size, request.quality, request.output_format) if value]
    if request.images:
        details.append(f"{len(request.images)} input picture(s)")
    return prompt + (f" ({', '.join(details)})" if details else "")
