"""Runs a paid call to its end, and settles its bill."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from dataclasses import dataclass
from typing import Any

from airflow_provider_imagerouter.sandbox.accounts import CREDITS_PER_USD, Entry, credits_for
from airflow_provider_imagerouter.sandbox.behaviours import Behaviour, Link, Shape, error_body
from airflow_provider_imagerouter.sandbox.books import Call
from airflow_provider_imagerouter.sandbox.input_pictures import LinkFailedError, fetch_all
from airflow_provider_imagerouter.sandbox.models import SANDBOX_PRICE
from airflow_provider_imagerouter.sandbox.painting.dummies import (
    TEST_IMAGE,
    TEST_VIDEO,
    dummy_item,
    dummy_name,
    stored_file,
)
from airflow_provider_imagerouter.sandbox.painting.landscape import DEFAULT_SIZE
from airflow_provider_imagerouter.sandbox.painting.output import (
    File,
    ProviderFailedError,
    Work,
    draw_vector,
    echo,
    make,
)
from airflow_provider_imagerouter.sandbox.pricing import final_price
from airflow_provider_imagerouter.sandbox.stored_files import CONTENT_TYPES
from airflow_provider_imagerouter.sandbox.wire.answers import to_json
from airflow_provider_imagerouter.sandbox.world import World

log = logging.getLogger(__name__)


_AS_BASE64 = (Shape.BASE64, Shape.BASE64_LINES, Shape.DATA_URI)
_NO_PICTURE = {"url": None, "revised_prompt": None}


@dataclass(frozen=True)
class PaidCall:
    """A call that was accepted and charged.

    :param entry: in the books of the key that pays
    :param link_base: what its links begin with
    """

    world: World
    call: Call
    entry: Entry
    work: Work
    behaviour: Behaviour
    link_base: str

    async def run(self) -> bytes:
        """Make what was asked for, settle the bill, and return the answer's JSON."""
        started = time.monotonic()
        try:
            files = await self._ask_provider()
        except ProviderFailedError as error:
            self._give_all_back()
            return to_json(error.body)
        except Exception as error:
            log.exception("The sandbox itself failed")
            self._give_all_back()
            return to_json(error_body(str(error), "internal_error"))
        latency = round((time.monotonic() - started) * 1000)
        cost = self._settle()
        return to_json(self._result(files, latency, cost))

    async def _ask_provider(self) -> list[File]:
        ends = time.monotonic() + self.behaviour.seconds
        try:
            files = await self._make()
        except LinkFailedError as error:
            message = "Invalid image: the provider could not fetch it."
            raise ProviderFailedError(error_body(message, "provider_error")) from error
        await asyncio.sleep(ends - time.monotonic())
        if self.behaviour.failure:
            raise ProviderFailedError(self.behaviour.failure)
        return files

    async def _make(self) -> list[File]:
        parameters = self.work.parameters
        if parameters.model.id == TEST_IMAGE:
            # Drawn here, in a thread, it is there at once when the answer is put together.
            await asyncio.to_thread(stored_file, f"{parameters.quality}.png")
        if parameters.model.id in (TEST_IMAGE, TEST_VIDEO):
            return []
        await fetch_all([*self.work.images, *self.work.masks])
        self.call.note_pictures(self.work.images, self.work.masks)
        if self.behaviour.shape is Shape.SVG:
            return [File(draw_vector(parameters.prompt, parameters.size or DEFAULT_SIZE), "svg")]
        if self.behaviour.shape is Shape.ECHO and self.work.images:
            return [echo(self.work.images[0])]
        count = 3 if self.behaviour.shape is Shape.THREE_PICTURES else 1
        return [await asyncio.to_thread(make, self.work, number) for number in range(count)]

    def _give_all_back(self) -> None:
        self.entry.correct(0)
        self.world.ledger.fail(self.call)

    def _settle(self) -> float:
        shape = self.behaviour.shape
        cost = credits_for(SANDBOX_PRICE["max"] if shape is Shape.THREE_PICTURES else final_price(self.work))
        if shape is Shape.UNBOOKED:
            cost = self.entry.amount
        self.entry.correct(cost)
        self.world.ledger.bill(self.call, cost, succeeded=shape not in (Shape.BILLED_ERROR, Shape.UNBOOKED))
        return cost / CREDITS_PER_USD

    def _result(self, files: list[File], latency: int, cost: float) -> dict[str, Any]:
        ending = {"latency": latency, "cost": None if self.behaviour.shape is Shape.NULL_COST else cost}
        created: object = int(time.time() * (1000 if self.work.parameters.model.id == TEST_IMAGE else 1))
        if dummy := dummy_item(self.work.parameters, self.link_base):
            self.call.made.append(dummy_name(self.work.parameters))
            return {"created": created, "data": [dummy]} | ending
        data: object = [self._item(file, f"-{number}" * (len(files) > 1)) for number, file in enumerate(files)]
        match self.behaviour.shape:
            case Shape.BILLED_ERROR:
                return error_body("The provider answered without a picture.", "internal_error") | ending
            case Shape.UNBOOKED:
                message = f"Failed to postlog usage for {self.work.parameters.model.id} {self.call.id}"
                return error_body(message, "internal_error")
            case Shape.WRONG_TYPES:
                return {"created": "now", "data": "a picture", "latency": "fast", "cost": str(cost)}
            case Shape.NO_DATA:
                data = []
            case Shape.NULL_URL:
                data = [_NO_PICTURE]
            case Shape.ONE_OF_TWO:
                data = [self._item(files[0], ""), _NO_PICTURE]
        return {"created": created, "data": data} | ending

    def _item(self, file: File, suffix: str) -> dict[str, Any]:
        asked, shape = self.work.parameters.response_format, self.behaviour.shape
        revised = f"{self.work.parameters.prompt}, in great detail" if shape is Shape.REVISED else None
        body = _spoil(file, self.behaviour.link)
        as_base64 = shape in _AS_BASE64 or (asked != "url" and shape is not Shape.URL)
        name = f"{self.call.id}{suffix}.{file.extension}"
        if not as_base64 or asked != "b64_ephemeral":
            self.world.storage.keep(name, body, self.behaviour.link)
            self.call.made.append(name)
        if as_base64:
            return {"revised_prompt": revised, "b64_json": self._in_base64(body, file.extension)}
        base = "" if shape is Shape.RELATIVE_URL else self.link_base
        return {"url": f"{base}/storage/{name}", "revised_prompt": revised}

    def _in_base64(self, body: bytes, extension: str) -> str:
        match self.behaviour.shape:
            case Shape.BASE64_LINES:
                return base64.encodebytes(body).decode()
            case Shape.DATA_URI:
                return f"data:{CONTENT_TYPES[extension]};base64,{base64.b64encode(body).decode()}"
            case _:
                return base64.b64encode(body).decode()


def _spoil(file: File, link: Link) -> bytes:
    match link:
        case Link.NOT_A_PICTURE:
            return b"<html><body>There is no picture here.</body></html>\n"
        case Link.TRUNCATED:
            return file.body[: len(file.body) // 2]
        case _:
            return file.body
