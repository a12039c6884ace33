"""An independent client gets its pictures from the sandbox."""

from __future__ import annotations

import base64
import io

import openai
import pytest
from PIL import Image


@pytest.fixture
def client(api):
    with openai.OpenAI(base_url=f"{api.sandbox.url}/v1/openai", api_key=api.sandbox.rich_key, max_retries=0) as client:
        yield client


def test_generating(client, api):
    answer = client.images.generate(model="black-forest-labs/FLUX-1-schnell", prompt="a cat", size="256x256")
    picture = Image.open(io.BytesIO(api.client.get(answer.data[0].url).content))
    assert (picture.format, picture.size) == ("WEBP", (256, 256))


def test_editing(client, red_png):
    answer = client.images.edit(
        model="black-forest-labs/FLUX-1-schnell",
        prompt="a hat",
        image=("red.png", red_png),
        mask=("mask.png", red_png),
        response_format="b64_json",
    )
    assert Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))).size == (96, 64)


def test_several_pictures(client, api, red_png):
    client.images.edit(model="test/test", prompt="x", image=[("a.png", red_png), ("b.png", red_png)])
    assert len(api.last_call()["images"]) == 2


def test_its_errors(client, api):
    with pytest.raises(openai.BadRequestError):
        client.images.generate(model="no/such", prompt="x")
    with pytest.raises(openai.RateLimitError):
        client.images.generate(model="sandbox/always-rate-limited", prompt="x")
    assert client.images.generate(model="sandbox/fails", prompt="x").data is None
