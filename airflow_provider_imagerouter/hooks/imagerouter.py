"""The hooks: a synchronous one on requests, and an asynchronous one on httpx; neither is imported before it is used."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import BaseHook
from typing_extensions import override

from airflow_provider_imagerouter.compat import get_connection
from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterInputError
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings, read_connection
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID
from airflow_provider_imagerouter.hooks.form import CONNECTION_FIELDS, UI_FIELD_BEHAVIOUR
from airflow_provider_imagerouter.hooks.sharing import share

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from typing import Unpack

    import requests

    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.api.books import Books
    from airflow_provider_imagerouter.api.call import Call
    from airflow_provider_imagerouter.api.catalogue import Catalogue, CostEstimate, Model, ModelFilters
    from airflow_provider_imagerouter.api.credits import Credits
    from airflow_provider_imagerouter.api.keys import MadeKey
    from airflow_provider_imagerouter.api.request import Options, Request
    from airflow_provider_imagerouter.hooks.async_calls import AsyncCalls, Check

T = TypeVar("T")

CATALOGUE_SECONDS = 600.0
"""How long a listing of all models is used."""


class ImageRouterHook(BaseHook):
    """
    Talk to ImageRouter, synchronously: for Dag authors' own tasks, the command line and the form's Test button.

    Calls that surely did not run (no connection, 429 with ``Retry-After``) are tried again for the connection's
    ``retry_timeout``; nothing else is, because a second POST may be a second bill. A method that has no success to
    return raises an :class:`~airflow_provider_imagerouter.exceptions.ImageRouterError`.

    :param imagerouter_conn_id: connection of type ``imagerouter``
    """

    conn_name_attr = "imagerouter_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "imagerouter"
    hook_name = "ImageRouter"

    def __init__(self, imagerouter_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.imagerouter_conn_id = imagerouter_conn_id

    @classmethod
    @override
    def get_connection_form_widgets(cls) -> dict[str, Any]:  # for Airflow versions that do not read ``conn-fields``
        from wtforms import PasswordField, StringField
        from wtforms.validators import Optional

        kinds = {None: StringField, "password": PasswordField}
        # Those versions have no field for numbers that are not whole; what is typed is read as a number anyway.
        return {
            name: kinds[field["schema"].get("format")](
                field["label"], description=field["description"], validators=[Optional()]
            )
            for name, field in CONNECTION_FIELDS.items()
        }

    @classmethod
    @override
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}

    @cached_property
    def settings(self) -> ConnectionSettings:
        """The connection, read once."""
        return read_connection(self.get_connection(self.imagerouter_conn_id))

    @override
    def get_conn(self) -> requests.Session:
        """Return a session that sends the API key, and sends it to the API's own host only."""
        from airflow_provider_imagerouter.hooks.requests_transport import new_session

        return new_session(self.settings)

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the connection works, with the balance or the reason; tried once, as somebody is waiting."""
        from airflow_provider_imagerouter.api.credits import get_credits_call

        try:
            found = self._run(get_credits_call(), retry_timeout=0)
        except Exception as error:  # the Test button shows whatever is wrong
            return False, str(error)
        return True, f"Connected; the account holds ${found.remaining}"

    def generate(self, prompt: str | None = None, *, model: str | None = None, **options: Unpack[Options]) -> Answer:
        """
        Generate a picture from text. This costs money.

        :param prompt: what to draw, 20,000 characters at most; some models need none
        :param model: model id; the connection's default model if None
        :param options: ``quality``, ``size``, ``response_format``, ``output_format``, and
            ``extra_body``: a dict of parameters that are sent as they are, unchecked, and go before the others
        """
        from airflow_provider_imagerouter.api.request import ImageRequest

        return self.send(ImageRequest(model=self.settings.model(model), prompt=prompt, **options))

    def edit(
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

        return self.send(edit_request(image, mask, model=self.settings.model(model), prompt=prompt, **options))

    def send(self, request: Request) -> Answer:
        """
        Send a checked request. This costs money.

        :param request: what to generate or edit
        """
        from airflow_provider_imagerouter.telemetry import paid_call

        with paid_call(request, self.settings.base_url) as call:
            call.answer = self._run(request.call())
            return call.answer

    def list_models(self, **filters: Unpack[ModelFilters]) -> Catalogue:
        """
        Return the catalogue's models by id; an alias finds its model, too.

        :param filters: ``output`` (``image``, ``video`` or ``text``; pictures and videos if left out), ``provider``,
            ``free``, ``name``
        """
        from airflow_provider_imagerouter.api.listing import Listings

        listings = Listings(**filters)
        for call in listings:
            try:
                listings.add(self._run(call))
            except ImageRouterError as error:
                listings.add(error)
        return listings.catalogue()

    def get_model(self, model: str) -> Model:
        """
        Return one model of the catalogue.

        :param model: model id or alias
        :raises ImageRouterInputError: if there is none; names those near it
        """
        return self.list_models().find(model)

    def get_credits(self) -> Credits:
        """Return what the account holds, in USD."""
        from airflow_provider_imagerouter.api.credits import get_credits_call

        return self._run(get_credits_call())

    def get_books(self) -> Books:
        """Return what each of the account's keys was asked and spent."""
        from airflow_provider_imagerouter.api.books import get_books_call

        return self._run(get_books_call())

    def estimate_cost(self, requests: Sequence[str | Mapping[str, Any]]) -> CostEstimate:
        """
        Return what requests may cost together, USD.

        :param requests: each a prompt, or a dict of parameters; only ``model`` and ``n`` matter
        """
        from airflow_provider_imagerouter.api.catalogue import estimate_cost

        return estimate_cost(self.list_models(), requests, self.settings.model)

    def _run(self, call: Call[T], retry_timeout: float | None = None) -> T:
        from tenacity import Retrying

        from airflow_provider_imagerouter.hooks.requests_transport import exchange
        from airflow_provider_imagerouter.hooks.resending import resending

        with self.get_conn() as session:
            limit = self.settings.retry_timeout if retry_timeout is None else retry_timeout
            retrying = Retrying(**resending(limit))
            return retrying(lambda: call.result(exchange(session, self.settings, call)))


class ImageRouterAsyncHook(BaseHook):
    """
    Talk to ImageRouter, asynchronously: the methods of :class:`ImageRouterHook`, with ``await``.

    It is what the operators run on, and for Dag authors' own async tasks.

    :param imagerouter_conn_id: connection of type ``imagerouter``
    """

    def __init__(self, imagerouter_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.imagerouter_conn_id = imagerouter_conn_id
        self._settings: ConnectionSettings | None = None
        self._calls: dict[str | None, AsyncCalls] = {}

    async def get_settings(self) -> ConnectionSettings:
        """Return the connection, read once."""
        if self._settings is None:
            self._settings = read_connection(await get_connection(self.imagerouter_conn_id))
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

    async def send(
        self,
        request: Request,
        *,
        has_turn: bool = False,
        key: str | None = None,
        before_resending: Check | None = None,
    ) -> Answer:
        """
        Send a checked request. This costs money.

        :param request: what to generate or edit
        :param has_turn: whether :meth:`wait_for_turn` was awaited just before
        :param key: of the account, to make the call with; None for the connection's
        :param before_resending: awaited just before a call that did not run is sent again; not sent if it raises
        """
        from airflow_provider_imagerouter.telemetry import paid_call

        calls, settings = await self._get_calls(key), await self.get_settings()
        with paid_call(request, settings.base_url) as call:
            call.answer = await calls.run(request.call(), has_turn=has_turn, before_resending=before_resending)
            return call.answer

    async def wait_for_turn(self) -> None:
        """Wait until the rate limit has room for a call, together with all others over this connection."""
        await (await self._get_calls()).wait_for_turn()

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

    async def get_books(self) -> Books:
        """Return what each of the account's keys was asked and spent."""
        from airflow_provider_imagerouter.api.books import get_books_call

        return await self._run(get_books_call())

    async def make_key(self, name: str, spend_limit: Decimal | None, expires_at: datetime) -> MadeKey:
        """
        Make a key, with the connection's management key. This costs nothing.

        :param name: what the books are to call it, 200 characters at most
        :param spend_limit: USD that may be spent with it; None for no limit
        :param expires_at: when it stops working
        """
        from airflow_provider_imagerouter.api.keys import make_key_call

        management_key = (await self.get_settings()).management_key
        if management_key is None:
            raise ImageRouterInputError(f"The connection {self.imagerouter_conn_id!r} has no management key")
        return await self._run(make_key_call(name, spend_limit, expires_at), key=management_key)

    async def estimate_cost(self, requests: Sequence[str | Mapping[str, Any]]) -> CostEstimate:
        """
        Return what requests may cost together, USD.

        :param requests: each a prompt, or a dict of parameters; only ``model`` and ``n`` matter
        """
        from airflow_provider_imagerouter.api.catalogue import estimate_cost

        settings = await self.get_settings()
        return estimate_cost(await self.list_models(), requests, settings.model)

    async def _run(self, call: Call[T], *, key: str | None = None) -> T:
        return await (await self._get_calls(key)).run(call)

    async def _get_calls(self, key: str | None = None) -> AsyncCalls:
        from airflow_provider_imagerouter.hooks.async_calls import AsyncCalls

        if key not in self._calls:
            self._calls[key] = AsyncCalls((await self.get_settings()).with_key(key))
        return self._calls[key]
