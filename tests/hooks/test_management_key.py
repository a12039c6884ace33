"""Keys that the management key makes: made for nothing, used where they are meant to be, and shown nowhere."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import redact
from airflow.sdk import Connection
from support.clients import KEY
from support.raw_server import RawServer, Script, Visitor, answer

from airflow_provider_imagerouter.api.request import ImageRequest
from airflow_provider_imagerouter.exceptions import (
    ImageRouterAuthenticationError,
    ImageRouterConnectionError,
    ImageRouterError,
    ImageRouterInputError,
)
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings, read_connection
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook, ImageRouterHook
from airflow_provider_imagerouter.hooks.pace import pace_of

MANAGEMENT = "management-".ljust(64, "6")
MADE = "made-".ljust(64, "5")
LATER = datetime.now(UTC) + timedelta(days=1)
SUCCESS = answer('{"data": [{"url": "https://pictures.invalid/a.png"}], "cost": 0.004}')


def read(**extra: Any) -> ConnectionSettings:
    return read_connection(Connection(conn_id="c", conn_type="imagerouter", password=KEY, extra=json.dumps(extra)))


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(url: str, **extra: Any) -> ImageRouterAsyncHook:
        extra = {"management_api_key": MANAGEMENT, **extra}
        connection = {"conn_type": "imagerouter", "host": url, "password": KEY, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_MANAGED", json.dumps(connection))
        return ImageRouterAsyncHook("managed")

    return make


def test_the_connection_has_one_or_none() -> None:
    assert read(management_api_key=f" {MANAGEMENT} ").management_key == MANAGEMENT
    assert read(management_api_key="").management_key is read().management_key is None
    assert read(key_lifetime="3600").key_lifetime == 3600
    assert read().key_lifetime == 86_400
    for bad in ("a key", "schlüssel", 5, ["x"]):
        with pytest.raises(ImageRouterInputError, match="management key of the connection 'c'") as caught:
            read(management_api_key=bad)
        assert str(bad) not in str(caught.value)
    with pytest.raises(ImageRouterInputError, match="key_lifetime"):
        read(key_lifetime=0)


def test_settings_show_no_key_and_share_a_pace_whichever_key_is_used() -> None:
    settings = read(management_api_key=MANAGEMENT)
    used = settings.with_key(MADE)
    for shown in (repr(settings), repr(used), used.redact(f"{KEY} {MANAGEMENT} {MADE}")):
        assert not any(key in shown for key in (KEY, MANAGEMENT, MADE))
    assert used.authorization == f"Bearer {MADE}"

    async def paces() -> bool:
        return pace_of(settings) is pace_of(used)

    assert asyncio.run(paces())


async def test_a_key_is_made_with_the_management_key_and_used_for_what_it_is_given_to(hook: Any) -> None:
    made = answer(json.dumps({"id": "k1", "key": MADE}), "201 Created")
    with RawServer(made, SUCCESS, answer('{"usage_by_api_key": []}')) as server:
        ours = hook(server.url)
        key = await ours.make_key("dag/run/task/-1#1", Decimal("0.5"), LATER)
        await ours.send(ImageRequest(model="test/test", prompt="a cat"), key=key.key)
        await ours.get_books()
        made_with, sent_with, read_with = server.requests
    assert made_with.startswith(b"POST /v1/api-keys ")
    assert b'"spend_limit":0.5' in made_with
    for request, expected in ((made_with, MANAGEMENT), (sent_with, MADE), (read_with, KEY)):
        assert f"Bearer {expected}".encode() in request
        assert sum(other.encode() in request for other in (KEY, MANAGEMENT, MADE)) == 1


def echo(visitor: Visitor) -> None:
    [line] = [line for line in visitor.request.split(b"\r\n") if line.lower().startswith(b"authorization:")]
    visitor.send(answer(b'{"error": {"message": "not ' + line + b'", "type": "internal_error"}}'))


@pytest.mark.parametrize("key", [MANAGEMENT, MADE])
async def test_a_server_that_echoes_a_key(hook: Any, caplog: pytest.LogCaptureFixture, key: str) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(echo) as server:
        ours = hook(server.url)
        asking = ours.send(ImageRequest(model="test/test", prompt="a cat"), key=MADE)
        if key == MANAGEMENT:
            asking.close()
            asking = ours.make_key("a", None, LATER)
        with pytest.raises(ImageRouterError) as caught:
            await asking
    assert key not in str(caught.value)
    assert key not in "".join(record.getMessage() for record in caplog.records)


async def test_airflow_masks_the_management_key(hook: Any) -> None:
    with RawServer(SUCCESS) as server:
        await hook(server.url, management_api_key="another-".ljust(64, "9")).get_settings()
    assert redact("Bearer " + "another-".ljust(64, "9")) == "Bearer ***"


def hang_up(visitor: Visitor) -> None:
    visitor.reset()


@pytest.mark.parametrize("script", [hang_up, answer("<html>", "502 Bad Gateway"), answer("", content_length=9)])
async def test_making_a_key_costs_nothing_and_is_tried_again(hook: Any, script: Script) -> None:
    made = answer(json.dumps({"id": "k1", "key": MADE}), "201 Created")
    with RawServer(script, made) as server:
        assert (await hook(server.url).make_key("a", None, LATER)).key == MADE
        assert server.posts == 2
    with RawServer(script) as server, pytest.raises(ImageRouterConnectionError) as caught:
        await hook(server.url, retry_timeout=0).make_key("a", None, LATER)
    assert caught.value.billed == "no"


async def test_a_management_key_that_is_refused(hook: Any, imagerouter_sandbox: Any) -> None:
    with pytest.raises(ImageRouterAuthenticationError):
        await hook(imagerouter_sandbox.url).make_key("a", None, LATER)
    with pytest.raises(ImageRouterInputError, match="no management key"):
        await hook(imagerouter_sandbox.url, management_api_key=None).make_key("a", None, LATER)


def test_both_hooks_read_the_books(imagerouter_sandbox: Any) -> None:
    ImageRouterHook().generate("a cat", model="sandbox/slow-0")
    both = ImageRouterHook().get_books(), asyncio.run(ImageRouterAsyncHook().get_books())
    for books in both:
        (key,) = books.keys
        assert (key.name, key.requests, key.spent) == ("rich", 1, Decimal("0.0040"))
        assert books.hidden == 0
