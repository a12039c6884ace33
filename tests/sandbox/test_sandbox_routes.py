from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import yaml
from sandbox_api import IMAGES, VIDEOS

RATE_HEADERS = ["ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]


def test_health(api):
    answer = api.client.get("/health")
    assert (answer.status_code, answer.content) == (200, b'{"status":"ok"}')
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["content-length"] == "15"
    assert "server" not in answer.headers


def test_every_answer_carries_the_usual_headers(api):
    headers = api.client.get("/health").headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["connection"] == "keep-alive"
    assert [headers[name] for name in RATE_HEADERS] == ["20;w=1", "20", "19", "1"]


def test_an_unknown_route_answers_with_a_page(api):
    answer = api.client.get("/v1/nowhere?<x>=1")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<pre>Cannot GET /v1/nowhere</pre>" in answer.text


def test_a_route_does_not_know_other_methods(api):
    assert "Cannot DELETE /v1/models" in api.client.delete("/v1/models").text
    assert api.client.get("/docs").status_code == 404


@pytest.mark.parametrize(("path", "kind"), [("/v1/models", dict), ("/v2/models", list), ("/v3/models", list)])
def test_the_listings_are_compact(api, path, kind):
    answer = api.client.get(path)
    models = answer.json()
    assert isinstance(models, kind)
    ids = list(models) if kind is dict else [model["id"] for model in models]
    assert ids[0] == "black-forest-labs/FLUX-1.1-pro"
    assert ids[-1].startswith("sandbox/")
    assert answer.text == json.dumps(models, separators=(",", ":"), ensure_ascii=False)


def listed_v2(api, query: str = "") -> dict[str, dict[str, Any]]:
    return {model["id"]: model for model in api.client.get(f"/v2/models?{query}").json()}


def test_listing_v1(api):
    models = api.client.get("/v1/models").json()
    assert models["black-forest-labs/FLUX-1-schnell"] == {
        "providers": [
            {
                "id": "runware",
                "model_name": "runware:100@1",
                "pricing": {"type": "post_generation", "range": {"min": 0.0006, "average": 0.0013, "max": 0.007}},
            }
        ],
        "release_date": "2024-08-01",
        "output": ["image"],
        "supported_params": {"text": True, "mask": True, "quality": True, "edit": True},
    }
    assert models["bria/remove-background"]["supported_params"]["text"] is False
    kinds = {
        (provider["pricing"]["type"], "range" in provider["pricing"])
        for model in models.values()
        for provider in model["providers"]
    }
    assert kinds == {
        ("fixed", False),
        ("post_generation", False),
        ("post_generation", True),
        ("calculated", False),
        ("calculated", True),
    }
    assert list(models["ir/test-video"])[2:4] == ["seconds", "default_seconds"]


def test_listing_v2(api):
    models = listed_v2(api)
    assert json.dumps(models["openai/gpt-image-1-mini"]) == json.dumps(
        {
            "id": "openai/gpt-image-1-mini",
            "aliases": [],
            "release_date": "2025-10-06",
            "inputs": {
                "image": True,
                "mask": False,
                "quality": True,
                "size": ["auto", "1024x1024", "1536x1024", "1024x1536"],
            },
            "output": ["image"],
            "price": {"min": 0.005, "average": 0.051, "max": 0.2},
        }
    )
    assert models["test/test"]["price"] == {"min": 0, "average": 0, "max": 0}
    assert models["test/test"]["inputs"]["size"] == ["custom"]
    assert models["google/veo-3.1-fast"]["inputs"]["seconds"] == [4, 6, 8]
    assert models["sandbox/slow"]["price"] == {"min": 0.004, "average": 0.004, "max": 0.01}


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("type=video", "ir/test-video", "test/test"),
        ("type=image", "test/test", "ir/test-video"),
        ("type=sound", "test/test", "no/such"),
        ("provider=FLUX", "", "black-forest-labs/FLUX-1.1-pro"),
        ("provider=Forest", "black-forest-labs/FLUX-1.1-pro", "test/test"),
        ("free=true", "test/test", "openai/gpt-image-1"),
        ("free=false", "openai/gpt-image-1", "test/test"),
        ("name=SCHNELL", "black-forest-labs/FLUX-1-schnell", "test/test"),
    ],
)
def test_filters(api, query, there, not_there):
    models = api.client.get(f"/v1/models?{query}").json()
    assert not there or there in models
    assert not_there not in models


def listed(api, query: str = "") -> list[str]:
    return list(api.client.get(f"/v1/models?{query}").json())


def test_sorting(api):
    ids = listed(api, "sort=name")
    assert sorted(ids) == sorted(listed(api))
    assert ids.index("bria/remove-background") < ids.index("bytedance/seedream-4.5")
    assert ids.index("fal/flux-2-dev-turbo") < ids.index("google/veo-3.1-fast") < ids.index("wan/wan-2.6")
    flux = [model for model in ids if model.startswith("black-forest-labs/")]
    assert flux == [
        "black-forest-labs/FLUX-1-schnell",
        "black-forest-labs/FLUX-1-schnell:free",
        "black-forest-labs/FLUX-1.1-pro",
        "black-forest-labs/FLUX-2-klein-4b",
        "black-forest-labs/FLUX-2-klein-4b:free",
        "black-forest-labs/flux-kontext-pro",
    ]
    assert listed(api, "sort=price&type=image")[0] in listed(api, "free=true")
    dates = [model.get("release_date", "") for model in api.client.get("/v1/models?sort=date").json().values()]
    assert dates == sorted(dates, reverse=True)
    assert listed(api, "sort=colour") == listed(api)


@pytest.mark.parametrize(
    ("limit", "end"),
    [
        ("limit=2", 2),
        ("limit=1e2", 1),
        ("limit=5x", 5),
        ("limit=-1", -1),
        ("limit=0", 0),
        ("limit=many", 0),
        ("limit=", None),
        ("limit=2&limit=3", 2),
        ("limit[]=3", 3),
        ("limit[x]=3", 0),
    ],
)
def test_limits_are_read_as_javascript_reads_them(api, limit, end):
    assert listed(api, limit) == listed(api)[:end]


@pytest.mark.parametrize(
    "query",
    ["type=video&type=video", "type[]=video", "type[a]=video", "sort=name&sort=name", "colour=red", "Type=video"],
)
def test_what_a_listing_does_not_heed(api, query):
    assert listed(api, query) == listed(api)


def test_doubled_parameters_of_a_listing(api):
    assert listed(api, "free=true&free=true") == listed(api, "free=false")
    for query in ("name=a&name=b", "provider[]=a", "name[x]=a"):
        answer = api.client.get(f"/v1/models?{query}")
        assert (answer.status_code, answer.json()["error"]["type"]) == (500, "internal_error")


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("outputType=video", "ir/test-video", "test/test"),
        ("inputType=mask", "openai/gpt-image-2", "openai/gpt-image-1"),
        ("inputType=seconds", "wan/wan-2.6", "test/test"),
        ("inputType=image&outputType=image", "qwen/qwen-image", "openai/dall-e-3"),
        ("type=video", "ir/test-video", "test/test"),
        ("name=RMBG", "bria/remove-background", "test/test"),
    ],
)
def test_filters_of_v2(api, query, there, not_there):
    models = listed_v2(api, query)
    assert there in models
    assert not_there not in models


@pytest.mark.parametrize("fields", ["fields=price,output", "fields=price&fields=output", "fields=output,id,price,no"])
def test_fields_of_v2(api, fields):
    assert list(listed_v2(api, fields)["test/test"]) == ["id", "output", "price"]


def test_one_model_in_v2(api):
    model = api.client.get("/v2/models/google%2Fgemini-2.5-flash").json()
    assert model["id"] == "google/gemini-2.5-flash"
    assert model["aliases"] == ["google/gemini-2.5-flash-image", "gemini-2.5-flash-image"]
    assert model["price"]["average"] == 0.035
    assert api.client.get("/v2/models/gemini-2.5-flash-image").status_code == 404


def listed_v3(api, query: str = "") -> dict[str, dict[str, Any]]:
    models = api.client.get(f"/v3/models?{query}").json()
    assert isinstance(models, list)
    return {model["id"]: model for model in models}


def test_listing_v3(api):
    models = listed_v3(api)
    assert models["openai/gpt-image-1-mini"] == {
        "id": "openai/gpt-image-1-mini",
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["image"]},
        "parameters": {"size": ["auto", "1024x1024", "1536x1024", "1024x1536"]},
        "pricing": {"min": 0.005, "average": 0.051, "max": 0.2},
    }
    assert models["test/test"]["parameters"] == {"size": ["custom"]}
    assert models["bria/remove-background"]["architecture"]["input_modalities"] == ["image"]
    assert models["openai/gpt-5-mini"] == {
        "id": "openai/gpt-5-mini",
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.25e-6", "completion": "2.0e-6"},
    }
    assert list(listed_v3(api, "limit=2")) == list(models)[:2]


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("output_modalities=text", "sandbox/words", "test/test"),
        ("output_modalities=video", "ir/test-video", "sandbox/words"),
        ("input_modalities=image&output_modalities=text", "openai/gpt-5-mini", "deepseek/deepseek-v3.2"),
        ("free=true", "test/test", "openai/gpt-5-mini"),
        ("name=GPT-5", "openai/gpt-5-mini", "openai/gpt-image-2"),
    ],
)
def test_filters_of_v3(api, query, there, not_there):
    models = listed_v3(api, query)
    assert there in models
    assert not_there not in models


def test_text_models_are_in_v3_only(api):
    for path in ("/v1/models", "/v2/models"):
        assert "openai/gpt-5-mini" not in api.client.get(path).text


def test_the_description_of_the_api(api):
    answer = api.client.get("/.well-known/openapi.yaml")
    assert answer.headers["content-type"] == "text/yaml; charset=utf-8"
    described = yaml.safe_load(answer.text)
    assert described["servers"] == [{"url": api.sandbox.url}]
    assert "/v1/openai/images/edits" in described["paths"]


def test_one_model(api):
    model = api.client.get("/v1/models/google/veo-3.1-fast").json()
    assert model["inputs"]["image"] is True
    assert model["sizes"][0] == "1280x720"
    assert (model["seconds"], model["default_seconds"]) == ([4, 6, 8], 4)
    assert "supported_params" not in model


def test_a_model_s_id_that_is_badly_escaped(api):
    assert b"HTTP/1.1 500 " in raw_get(api, "/v1/models/%zz")


def raw_get(api, path: str) -> bytes:
    """Ask for a path as it is, without a client's corrections."""
    with api.connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize("model", ["/", "//", "test/test/"])
def test_slashes_are_part_of_a_model_s_id(api, model):
    received = raw_get(api, f"/v1/models/{model}")
    assert received.startswith(b"HTTP/1.1 404 ")
    assert f"The model '{model}' does not exist.".encode() in received


@pytest.mark.parametrize("model", ["no/such", "google/gemini-2.5-flash-image"])
def test_unknown_models_and_aliases_are_not_found(api, model):
    answer = api.client.get(f"/v1/models/{model}")
    assert answer.status_code == 404
    assert answer.text == (
        f'{{"error":{{"message":"The model \'{model}\' does not exist.","type":"invalid_request_error",'
        '"param":"model","code":"model_not_found"}}'
    )


@pytest.mark.parametrize(
    ("alias", "model"),
    [
        ("gemini-3-pro-image", "google/gemini-3-pro"),
        ("google/gemini-3-pro-image", "google/gemini-3-pro"),
        ("google/gemini-3.1-flash-image", "google/nano-banana-2"),
        ("kwaivgi/kling-2.5-turbo-standard", "kling/kling-2.5-turbo-standard"),
        ("kwaivgi/kling-2.5-turbo-pro", "kling/kling-2.5-turbo-pro"),
        ("kwaivgi/kling-2.1-pro", "kling/kling-2.1-pro"),
        ("kwaivgi/kling-2.1-master", "kling/kling-2.1-master"),
        ("kwaivgi/kling-1.6-standard", "kling/kling-1.6-standard"),
        ("kwaivgi/wan-2.2", "wan/wan-2.2"),
        ("kwaivgi/wan-2.5", "wan/wan-2.5"),
        ("kwaivgi/wan-2.6", "wan/wan-2.6"),
    ],
)
def test_old_names_live_on(api, alias, model):
    assert model in listed(api)
    wrong_endpoint = VIDEOS if model.startswith("google/") else IMAGES
    message = api.generate(alias, path=wrong_endpoint).json()["error"]["message"]
    assert message.startswith(f"'{model}' is a")


def test_an_alias_of_a_model_that_is_gone(api):
    message = api.generate("briaai/RMBG-2.0:free").json()["error"]["message"]
    assert message == "model 'bria/remove-background:free' is not available"


def test_an_alias_generates(api):
    answer = api.generate("google/gemini-2.5-flash-image").json()
    # 0.035 USD; but 0.035 * 10000 is a little more than 350, and the API rounds up.
    assert answer["cost"] == 0.0351


def test_credits_are_strings_in_dollars(api):
    headers = {"Authorization": f"Bearer {api.sandbox.rich_key}"}
    assert api.client.get("/v1/credits", headers=headers).text == (
        '{"remaining_credits":"100.0000","credit_usage":"0.0000","total_deposits":"100.0000"}'
    )
    api.generate("sandbox/fails-and-bills")
    rows = api.client.get("/v1/credits?by_api_key=true", headers=headers).json()["usage_by_api_key"]
    assert list(rows[0]) == [
        "api_key_id",
        "api_key_name",
        "credit_usage",
        "total_requests",
        "created_at",
        "is_active",
        "spend_limit",
        "spend_limit_period",
        "period_spend",
        "period_start",
        "expires_at",
    ]
    assert (rows[0]["credit_usage"], rows[0]["total_requests"]) == ("0.0040", 1)


def test_testing_a_key_counts_in_credits(api):
    answer = api.post("/v1/auth/test")
    assert answer.text == '{"success":true,"credits":1000000}'
    assert answer.headers["ratelimit-policy"] == "20;w=1"


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/auth/test"), ("GET", "/v1/credits")])
def test_account_routes_need_a_key(api, method, path):
    assert api.client.request(method, path).status_code == 401


def test_an_answer_the_client_has_is_not_sent_again(api):
    first = api.client.get("/v1/models")
    tag = first.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), "*", f'"other", {tag}'):
        again = api.client.get("/v1/models", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    headers = {"If-None-Match": tag, "Cache-Control": "no-cache"}
    assert api.client.get("/v1/models", headers=headers).status_code == 200


def test_browsers_may_ask_first(api):
    answer = api.client.options("/v1/openai/images/generations")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-methods"] == "GET,HEAD,PUT,PATCH,POST,DELETE"


def test_links_need_no_key_and_do_not_count(api):
    url = api.generate().json()["data"][0]["url"]
    with httpx.Client(trust_env=False) as stranger:
        answers = [stranger.get(url) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit-limit" not in answers[0].headers


def test_head_gives_the_headers_only(api):
    url = api.generate("sandbox/slow-0").json()["data"][0]["url"]
    for link in (url, "/v1/models"):
        head, body = api.client.head(link), api.client.get(link)
        assert head.content == b""
        assert head.headers["content-length"] == str(len(body.content))


def test_case_does_not_matter_but_in_a_model_s_id(api):
    assert api.client.get("/V1/Models").json() == api.client.get("/v1/models").json()
    assert api.client.get("/V1/Models/openai/gpt-image-1").status_code == 200
    assert api.client.get("/v1/models/OpenAI/gpt-image-1").status_code == 404
    assert "data" in api.post("/v1/OpenAI/images/Generations", json={"model": "test/test"}).json()
    assert "Cannot GET /Nowhere" in api.client.get("/Nowhere").text


def test_another_method_on_a_paid_route(api):
    answer = api.client.get(IMAGES)
    assert (answer.status_code, answer.headers["ratelimit-policy"]) == (401, "6000;w=60")
    key = {"Authorization": f"Bearer {api.sandbox.rich_key}"}
    answers = [
        api.client.request(method, f"{IMAGES}{end}", headers=key) for method, end in [("PUT", ""), ("POST", "/x")]
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["99", "98"]
    assert answers[0].headers["ratelimit-policy"] == "100;w=1"
    assert "Cannot PUT /v1/openai/images/generations" in answers[0].text
    assert api.sandbox.ledger()["totals"]["calls"] == 0


def test_a_strange_path_is_shown_escaped(api):
    assert b"<pre>Cannot GET /nowhere/%3Ca%3E&#39;%22&amp;</pre>" in raw_get(api, "/nowhere/<a>'\"&")


def test_a_trailing_slash_does_not_matter(api):
    assert api.client.get("/v1/models/").json() == api.client.get("/v1/models").json()
    assert "data" in api.post("/v1/openai/images/generations/", json={"model": "test/test"}).json()
