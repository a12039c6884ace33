from __future__ import annotations

from typing import Any

import pytest
from sandbox_api import EDITS, VIDEOS, png


def test_a_call_costs_its_price(api):
    answer = api.generate("black-forest-labs/FLUX-1-schnell", size="64x64")
    assert answer.json()["cost"] == 0.0013
    assert api.credits() == "99.9987"


def test_the_price_depends_on_the_quality(api):
    costs = [
        api.generate("black-forest-labs/FLUX-1-schnell", size="64x64", quality=quality).json()["cost"]
        for quality in ("low", "auto", "high")
    ]
    assert costs == [0.0006, 0.0013, 0.007]


@pytest.mark.parametrize(
    ("model", "parameters", "cost"),
    [
        ("openai/dall-e-3", {"quality": "high"}, 0.08),
        ("openai/dall-e-3", {"quality": "high", "size": "1024x1536"}, 0.12),
        ("openai/dall-e-3", {"quality": "low", "size": "1536x1024"}, 0.08),
        ("openai/dall-e-3", {}, 0.04),
        ("fal/flux-2-dev-turbo", {}, 0.0084),
        ("fal/flux-2-dev-turbo", {"size": "512x512", "quality": "high"}, 0.0021),
        ("ideogram-ai/ideogram-v3", {"size": "64x64", "quality": "low"}, 0.03),
        ("ideogram-ai/ideogram-v3", {"size": "64x64", "quality": "high"}, 0.09),
    ],
)
def test_calculated_prices(api, model, parameters, cost):
    assert api.generate(model, **parameters).json()["cost"] == cost
    assert api.credits() == f"{100 - cost:.4f}"


@pytest.mark.parametrize(
    ("model", "parameters", "cost"),
    [
        ("google/veo-3.1-fast", {}, 0.6),
        ("google/veo-3.1-fast", {"seconds": 8}, 1.2),
        ("google/veo-3.1-fast", {"seconds": 5}, 0.6),
        ("tencent/hunyuan-video-1.5", {"size": "1280x720"}, 0.2),
        ("tencent/hunyuan-video-1.5", {"size": "832x480", "seconds": "8"}, 0.16),
        ("kling/kling-2.1-standard", {"seconds": 10, "size": "64x64"}, 0.3696),
    ],
)
def test_prices_of_videos(api, model, parameters, cost):
    assert api.generate(model, path=VIDEOS, **parameters).json()["cost"] == cost


def test_input_pictures_cost_where_they_are_counted(api, red_png):
    assert api.edit("fal/flux-2-dev-turbo", ("image", red_png)).json()["cost"] == 0.0164


def test_a_calculated_price_is_all_that_is_asked_for(api):
    message = api.generate("openai/dall-e-3", key=api.sandbox.empty_key, quality="high").json()["error"]["message"]
    assert "minimum $0.08 credits" in message


def books(api, key: str | None = None) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {key or api.sandbox.rich_key}"}
    rows: list[dict[str, Any]] = api.client.get("/v1/credits?by_api_key=true", headers=headers).json()[
        "usage_by_api_key"
    ]
    return rows


def test_a_key_that_was_not_used_is_not_in_the_books(api):
    assert books(api) == []
    api.generate("no/such")
    assert books(api) == []


def test_a_call_whose_pictures_are_refused_was_accepted(api, red_png):
    assert "error" in api.edit("openai/dall-e-3", ("image", red_png)).json()
    [row] = books(api)
    assert (row["total_requests"], row["credit_usage"]) == (1, "0.0000")


def test_the_highest_price_is_taken_first_and_the_rest_given_back(api):
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/slow-2"))
        call = api.await_call(lambda call: call["model"] == "sandbox/slow-2")
        assert (call["status"], call["cost"], api.credits()) == ("processing", 0.01, "99.9900")
        api.await_call(lambda call: call["status"] == "success")
    assert api.credits() == "99.9960"


def test_a_failure_is_given_back(api):
    assert api.generate("sandbox/fails").json()["error"]["type"] == "provider_error"
    assert api.credits() == "100.0000"
    call = api.last_call()
    assert (call["status"], call["http_status"], call["cost"]) == ("error", 200, 0)


def test_a_call_goes_on_and_is_billed_although_the_client_left(api):
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/slow-2"))
        api.await_call(lambda call: call["model"] == "sandbox/slow-2")
    left = api.await_call(lambda call: call["client_left"])
    assert left["status"] == "processing"
    call = api.await_call(lambda call: call["status"] == "success")
    assert call["cost"] == 0.004
    totals = api.sandbox.ledger()["totals"]
    assert (totals["clients_left"], totals["billed_calls"], totals["billed_usd"]) == (1, 1, 0.004)
    assert api.credits() == "99.9960"


def test_an_account_can_be_used_up(api):
    key = api.sandbox.nearly_empty_key
    files = {"image": ("a.png", png(), "image/png")}
    answers = [api.post(EDITS, key, data={"model": "bria/remove-background"}, files=files).json() for _ in range(2)]
    assert ["data" in answer for answer in answers] == [True, False]
    assert "minimum $0.0006 credits" in answers[1]["error"]["message"]
    assert api.credits(key) == "0.0004"


def test_the_ledger_and_the_account_agree(api):
    for model in (
        "fails",
        "fails-and-bills",
        "three-pictures",
        "no-data",
        "null-cost",
        "proxy-502",
        "proxy-503",
        "blocked",
    ):
        api.generate(f"sandbox/{model}")
    billed = api.sandbox.ledger()["totals"]["billed_usd"]
    assert billed == 0.026
    assert api.credits() == f"{100 - billed:.4f}"
