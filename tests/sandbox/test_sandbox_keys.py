"""Keys that programs make for themselves, with limits, and their books."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support.waiting import wait_for

KEYS = "/v1/api-keys"


def mint(api, **more: Any) -> dict[str, Any]:
    answer = api.post(KEYS, api.sandbox.management_key, json={"name": "dag/run/task/-1#1", **more})
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


def books(api) -> dict[str, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {api.sandbox.rich_key}"}
    rows = api.client.get("/v1/credits?by_api_key=true", headers=headers).json()["usage_by_api_key"]
    return {row["api_key_name"]: row for row in rows}


def soon(**more: float) -> str:
    return (datetime.now(UTC) + timedelta(**more)).isoformat()


def test_a_new_key_works_and_has_its_own_books(api):
    key = mint(api)
    assert len(key["key"]) == 64
    assert list(key) == ["id", "name", "key", "spend_limit", "spend_limit_period", "expires_at", "created_at"]
    assert books(api) == {}
    assert api.generate("sandbox/slow-0", key=key["key"]).json()["cost"] == 0.004
    api.generate("sandbox/slow-0")
    found = books(api)
    assert set(found) == {"rich", "dag/run/task/-1#1"}
    assert found["dag/run/task/-1#1"] == {
        "api_key_id": key["id"],
        "api_key_name": "dag/run/task/-1#1",
        "credit_usage": "0.0040",
        "total_requests": 1,
        "created_at": key["created_at"],
        "is_active": True,
        "spend_limit": None,
        "spend_limit_period": None,
        "period_spend": "0.0040",
        "period_start": None,
        "expires_at": None,
    }
    assert api.credits() == "99.9920"
    assert [call["api_key"] for call in api.sandbox.ledger()["calls"]] == ["dag/run/task/-1#1", "rich"]


def test_the_books_know_a_call_the_moment_it_is_accepted(api):
    key = mint(api)["key"]
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/slow-2").replace(api.sandbox.rich_key.encode(), key.encode()))
        api.await_call(lambda call: call["model"] == "sandbox/slow-2")
        row = books(api)["dag/run/task/-1#1"]
        assert (row["total_requests"], row["credit_usage"]) == (1, "0.0100")
        api.await_call(lambda call: call["status"] == "success")
    assert books(api)["dag/run/task/-1#1"]["credit_usage"] == "0.0040"


@pytest.mark.parametrize(
    ("model", "requests", "usage"),
    [
        ("sandbox/fails", 1, "0.0000"),
        ("sandbox/fails-and-bills", 1, "0.0040"),
        ("sandbox/unbooked", 1, "0.0100"),
        ("sandbox/hangs-up", 1, "0.0040"),
    ],
)
def test_what_the_books_say_of_an_end(api, model, requests, usage):
    key = mint(api)["key"]
    try:
        api.generate(model, key=key)
    except httpx.RemoteProtocolError:
        assert model == "sandbox/hangs-up"
    row = books(api)["dag/run/task/-1#1"]
    assert (row["total_requests"], row["credit_usage"]) == (requests, usage)


@pytest.mark.parametrize("model", ["no/such", "sandbox/blocked", "sandbox/server-error", "sandbox/proxy-503"])
def test_a_call_that_was_not_accepted_is_not_in_the_books(api, model):
    api.generate(model, key=mint(api)["key"])
    assert books(api) == {}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, "internal_error"),
        (401, "unauthorized"),
        (402, "payment_required"),
        (403, "access_denied"),
        (429, "rate_limit_error"),
    ],
)
def test_a_key_that_has_spent_its_limit(api, status, kind):
    key = mint(api, spend_limit=0.01)["key"]
    api.sandbox.answer_spent_keys(status)
    assert "data" in api.generate("sandbox/slow-0", key=key).json()
    answer = api.generate("sandbox/slow-0", key=key)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert "retry-after" not in answer.headers
    assert books(api)["dag/run/task/-1#1"]["total_requests"] == 1
    assert api.last_call()["status"] == "refused"
    assert "data" in api.generate("test/test", key=key).json()
    assert "data" in api.generate("sandbox/slow-0").json()


def test_what_is_given_back_can_be_spent_again(api):
    key = mint(api, spend_limit=0.014)["key"]
    assert ["data" in api.generate("sandbox/slow-0", key=key).json() for _ in range(3)] == [True, True, False]
    assert api.generate("sandbox/slow-0", key=key).status_code == 402


def test_limits_by_period(api):
    for period in ("day", "week", "month"):
        key = mint(api, name=period, spend_limit=1.5, spend_limit_period=period)
        assert (key["spend_limit"], key["spend_limit_period"]) == (1.5, period)
        api.generate("sandbox/slow-0", key=key["key"])
    rows = books(api)
    now = datetime.now(UTC)
    assert rows["day"]["period_start"] == f"{now.date()}T00:00:00.000Z"
    assert rows["week"]["period_start"] == f"{now.date() - timedelta(days=now.weekday())}T00:00:00.000Z"
    assert rows["month"]["period_start"] == f"{now.date().replace(day=1)}T00:00:00.000Z"
    assert {row["spend_limit"] for row in rows.values()} == {"1.5000"}
    assert {row["period_spend"] for row in rows.values()} == {"0.0040"}


def test_a_key_expires(api):
    key = mint(api, expires_at=soon(seconds=3))["key"]
    assert "data" in api.generate("sandbox/slow-0", key=key).json()
    assert books(api)["dag/run/task/-1#1"]["is_active"] is True
    wait_for("the key's end", lambda: api.post("/v1/auth/test", key).status_code == 401)
    assert api.generate(key=key).json()["error"]["message"] == "Invalid API key"
    assert books(api)["dag/run/task/-1#1"]["is_active"] is False


def test_a_management_key_does_one_thing(api):
    for method, path in (("POST", "/v1/openai/images/generations"), ("POST", "/v1/auth/test"), ("GET", "/v1/credits")):
        headers = {"Authorization": f"Bearer {api.sandbox.management_key}"}
        assert api.client.request(method, path, headers=headers).status_code == 401


def test_other_keys_make_no_keys(api):
    for key in (api.sandbox.rich_key, mint(api)["key"], "x" * 64):
        answer = api.post(KEYS, key, json={"name": "x"})
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "'name' "),
        ({"name": ""}, "'name' "),
        ({"name": "x" * 201}, "'name' "),
        ({"name": "x", "spend_limit": "1"}, "'spend_limit' "),
        ({"name": "x", "spend_limit": -1}, "'spend_limit' "),
        ({"name": "x", "spend_limit_period": "year"}, "'spend_limit_period' "),
        ({"name": "x", "expires_at": "soon"}, "'expires_at' must be an ISO 8601 time"),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "'expires_at' must be in the future"),
    ],
)
def test_keys_that_cannot_be_made(api, body, message):
    answer = api.post(KEYS, api.sandbox.management_key, json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert answer.json()["error"]["message"].startswith(message)


def test_a_reset_forgets_them(api):
    key = mint(api)["key"]
    api.sandbox.answer_spent_keys(403)
    api.sandbox.reset()
    assert api.post("/v1/auth/test", key).status_code == 401
