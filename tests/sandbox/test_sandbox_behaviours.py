from __future__ import annotations

import base64
import json
from pathlib import Path

import httpx
import pytest

JSON_200 = b"HTTP/1.1 200 OK\r\n"


def paid(api) -> float:
    return round(100 - float(api.credits()), 4)


def test_heartbeats_come_every_three_seconds(api):
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/slow-7"))
        arrivals = []
        while piece := connection.recv(65536):
            arrivals.append(piece)
    head, *beats = arrivals[:3]
    assert head.startswith(JSON_200)
    assert b"Content-Type: application/json\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    assert beats == [b"1\r\n \r\n"] * 2
    answer = b"".join(arrivals)
    assert answer.count(b"1\r\n \r\n") == 2
    body = next(line for line in answer.split(b"\r\n") if line.startswith(b"{"))
    assert json.loads(body)["latency"] >= 7000
    assert answer.endswith(b"\r\n0\r\n\r\n")


def test_slow_by_any_number(api):
    assert 300 <= api.generate("sandbox/slow-0.3").json()["latency"] < api.generate("sandbox/slow-2").json()["latency"]
    listed = api.client.get("/v1/models").json()
    assert "sandbox/slow-0.3" not in listed
    assert "sandbox/slow-0.5" in listed
    assert api.generate("sandbox/slow-ish").status_code == 400


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (
            "sandbox/fails",
            '{"error":{"message":"The provider failed to generate the picture.","type":"provider_error"}}',
        ),
        (
            "sandbox/times-out",
            '{"error":{"message":"The provider timed out after 10 minutes.","type":"timeout_error"}}',
        ),
        (
            "sandbox/fails-with-status",
            '{"status":400,"statusText":"Bad Request","error":{"message":"The provider did not accept the request.",'
            '"type":"invalid_request_error"}}',
        ),
        ("sandbox/fails-without-error", '{"detail":"Not authenticated"}'),
        ("sandbox/fails-with-empty-error", '{"error":{}}'),
    ],
)
def test_failures_are_given_back(api, model, body):
    answer = api.generate(model)
    assert (answer.status_code, answer.text) == (200, body)
    assert answer.headers["content-type"] == "application/json"
    assert (paid(api), api.last_call()["status"]) == (0, "error")


def test_content_refusal(api):
    message = api.generate("sandbox/refuses").json()["error"]["message"]
    assert "moderation" in message
    assert "content policy" in message
    assert paid(api) == 0


def test_a_failure_that_is_billed(api):
    body = api.generate("sandbox/fails-and-bills").json()
    assert list(body) == ["error", "latency", "cost"]
    assert paid(api) == body["cost"] == 0.004


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("sandbox/no-data", []),
        ("sandbox/null-url", [{"url": None, "revised_prompt": None}]),
    ],
)
def test_answers_without_a_picture_are_billed(api, model, data):
    assert api.generate(model).json()["data"] == data
    assert paid(api) == 0.004


def test_unknown_cost(api):
    assert api.generate("sandbox/null-cost").json()["cost"] is None
    assert paid(api) == 0.004


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_a_booking_that_failed_keeps_the_money_and_the_picture(api, response_format):
    answer = api.generate("sandbox/unbooked", response_format=response_format, output_format="png")
    call = api.last_call()
    assert answer.json() == {
        "error": {"message": f"Failed to postlog usage for sandbox/unbooked {call['id']}", "type": "internal_error"}
    }
    assert (call["status"], call["cost"], paid(api)) == ("error", 0.01, 0.01)
    assert api.client.get(f"/storage/{call['id']}.png").content.startswith(b"\x89PNG")


def test_an_edit_that_comes_back_unchanged(api, red_png):
    answer = api.edit("sandbox/echo", ("image", red_png))
    assert api.fetch(answer) == red_png
    assert answer.json()["data"][0]["url"].endswith(".png")
    assert paid(api) == 0.004
    assert api.picture(api.generate("sandbox/echo")).size == (64, 64)


def test_one_picture_of_two(api):
    first, second = api.generate("sandbox/one-of-two").json()["data"]
    assert api.client.get(first["url"]).status_code == 200
    assert second == {"url": None, "revised_prompt": None}
    assert paid(api) == 0.004


def test_base64_as_some_providers_write_it(api):
    plain = api.generate("sandbox/base64").json()["data"][0]["b64_json"]
    lines = api.generate("sandbox/base64-lines").json()["data"][0]["b64_json"]
    assert max(map(len, lines.splitlines())) == 76
    assert base64.b64decode(lines).startswith(b"RIFF")
    assert "\n" not in plain
    prefixed = api.generate("sandbox/base64-data-uri", output_format="png").json()["data"][0]["b64_json"]
    assert base64.b64decode(prefixed.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")


def test_a_relative_link(api):
    url = api.generate("sandbox/relative-url").json()["data"][0]["url"]
    assert url.startswith("/storage/")
    assert api.client.get(url).status_code == 200


def test_links_can_be_made_to_expire(api):
    old, dying = (api.generate(model).json()["data"][0]["url"] for model in ("sandbox/slow-0", "sandbox/expiring-link"))
    assert [api.client.get(dying).status_code for _ in range(2)] == [200, 404]
    assert api.client.get(old).status_code == 200
    api.sandbox.expire_links()
    assert api.client.get(old).status_code == 404
    new = api.generate("sandbox/slow-0").json()["data"][0]["url"]
    assert api.client.get(new).status_code == 200


def test_three_pictures(api):
    body = api.generate("sandbox/three-pictures").json()
    links = [item["url"] for item in body["data"]]
    assert len({api.client.get(link).content for link in links}) == 3
    assert links[2].endswith("-2.webp")
    assert paid(api) == body["cost"] == 0.01


def test_response_format_is_not_always_honoured(api):
    assert "b64_json" in api.generate("sandbox/base64", response_format="url").json()["data"][0]
    for asked in ("b64_json", "b64_ephemeral"):
        answer = api.generate("sandbox/url", response_format=asked)
        assert api.picture(answer).size == (64, 64)
        assert "url" in answer.json()["data"][0]


def test_revised_prompt(api):
    assert api.generate("sandbox/revises", "a cat").json()["data"][0]["revised_prompt"].startswith("a cat, ")


def test_a_vector_picture(api):
    link = api.client.get(api.generate("sandbox/svg").json()["data"][0]["url"])
    assert link.headers["content-type"] == "image/svg+xml"
    assert link.content.startswith(b"<svg ")


def test_wrong_types(api):
    assert isinstance(api.generate("sandbox/wrong-types").json()["data"], str)


def fetches(api, model: str, times: int) -> list[httpx.Response]:
    url = api.generate(model, size="64x64").json()["data"][0]["url"]
    return [api.client.get(url) for _ in range(times)]


def test_links_that_are_no_good(api):
    assert fetches(api, "sandbox/broken-link", 1)[0].status_code == 404
    assert b"no picture" in fetches(api, "sandbox/not-a-picture", 1)[0].content
    whole = fetches(api, "sandbox/slow-0", 1)[0].content
    cut = fetches(api, "sandbox/truncated-picture", 1)[0]
    assert cut.status_code == 200
    assert len(cut.content) < len(whole)
    assert cut.content[:4] == b"RIFF"
    assert paid(api) == 0.016


def test_a_link_that_works_the_third_time(api):
    assert [answer.status_code for answer in fetches(api, "sandbox/flaky-link", 3)] == [503, 503, 200]
    assert list(api.sandbox.ledger()["fetches"].values()) == [3]


def test_a_slow_link(api):
    assert fetches(api, "sandbox/slow-link", 1)[0].elapsed.total_seconds() >= 2


def test_flaky_for_each_prompt(api):
    answers = [api.generate("sandbox/flaky", prompt).json() for prompt in ("a", "a", "b", "b", "a")]
    assert ["data" in answer for answer in answers] == [False, True, False, True, True]
    assert paid(api) == 0.012


def test_rate_limited_for_each_prompt(api):
    first, second, other = (api.generate("sandbox/rate-limited", prompt) for prompt in ("a", "a", "b"))
    assert (first.status_code, first.headers["retry-after"]) == (429, "1")
    assert (second.status_code, other.status_code) == (200, 429)


@pytest.mark.parametrize(
    ("model", "status", "kind"),
    [
        ("sandbox/always-rate-limited", 429, "rate_limit_error"),
        ("sandbox/daily-limit", 429, "rate_limit_error"),
        ("sandbox/blocked", 403, "access_denied"),
        ("sandbox/server-error", 500, "internal_error"),
    ],
)
def test_refusals(api, model, status, kind):
    answers = [api.generate(model) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {status}
    assert answers[1].json()["error"]["type"] == kind
    assert ("retry-after" in answers[1].headers) == (model == "sandbox/always-rate-limited")
    assert (paid(api), api.last_call()["status"], api.last_call()["http_status"]) == (0, "refused", status)


@pytest.mark.parametrize("status", [502, 503, 504, 520, 521, 522, 523, 524, 525, 526])
def test_proxies(api, status):
    ran = status in (502, 504, 520, 524)
    answer = api.generate(f"sandbox/proxy-{status}")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert f"<h1>{status}</h1>" in answer.text
    assert "ratelimit-limit" not in answer.headers
    call = api.last_call()
    assert (call["status"], call["http_status"]) == ("success" if ran else "refused", status)
    assert paid(api) == (0.004 if ran else 0)


def test_a_proxy_with_nothing_to_say(api):
    answer = api.generate("sandbox/proxy-empty")
    assert (answer.status_code, answer.content, "content-type" in answer.headers) == (502, b"", False)


def test_a_page_instead_of_json(api):
    answer = api.generate("sandbox/not-json")
    assert answer.status_code == 200
    assert answer.text.startswith("<html>")


def test_hanging_up_before_any_answer(api):
    assert api.raw("sandbox/hangs-up") == b""
    call = api.await_call(lambda call: call["status"] == "success")
    assert (call["http_status"], call["client_left"], paid(api)) == (None, False, 0.004)
    with pytest.raises(httpx.RemoteProtocolError):
        api.generate("sandbox/hangs-up")


def test_an_answer_that_is_cut_short(api):
    received = api.raw("sandbox/cut-short")
    assert received.startswith(JSON_200)
    assert b'{"created":' in received
    assert not received.endswith(b"0\r\n\r\n")
    with pytest.raises(httpx.RemoteProtocolError):
        api.generate("sandbox/cut-short")
    assert paid(api) == 0.008
    assert api.sandbox.ledger()["totals"]["clients_left"] == 0


def test_silence(api):
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/silent"))
        api.await_call(lambda call: call["status"] == "success")
        head = connection.recv(65536)
        connection.settimeout(3.5)
        assert head.startswith(JSON_200)
        assert head.endswith(b"\r\n\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert api.await_call(lambda call: call["client_left"])["cost"] == 0.004


def test_a_body_without_end(api):
    received = 0
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/huge"))
        while received < 5_000_000:
            received += len(connection.recv(65536))
    call = api.await_call(lambda call: call["client_left"] and call["status"] == "success")
    assert call["cost"] == 0.004


def test_a_redirect_to_another_host(api):
    answer = api.generate("sandbox/redirect")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("http://localhost:")
    assert paid(api) == 0
    assert api.sandbox.ledger()["authorization_seen_at_links"] is False
    key = {"Authorization": f"Bearer {api.sandbox.rich_key}"}
    api.client.post(answer.headers["location"].replace("localhost", "127.0.0.1"), headers=key)
    assert api.sandbox.ledger()["authorization_seen_at_links"] is True


def test_all_of_them_are_listed_after_the_real_ones(api):
    listed = list(api.client.get("/v1/models").json())
    first = next(place for place, model in enumerate(listed) if model.startswith("sandbox/"))
    assert len(listed) - first > 40
    assert all(model.startswith("sandbox/") for model in listed[first:])


def test_they_take_pictures_and_masks(api, red_png):
    edited = api.edit("sandbox/slow-0", ("image", red_png), ("mask", red_png), output_format="png")
    assert api.picture(edited).size == (96, 64)


def test_all_of_them_are_documented(api):
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    listed = [model["id"] for model in api.client.get("/v3/models").json() if model["id"].startswith("sandbox/")]
    missing = [
        model
        for model in listed
        if f"`{model}`" not in page and f"`-{model.removeprefix('sandbox/proxy-')}`" not in page
    ]
    assert [model for model in missing if not model.startswith(("sandbox/slow-", "sandbox/flaky-"))] == []
