"""What a line of the contract is made of: what is expected of an answer, and what is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_imagerouter.api.parsing import decode_base64, shorten
from contract.server import Answered, Ask, Server

SHOWN = 120
"""How many characters of what was seen are shown."""


@dataclass(frozen=True)
class Seen:
    """
    What was seen.

    :param text: in a few words
    :param fits: whether it is as expected; None if that could not be seen
    """

    text: str
    fits: bool | None


@dataclass(frozen=True)
class Expectation:
    """
    What is expected.

    :param text: in a few words
    :param look: returns what is seen
    """

    text: str
    look: Callable[[Server], Seen]


@dataclass(frozen=True)
class Check:
    """
    One line of the contract.

    :param name: what is looked at
    :param expected: what the package relies on
    :param breaks: what goes wrong for users of the package where it is otherwise
    """

    name: str
    expected: Expectation
    breaks: str

    def run(self, server: Server) -> Seen:
        """Return what is seen, whatever the server does."""
        try:
            seen = self.expected.look(server)
        except Exception as error:  # what answers nonsense is to be reported, too
            seen = Seen(str(error) or type(error).__name__, False)
        text = " ".join(server.clean(seen.text).split())
        return Seen(text if len(text) <= SHOWN else f"{text[:SHOWN]}…", seen.fits)


@dataclass(frozen=True)
class Kind:
    """
    A kind of value.

    :param text: what it is
    :param includes: whether a value is one; an error means that it is none
    :param is_private: show no values of it
    """

    text: str
    includes: Callable[[Any], bool]
    is_private: bool = False

    def see(self, value: Any) -> Seen:
        """Return what is seen in a value."""
        try:
            fits = self.includes(value)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            fits = False
        shown = f"{type_of(value)}, not shown" if self.is_private else shorten(value)
        return Seen(shown, fits)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_link(value: Any) -> bool:
    return urlsplit(value).scheme in ("http", "https") and bool(urlsplit(value).hostname)


NUMBER = Kind("a number", _is_number)
ZERO = Kind("the number 0", lambda value: _is_number(value) and value == 0)
TEXT = Kind("a text", lambda value: isinstance(value, str) and bool(value))
TEXT_OR_NULL = Kind("a text or null", lambda value: value is None or isinstance(value, str))
LINK = Kind("an http(s) link", _is_link)
BASE64 = Kind("base64", lambda value: bool(decode_base64(value)), is_private=True)
ONE = Kind("a list with one item", lambda value: isinstance(value, list) and len(value) == 1)
USD = Kind("an amount, as text or number", lambda value: Decimal(value).is_finite(), is_private=True)


def taken(ask: Ask) -> Expectation:
    """Expect that a call is taken, and something made."""

    def look(server: Server) -> Seen:
        answered = server.ask(ask)
        found, data = find(answered.payload, "data")
        return Seen(describe(answered), answered.status_code == 200 and found and isinstance(data, list) and bool(data))

    return Expectation("200 with `data`", look)


def refusal(ask: Ask, status: int, error_type: str, *words: str) -> Expectation:
    """
    Expect a refusal.

    :param ask: what is refused
    :param status: its status
    :param error_type: ``error.type``
    :param words: what ``error.message`` has in it
    """

    def look(server: Server) -> Seen:
        answered = server.ask(ask)
        error = answered.payload["error"] if _has(answered.payload, "error") else {}
        message = str(error.get("message")) if isinstance(error, dict) else ""
        fits = answered.status_code == status and _has(error, "type") and error["type"] == error_type
        return Seen(describe(answered), fits and all(word in message for word in words))

    said = f", with {' and '.join(map(repr, words))} in `error.message`" if words else ""
    return Expectation(f"{status}, `error.type` {error_type}{said}", look)


def field(ask: Ask, path: str, kind: Kind) -> Expectation:
    """
    Expect a field in the JSON of a 200.

    :param ask: what is answered with it
    :param path: names and indexes, with points between them
    :param kind: what it is
    """

    def look(server: Server) -> Seen:
        answered = server.ask(ask)
        if answered.status_code != 200:
            return Seen(describe(answered), False)
        found, value = find(answered.payload, path)
        return kind.see(value) if found else Seen(f"no `{path}` in {outline(answered)}", False)

    return Expectation(f"`{path}`: {kind.text}", look)


def header(ask: Ask, name: str, kind: Kind) -> Expectation:
    """Expect a header."""

    def look(server: Server) -> Seen:
        value = server.ask(ask).header(name)
        return kind.see(value) if value is not None else Seen("no such header", False)

    return Expectation(f"`{name}`: {kind.text}", look)


def find(value: Any, path: str) -> tuple[bool, Any]:
    """Return whether there is something at a path, and what."""
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return False, None
    return True, value


def describe(answered: Answered) -> str:
    """Say in a few words what an answer is, and nothing that is the account's own."""
    error = answered.payload["error"] if _has(answered.payload, "error") else None
    if isinstance(error, dict):
        return f"{answered.status_code}, {error.get('type')}: {shorten(error.get('message'))}"
    return f"{answered.status_code}, {outline(answered)}"


def outline(answered: Answered) -> str:
    """Name what a JSON answer has, or show how another begins."""
    value = answered.payload
    if isinstance(value, dict):
        return "an object with " + ", ".join(map(str, list(value)[:12])) + (", …" if len(value) > 12 else "")
    if isinstance(value, list):
        return f"an array of {len(value)}"
    return "no JSON: " + (shorten(answered.body[:200].decode("utf-8", "replace")) or "nothing")


def type_of(value: Any) -> str:
    """Return JSON's name of a value's type."""
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _has(value: Any, name: str) -> bool:
    return isinstance(value, dict) and name in value
