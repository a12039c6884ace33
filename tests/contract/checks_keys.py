"""Management keys, and the books of the keys that they make; only where there is one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_imagerouter.api.books import read_books
from airflow_provider_imagerouter.exceptions import ImageRouterAuthenticationError
from contract.expectation import (
    USD,
    Check,
    Expectation,
    Kind,
    Seen,
    describe,
    refusal,
    taken,
    verdict,
)
from contract.server import API_KEYS, IMAGES, TEST_IMAGE, Ask, Server

NAME = f"airflow-provider-imagerouter contract {datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
ORDER = {
    "name": NAME,
    "spend_limit": 0.01,
    "spend_limit_period": None,
    "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds"),
}

MADE = Ask("POST", API_KEYS, key="management", json=ORDER)
REFUSED = Ask("POST", API_KEYS, json=ORDER)
USED = Ask("POST", IMAGES, key="minted", json={"model": TEST_IMAGE, "prompt": "contract"})
MISUSED = Ask("POST", IMAGES, key="management", json={"model": TEST_IMAGE, "prompt": "contract"})
BOOKS = Ask("GET", "/v1/credits?by_api_key=true")
BOOKS_OF_MADE = Ask("GET", "/v1/credits?by_api_key=true", key="minted")

ID = Kind("a text", lambda value: isinstance(value, str) and bool(value), is_private=True)
AMOUNT_OR_NULL = Kind("an amount or null", lambda value: value is None or USD.includes(value))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
TIME = Kind("a time, or null", lambda value: value is None or bool(datetime.fromisoformat(value)))
ONCE = Kind("1", lambda value: int(value) == 1)
NAUGHT = Kind("0", lambda value: USD.includes(value) and float(value) == 0)


def _made(server: Server) -> Seen:
    answered = server.ask(MADE)
    return verdict(describe(answered), server.has_made_a_key)


def _row(ask: Ask, name: str, kind: Kind) -> Expectation:
    """Expect a field in the books of the key that was made."""

    def look(server: Server) -> Seen:
        server.ask(USED)
        row = _books(server, ask)
        if row is None:
            return verdict("no row of that name", fits=False)
        return kind.see(row[name]) if name in row else verdict(f"only {', '.join(row)}", fits=False)

    return Expectation(f"`usage_by_api_key[].{name}`: {kind.text}", look)


def _can_be_read(server: Server) -> Seen:
    server.ask(USED)
    books = read_books(server.ask(BOOKS).copy()).of(NAME, None)
    return verdict(f"{books.requests} call(s), ${books.spent}", books.requests == 1 and books.spent == 0)


def _books(server: Server, ask: Ask) -> dict[str, Any] | None:
    payload = server.ask(ask).payload
    rows = payload.get("usage_by_api_key") if isinstance(payload, dict) else None
    if not isinstance(rows, list):
        return None
    return next((row for row in rows if isinstance(row, dict) and row.get("api_key_name") == NAME), None)


_MINTING = "With a management key, no task can work on a key of its own"
_SETTLING = "Orphans are not settled by the books: `on_orphaned_intent` decides without knowing what was billed"

CHECKS = (
    Check("a management key makes a key", Expectation("a new key, shown in the answer", _made), _MINTING),
    Check("the new key makes a picture", taken(USED), _MINTING),
    Check(
        "another key makes no keys",
        refusal(REFUSED, 401, "unauthorized", kind=ImageRouterAuthenticationError),
        "A connection whose management key is a plain one is not told so",
    ),
    Check(
        "a management key makes no pictures",
        refusal(MISUSED, 401, "unauthorized", kind=ImageRouterAuthenticationError),
        "A connection whose API key is a management key is not told so",
    ),
    Check("books: which key", _row(BOOKS, "api_key_id", ID), _SETTLING),
    Check("books: what it spent", _row(BOOKS, "credit_usage", NAUGHT), _SETTLING),
    Check("books: how many calls", _row(BOOKS, "total_requests", ONCE), _SETTLING),
    Check("books: for this package", Expectation("1 call, $0", _can_be_read), _SETTLING),
    Check(
        "books: its limit", _row(BOOKS, "spend_limit", AMOUNT_OR_NULL), "The limit of a task's key cannot be checked"
    ),
    Check("books: until when", _row(BOOKS, "expires_at", TIME), "The end of a task's key cannot be checked"),
    Check("books: since when", _row(BOOKS, "created_at", TIME), "`airflow imagerouter spending --since` finds nothing"),
    Check("books, read with the new key", _row(BOOKS_OF_MADE, "total_requests", ONCE), _SETTLING),
)
