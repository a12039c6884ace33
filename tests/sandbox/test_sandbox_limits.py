from __future__ import annotations

import time

import pytest
from sandbox_api import VIDEOS
from support.waiting import wait_for


def send_all(api, requests: list[bytes]) -> list[bytes]:
    """Send requests at once, each over its own connection, and return the answers."""
    connections = [api.connect() for _ in requests]
    for connection, request in zip(connections, requests, strict=True):
        connection.sendall(request)
    answers = []
    for connection in connections:
        received = b""
        while piece := connection.recv(65536):
            received += piece
        connection.close()
        answers.append(received)
    return answers


def send_within_a_second(api, requests: list[bytes]) -> list[bytes]:
    """Send requests at once, as often as it takes for all to fall into one window of the limiters."""
    while True:
        api.sandbox.reset()
        started = time.monotonic()
        answers = send_all(api, requests)
        if time.monotonic() - started < 1:
            return answers


def headers(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


HEALTH = b"GET /health HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n"


def test_twenty_requests_a_second_for_all_routes(api):
    answers = send_within_a_second(api, [HEALTH] * 25)
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429 ")]
    assert len(refused) == 5
    assert refused[0].endswith(
        b'{"error":{"message":"Too many requests, please try again later.","type":"rate_limit_error"}}'
    )
    found = headers(refused[0])
    assert found["content-type"] == "application/json; charset=utf-8"
    assert (found["retry-after"], found["ratelimit-policy"]) == ("1", "20;w=1")
    assert [found[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")] == ["20", "0", "1"]
    wait_for("the next second", lambda: api.client.get("/health").status_code == 200)


def test_remaining_counts_down(api):
    left = [api.client.get("/health").headers["ratelimit-remaining"] for _ in range(3)]
    assert left == ["19", "18", "17"]


def test_broken_json_is_answered_before_the_limit(api):
    answer = api.client.post("/health", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 500
    assert "ratelimit-limit" not in answer.headers


@pytest.mark.parametrize(("key", "limit"), [("rich_key", "100"), ("nearly_empty_key", "6"), ("empty_key", "6")])
def test_a_key_may_send_as_much_as_its_balance_allows(api, key, limit):
    answer = api.generate(key=getattr(api.sandbox, key))
    assert answer.headers["ratelimit-policy"] == f"{limit};w=1"
    assert answer.headers["ratelimit-remaining"] == str(int(limit) - 1)


@pytest.mark.parametrize(("key", "limit"), [("rich_key", "16"), ("empty_key", "1")])
def test_videos_have_a_limit_of_their_own(api, key, limit):
    api.generate(key=getattr(api.sandbox, key))
    answer = api.generate("ir/test-video", path=VIDEOS, key=getattr(api.sandbox, key))
    assert answer.headers["ratelimit-policy"] == f"{limit};w=1"
    assert answer.headers["ratelimit-remaining"] == str(int(limit) - 1)


def test_more_than_a_key_may(api):
    request = api.request("test/test").replace(api.sandbox.rich_key.encode(), api.sandbox.empty_key.encode())
    answers = send_within_a_second(api, [request] * 8)
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429 ")]
    assert len(refused) == 2
    assert b"API key rate limit exceeded, please try again later." in refused[0]
    assert (headers(refused[0])["retry-after"], headers(refused[0])["ratelimit-policy"]) == ("1", "6;w=1")
    totals = api.sandbox.ledger()["totals"]
    assert (totals["calls"], totals["refused"], totals["succeeded"]) == (8, 2, 6)


def test_fifty_free_calls_a_day(api):
    body = {"model": "black-forest-labs/FLUX-1-schnell:free", "prompt": "x", "size": "16x16"}
    answers = []
    while len(answers) < 51:
        answer = api.post(json=body)
        if "retry-after" in answer.headers:
            time.sleep(0.05)
        else:
            answers.append(answer)
    assert {answer.status_code for answer in answers[:50]} == {200}
    assert answers[50].status_code == 429
    assert answers[50].json()["error"] == {
        "message": "Daily limit of 50 free requests reached. There is no limit on paid models, so you can continue by "
        'removing ":free" from the model name.',
        "type": "rate_limit_error",
    }
