"""The hooks' methods against the sandbox: the same words and the same bytes, whichever transport carries them."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from support.clients import Client, Clients
from support.pictures import picture
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.exceptions import (
    ImageRouterAuthenticationError,
    ImageRouterInputError,
    ImageRouterResponseError,
    ImageRouterServerError,
)
from airflow_provider_imagerouter.sandbox.process import SandboxProcess

ONLY_SYNC = pytest.mark.parametrize("clients", ["requests"], indirect=True)  # Airflow tests no other
PAID_MODEL = "black-forest-labs/FLUX-1-schnell"


@pytest.fixture
def client(clients: Clients, imagerouter_sandbox: SandboxProcess) -> Client:
    return clients(imagerouter_sandbox.url, key=imagerouter_sandbox.rich_key)


def only_call(sandbox: SandboxProcess) -> dict[str, Any]:
    [call] = sandbox.ledger()["calls"]
    return call


def test_generate(client: Client, imagerouter_sandbox: SandboxProcess) -> None:
    options = {"quality": "high", "size": "1536x1024", "output_format": "png", "response_format": "b64_ephemeral"}
    found = client.generate('A "quoted" prompt,\nöffentlich 🦊', model="openai/gpt-image-1", **options)
    call = only_call(imagerouter_sandbox)
    assert call["prompt"] == 'A "quoted" prompt,\nöffentlich 🦊'
    assert call["model"] == "openai/gpt-image-1"
    assert call["parameters"].items() >= options.items()
    assert call["images"] == []
    assert float(found.cost) == call["cost"] > 0
    assert found.pictures[0].content.startswith(b"\x89PNG")


def test_generate_without_prompt_and_options(client: Client, imagerouter_sandbox: SandboxProcess) -> None:
    """What is not given is left to the API."""
    found = client.generate(None, model=PAID_MODEL)
    call = only_call(imagerouter_sandbox)
    assert call["prompt"] is None
    assert found.pictures[0].url.startswith(imagerouter_sandbox.url)


def test_further_parameters_are_sent_as_they_are(client: Client, imagerouter_sandbox: SandboxProcess) -> None:
    extra = {"seed": 7, "quality": "high"}
    client.generate("A", model=PAID_MODEL, quality="low", extra_body=extra)
    client("edit", picture(), "A", model=PAID_MODEL, quality="low", extra_body=extra)
    generated, edited = imagerouter_sandbox.ledger()["calls"]
    assert generated["parameters"] == extra
    assert edited["parameters"] == {"seed": "7", "quality": "high"}


def test_edit(client: Client, imagerouter_sandbox: SandboxProcess) -> None:
    images = [picture("PNG", color=color) for color in ("red", "green", "blue")]
    mask = picture("PNG", color="black")
    prompt = 'A "quoted" prompt,\r\nöffentlich 🦊; name="model"'
    found = client("edit", images, prompt, mask=mask, model="test/test", quality="low", size="1024x1024")
    call = only_call(imagerouter_sandbox)
    assert call["images"] == [hashlib.sha256(image).hexdigest() for image in images]
    assert call["mask"] == hashlib.sha256(mask).hexdigest()
    assert call["prompt"] == prompt
    assert call["parameters"].items() >= {"quality": "low", "size": "1024x1024"}.items()
    assert call["path"].endswith("/images/edits")
    assert float(found.cost) == call["cost"]
    assert client("edit", images[0], prompt, model="openai/gpt-image-1").cost > 0


def test_edit_of_16_pictures(client: Client, imagerouter_sandbox: SandboxProcess) -> None:
    images = [picture("PNG", color=(number, 0, 0)) for number in range(16)]
    client("edit", images, "Join them", model="openai/gpt-image-1")
    assert only_call(imagerouter_sandbox)["images"] == [hashlib.sha256(image).hexdigest() for image in images]
    with pytest.raises(ImageRouterInputError, match="1 to 16"):
        client("edit", [*images, images[0]], "Join them", model="openai/gpt-image-1")
    with pytest.raises(ImageRouterInputError, match="1 to 16"):
        client("edit", [], "Join them", model="openai/gpt-image-1")
    assert len(imagerouter_sandbox.ledger()["calls"]) == 1


@pytest.mark.parametrize("content", [b"", b"text", b"<html></html>", picture("PNG")[:-50]])
def test_edit_of_what_is_no_picture(client: Client, imagerouter_sandbox: SandboxProcess, content: bytes) -> None:
    with pytest.raises(ImageRouterInputError, match="image 1 is not a readable picture"):
        client("edit", content, "Turn it", model="openai/gpt-image-1")
    with pytest.raises(ImageRouterInputError, match="mask 1 is not a readable picture"):
        client("edit", picture("PNG"), "Turn it", mask=content, model="openai/gpt-image-1")
    assert imagerouter_sandbox.ledger()["calls"] == []


def test_the_default_model(clients: Clients, imagerouter_sandbox: SandboxProcess) -> None:
    client = clients(imagerouter_sandbox.url, key=imagerouter_sandbox.rich_key, default_model="test/test")
    client("generate", "a cat")
    assert only_call(imagerouter_sandbox)["model"] == "test/test"


def test_no_model(client: Client, imagerouter_sandbox: SandboxProcess) -> None:
    with pytest.raises(ImageRouterInputError, match="No model"):
        client("generate", "a cat")
    assert imagerouter_sandbox.ledger()["calls"] == []


def test_list_models(client: Client) -> None:
    models = client("list_models")
    image_1 = models["openai/gpt-image-1"]
    assert (image_1.id, image_1.output) == ("openai/gpt-image-1", ("image",))
    assert (image_1.takes_image, image_1.takes_mask, image_1.takes_quality) == (True, False, True)
    assert "1536x1024" in image_1.sizes
    assert models["bria/remove-background"].sizes == ("custom",)
    assert image_1.min_price <= image_1.average_price <= image_1.max_price
    assert models["test/test"].max_price == 0
    assert isinstance(image_1.max_price, Decimal)
    assert models["ir/test-video"].output == ("video",)


def test_list_models_filtered(client: Client) -> None:
    everything = client("list_models")
    assert set(client("list_models", output="video")) < set(everything)
    assert all(model.output == ("video",) for model in client("list_models", output="video").values())
    assert all(model.max_price == 0 for model in client("list_models", free=True).values())
    assert all("flux" in model.lower() for model in client("list_models", name="flux"))


def test_get_model(client: Client) -> None:
    assert client("get_model", "test/test").id == "test/test"
    with pytest.raises(ImageRouterInputError, match=r"no model 'test/tes'. Near it: test/test"):
        client("get_model", "test/tes")


def test_get_credits(client: Client) -> None:
    before = client("get_credits")
    cost = client.generate(model=PAID_MODEL).cost
    after = client("get_credits")
    assert before.remaining == 100
    assert before.remaining - after.remaining == cost
    assert after.used - before.used == cost
    assert before.deposited == after.deposited


@ONLY_SYNC
def test_test_connection(client: Client) -> None:
    works, said = client("test_connection")
    assert works is True
    assert "$100" in said


@ONLY_SYNC
def test_test_connection_with_a_wrong_key(clients: Clients, imagerouter_sandbox: SandboxProcess) -> None:
    works, said = clients(imagerouter_sandbox.url)("test_connection")
    assert works is False
    assert "Invalid API key" in said


@ONLY_SYNC
def test_test_connection_without_a_key(clients: Clients) -> None:
    works, said = clients("", key="")("test_connection")
    assert works is False
    assert "no API key" in said


@ONLY_SYNC
def test_test_connection_with_nobody_there(clients: Clients) -> None:
    """Somebody waits for the answer: no retries."""
    with RawServer(answer("<html>", "502 Bad Gateway")) as server:
        works, said = clients(server.url)("test_connection")
        assert len(server.requests) == 1
    assert works is False
    assert "502" in said
    works, said = clients(server.url)("test_connection")
    assert works is False
    assert "Could not connect" in said


@pytest.mark.parametrize(
    "body", ["{}", "[]", '{"remaining_credits": null}', '{"remaining_credits": "much"}', "<html>", '{"error": "x"}']
)
def test_credits_that_make_no_sense(clients: Clients, body: str) -> None:
    with RawServer(answer(body)) as server, pytest.raises(ImageRouterServerError) as caught:
        clients(server.url)("get_credits")
    assert caught.value.billed == "no"


@pytest.mark.parametrize("body", ['{"a/b": {}}', '{"a/b": 5}', '{"error": {"message": "no"}}', "[5]", '"a/b"', "null"])
def test_a_catalogue_that_makes_no_sense(clients: Clients, body: str) -> None:
    with RawServer(answer(body)) as server, pytest.raises(ImageRouterResponseError) as caught:
        clients(server.url)("list_models")
    assert caught.value.billed == "no"


def test_a_refused_question(clients: Clients) -> None:
    refused = answer('{"error": {"message": "Invalid API key", "type": "unauthorized"}}', "401 Unauthorized")
    with RawServer(refused) as server, pytest.raises(ImageRouterAuthenticationError):
        clients(server.url)("get_credits")


def test_a_base_url_with_a_path(clients: Clients) -> None:
    with RawServer(answer("{}")) as server:
        clients(server.url + "/gate way/ai")("list_models")
        assert server.requests[0].startswith(b"GET /gate%20way/ai/v1/models HTTP/1.1\r\n")


def test_ipv6(clients: Clients) -> None:
    with RawServer(answer("{}"), host="::1") as server:
        assert clients(server.url)("list_models") == {}
