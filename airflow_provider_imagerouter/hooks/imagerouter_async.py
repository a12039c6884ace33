"""The asynchronous hook, on httpx: what the operators run on, and for Dag authors' own async tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings, read_connection
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID
from airflow_provider_imagerouter.hooks.pace import Pace, pace_of
from airflow_provider_imagerouter.hooks.sharing import share

if TYPE_CHECKING:
    from typing import Unpack

    import httpx

    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.api.call import Call, Reply
    from airflow_provider_imagerouter.api.catalogue import Catalogue, CostEstimate, Model, ModelFilters
    from airflow_provider_imagerouter.api.credits import Credits
    from airflow_provider_imagerouter.api.request import Options, Request

T = TypeVar("T")

CATALOGUE_SECONDS = 600.0
"""How long a listing of all models is used."""

LARGE_BYTES = 256 * 1024
"""An answer from this size on is read in a thread: the event loop has others to serve."""

PATIENCE_SECONDS = 5.0
"""How long what the account may do is waited for; it is good to know, and no more."""

log = logging.getLogger(__name__)

_background: set[asyncio.Task[None]] = set()


class ImageRouterAsyncHook(BaseHook):
    """
    Talk to ImageRouter, asynchronously: the methods of
    :class:`~airflow_provider_imagerouter.hooks.imagerouter.ImageRouterHook`, with ``await``.

    :param imagerouter_conn_id: connection of type ``imagerouter``
    """

    def __init__(self, imagerouter_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.imagerouter_conn_id = imagerouter_conn_id
        self._settings: ConnectionSettings | None = None
        self._client: httpx.AsyncClient | None = None

    async def get_settings(self) -> ConnectionSettings:
        """Return the connection, read once."""
        if self._settings is None:
            self._settings = read_connection(await _get_connection(self.imagerouter_conn_id))
        return self._settings

    async def generate(
        self, prompt: str | None = None, *, model: str | None = None, **options: Unpack[Options]
    ) -> Answer:
        """
        Generate a picture from text. This costs money.

        :param prompt: what to draw, 20,000 characters at most; some models need none
        :param model: model id; the connection's default model if None
        :param options: ``quality``, ``size``, ``response_format``, ``output_format``, and
            ``extra_body``: a dict of parameters that are sent as they are, unchecked, and go before the others
        """
        from airflow_provider_imagerouter.api.request import ImageRequest

        settings = await self.get_settings()
        return await self.send(ImageRequest(model=settings.model(model), prompt=prompt, **options))

    async def edit(
        self,
        image: bytes | Sequence[bytes],
        prompt: str | None = None,
        *,
        mask: bytes | Sequence[bytes] | None = None,
        model: str | None = None,
        **options: Unpack[Options],
    ) -> Answer:
        """
        Make a picture from pictures. This costs money.

        :param image: the bytes of 1 to 16 pictures, each smaller than 25 MiB
        :param prompt: what to make of them; some models need none
        :param mask: the bytes of a picture that says where to edit, or of up to 16; few models take one
        :param model: model id; the connection's default model if None
        :param options: ``quality``, ``size``, ``response_format``, ``output_format``, and
            ``extra_body``: a dict of parameters that are sent as they are, unchecked, and go before the others
        """
        from airflow_provider_imagerouter.media.images import edit_request

        model = (await self.get_settings()).model(model)
        request = await asyncio.to_thread(edit_request, image, mask, model=model, prompt=prompt, **options)
        return await self.send(request)

    async def send(self, request: Request, *, has_turn: bool = False) -> Answer:
        """
        Send a checked request. This costs money.

        :param request: what to generate or edit
        :param has_turn: whether :meth:`wait_for_turn` was awaited just before
        """
        return await self._run(request.call(), has_turn=has_turn)

    async def wait_for_turn(self) -> None:
        """Wait until the rate limit has room for a call, together with all others over this connection."""
        settings = await self.get_settings()
        self._get_client(settings)  # takes a while, once, which a call that has its turn need not wait for
        await self._paid_turn(settings)

    async def list_models(self, **filters: Unpack[ModelFilters]) -> Catalogue:
        """
        Return the catalogue's models by id; an alias finds its model, too.

        :param filters: ``output`` (``image``, ``video`` or ``text``; pictures and videos if left out), ``provider``,
            ``free``, ``name``
        """
        from airflow_provider_imagerouter.api.listing import Listings

        listings = Listings(**filters)
        for call in listings:
            try:
                listing = await self._run(call)
                listings.add(listing)
            except ImageRouterError as error:
                listings.add(error)
        return listings.catalogue()

    async def get_catalogue(self) -> Catalogue:
        """Return all models; all tasks in this event loop share one listing, for ten minutes."""
        settings = await self.get_settings()
        return await share(("catalogue", settings), self.list_models, CATALOGUE_SECONDS)

    async def get_model(self, model: str) -> Model:
        """
        Return one model of the catalogue.

        :param model: model id or alias
        :raises ImageRouterInputError: if there is none; names those near it
        """
        return (await self.list_models()).find(model)

    async def get_credits(self) -> Credits:
        """Return what the account holds, in USD."""
        from airflow_provider_imagerouter.api.credits import get_credits_call

        return await self._run(get_credits_call())

    async def estimate_cost(self, requests: Sequence[str | Mapping[str, Any]]) -> CostEstimate:
        """
        Return what requests may cost together, USD.

        :param requests: each a prompt, or a dict of parameters; only ``model`` and ``n`` matter
        """
        from airflow_provider_imagerouter.api.catalogue import estimate_cost

        settings = await self.get_settings()
        return estimate_cost(await self.list_models(), requests, settings.model)

    async def _run(self, call: Call[T], *, has_turn: bool = False) -> T:
        from tenacity import AsyncRetrying

        from airflow_provider_imagerouter.hooks.httpx_transport import exchange
        from airflow_provider_imagerouter.hooks.resending import resending

        settings = await self.get_settings()
        client = self._get_client(settings)
        pace = pace_of(settings)

        async def once() -> T:
            reply = await exchange(client, settings, call)
            try:
                return await _read(call, reply)
            finally:
                if call.method == "POST":
                    _learn(pace, reply)

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await pace.turn()

        if not has_turn:  # before the time for retries begins to run
            await (self._paid_turn(settings) if call.method == "POST" else pace.turn())
        return await AsyncRetrying(sleep=sleep, **resending(settings.retry_timeout))(once)

    async def _paid_turn(self, settings: ConnectionSettings) -> None:
        """Wait for the turn of a paid call; the second one asks what the account may do, while it waits."""
        pace = pace_of(settings)
        if pace.is_worth_asking():
            asking = asyncio.create_task(self._ask_for_pace(settings, pace))
            _background.add(asking)
            asking.add_done_callback(_background.discard)
        await pace.turn()

    async def _ask_for_pace(self, settings: ConnectionSettings, pace: Pace) -> None:
        """Find out what the account may do, from what it holds: no header of a free call tells."""
        from airflow_provider_imagerouter.api.credits import get_credits_call
        from airflow_provider_imagerouter.hooks.httpx_transport import exchange

        call = get_credits_call()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                pace.expect(call.result(await exchange(self._get_client(settings), settings, call)).calls_per_second)
        except Exception as error:  # calls are then as slow as they were
            log.debug("How many calls the account may make is not known: %r", error)

    def _get_client(self, settings: ConnectionSettings) -> httpx.AsyncClient:
        from airflow_provider_imagerouter.hooks.httpx_transport import new_client

        if self._client is None:
            self._client = new_client(settings)
        return self._client


async def _read(call: Call[T], reply: Reply) -> T:
    """Return what a reply means, without holding up the event loop."""
    if len(reply.body) < LARGE_BYTES:
        return call.result(reply)
    return await asyncio.to_thread(call.result, reply)


def _learn(pace: Pace, reply: Reply) -> None:
    """Learn from a reply's headers, whatever is in them: what it answered is paid for."""
    try:
        pace.learn(reply)
    except Exception as error:
        log.debug("Nothing is learnt from the headers %r: %r", reply.headers, error)


async def _get_connection(conn_id: str) -> Any:
    """Read a connection without blocking the event loop, in all Airflow 3 versions."""
    if hasattr(BaseHook, "aget_connection"):
        return await BaseHook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async  # whose threads lead back to the triggerer's loop, which Airflow 3.0 needs

    return await sync_to_async(BaseHook.get_connection)(conn_id)
