"""What the API says of keys: the answer that has a new one in it, and the books."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_imagerouter.api.books import Books, get_books_call
from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.api.keys import MadeKey, make_key_call
from airflow_provider_imagerouter.exceptions import ImageRouterAuthenticationError, ImageRouterError

KEY = "made-".ljust(64, "5")
EXPIRES = datetime(2026, 12, 1, tzinfo=UTC)


def made(body: Any, status: int = 201) -> MadeKey:
    text = body if isinstance(body, str) else json.dumps(body)
    return make_key_call("a", None, EXPIRES).result(Reply(status, {}, text.encode()))


@pytest.mark.parametrize(
    ("body", "key_id"),
    [
        ({"id": "k1", "name": "a", "key": KEY}, "k1"),
        ({"id": 7, "key": KEY}, "7"),
        ({"api_key": KEY, "api_key_id": "k1"}, "k1"),
        ({"apiKey": KEY}, None),
        ({"data": {"id": "k1", "attributes": {"secret": KEY}}}, "k1"),
        ({"api_key": {"id": "k1", "key": KEY, "keyHash": "0" * 64}}, "k1"),
        ({"success": True, "user": {"id": "u1"}, "created": [{"id": "k1", "token": KEY}]}, "k1"),
        (json.dumps(KEY), None),
    ],
)
def test_a_made_key_is_found_wherever_it_is(body: Any, key_id: str | None) -> None:
    assert made(body) == MadeKey(KEY, key_id)


@pytest.mark.parametrize(
    "body", [{}, [], "", "no", {"key": "sk-…5555"}, {"id": KEY}, {"hash": KEY}, {"kye": KEY}, f"<{KEY}"]
)
def test_where_there_is_no_key_the_error_shows_nothing_of_the_answer(body: Any) -> None:
    with pytest.raises(ImageRouterError, match="no key in it") as caught:
        made(body)
    assert caught.value.billed == "no"
    assert "5555" not in str(caught.value)


def test_a_refusal_is_a_refusal() -> None:
    with pytest.raises(ImageRouterAuthenticationError):
        made({"error": {"message": "Invalid API key", "type": "unauthorized"}}, 401)
    with pytest.raises(ImageRouterError, match="too many keys"):
        made({"error": {"message": "too many keys", "type": "internal_error"}}, 200)


def test_what_is_sent() -> None:
    call = make_key_call("dag/run/task/-1#1", Decimal("0.25"), EXPIRES)
    assert (call.method, call.path, call.is_free) == ("POST", "/v1/api-keys", True)
    assert call.json == {
        "name": "dag/run/task/-1#1",
        "spend_limit": 0.25,
        "spend_limit_period": None,
        "expires_at": "2026-12-01T00:00:00+00:00",
    }
    assert make_key_call("a", Decimal(0), EXPIRES).json["spend_limit"] == 0.0001  # 0 may be read as no limit


def books(rows: Any, **more: Any) -> Books:
    body = {"remaining_credits": "1.0000", "usage_by_api_key": rows, **more}
    return get_books_call().result(Reply(200, {}, json.dumps(body).encode()))


def row(key_id: Any, name: str | None, requests: Any = 1, usage: Any = "0.0040") -> dict[str, Any]:
    return {"api_key_id": key_id, "api_key_name": name, "total_requests": requests, "credit_usage": usage}


def test_a_key_is_found_by_its_id_and_else_by_its_name() -> None:
    found = books([row("k1", "a"), row("k2", "a", 2, "0.0100"), row(3, "b", "4", 0.5)])
    assert (found.of("a", "k2").requests, found.of("a", "k2").spent) == (2, Decimal("0.0100"))
    assert (found.of("a", None).requests, found.of("a", None).spent) == (3, Decimal("0.0140"))
    assert (found.of("b", "3").requests, found.of("b", "k9").spent) == (4, Decimal("0.5"))


def test_a_key_that_is_not_there_was_never_used_unless_an_entry_is_none() -> None:
    assert (books([]).of("a", "k1").requests, books([]).of("a", "k1").spent) == (0, 0)
    for odd in (None, 5, [], {}, {"api_key_name": None}):
        assert books([odd]).of("a", "k1").spent is None


@pytest.mark.parametrize("usage", [None, "", "much", -1, "-0.1", True, [], {}, "NaN", "Infinity", 10**400, "1e999999"])
def test_an_amount_that_makes_no_sense_is_unknown(usage: Any) -> None:
    assert books([row("k1", "a", usage=usage)]).of("a", "k1").spent is None
    assert books([row("k1", "a", requests=usage)]).of("a", "k1").requests is None


def test_books_by_id() -> None:
    assert books({"k1": {"api_key_name": "a", "credit_usage": "0.1"}}).of("a", "k1").spent == Decimal("0.1")


@pytest.mark.parametrize("rows", [None, "none", 0, True])
def test_no_books_are_an_error(rows: Any) -> None:
    with pytest.raises(ImageRouterError, match="makes no sense"):
        books(rows)


def test_what_no_key_of_the_books_spent() -> None:
    assert books([row("k1", "a")], credit_usage="0.0140").hidden == Decimal("0.0100")
    assert books([row("k1", "a")], credit_usage="0.0040").hidden == 0
    assert books([row("k1", "a")], credit_usage="?").hidden == 0
