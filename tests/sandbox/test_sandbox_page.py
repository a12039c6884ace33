"""The page that shows what the sandbox drew."""

from __future__ import annotations

import json
import re

import pytest
from sandbox_api import VIDEOS


def page(api) -> str:
    answer = api.client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    text: str = answer.text
    return text


def test_an_empty_page(api):
    assert "Nothing was asked for yet." in page(api)
    assert "rich $100.0000 · nearly empty $0.0010 · empty $0.0000" in page(api)


def test_what_it_drew_what_it_cost_and_what_was_asked(api, red_png):
    api.generate("sandbox/slow-0", "a lighthouse", quality="high")
    api.edit("black-forest-labs/FLUX-2-klein-4b", ("image", red_png), prompt="a red hat")
    shown = page(api)
    assert shown.index("a red hat") < shown.index("a lighthouse")
    assert "<strong>$0.0106</strong> billed" in shown
    assert "<strong>$0.0100</strong>" in shown
    assert "input pictures: 1" in shown
    assert "quality: &quot;high&quot;" in shown
    [newest, oldest] = re.findall(r'<img src="(.*?)"', shown)
    assert api.client.get(newest).headers["content-type"] == "image/webp"
    assert api.client.get(oldest).content.startswith(b"RIFF")


def test_looking_leaves_no_trace(api):
    api.generate("sandbox/expiring-link")
    before = api.sandbox.ledger()
    for source in re.findall(r'src="(.*?)"', page(api)):
        assert api.client.get(source).status_code == 200
    assert api.sandbox.ledger() == before
    assert "ratelimit-limit" not in api.client.get("/").headers


@pytest.mark.parametrize("prompt", ["<script>alert(1)</script>", "half \ud83d", "Köln 猫", ""])
def test_any_prompt_can_be_shown(api, prompt):
    body = {"model": "<b>", "prompt": prompt, "<i>": "<u>"}
    api.post(content=json.dumps(body), headers={"Content-Type": "application/json"})
    shown = page(api)
    assert not re.search("<(script|b|i|u)>", shown)
    assert "refused, HTTP 400" in shown
    assert "&lt;b&gt;" in shown


def test_videos_words_and_base64_are_shown(api):
    api.generate("ir/test-video", path=VIDEOS)
    api.generate("test/test", response_format="b64_json")
    api.post("/v1/openai/responses", json={"model": "sandbox/words", "input": "Score it."})
    shown = page(api)
    assert '<video src="/sandbox/pictures/test/test-video.mp4"' in shown
    assert '<img src="/sandbox/pictures/test/auto.png"' in shown
    assert "Score it." in shown
    assert api.client.get("/sandbox/pictures/test/test-video.mp4").headers["content-type"] == "video/mp4"
    assert api.client.get("/sandbox/pictures/none.png").status_code == 404


def test_the_page_looks_again_while_something_is_in_flight(api):
    assert "refresh" not in page(api)
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/slow-2"))
        api.await_call(lambda call: call["model"] == "sandbox/slow-2")
        assert '<meta http-equiv="refresh"' in page(api)
        api.await_call(lambda call: call["status"] == "success")
    assert "refresh" not in page(api)
