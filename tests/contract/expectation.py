"""What a line of the contract is made of: what is expected of an answer, and what is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_imagerouter.api.answer import Answer, read_answer
from airflow_provider_imagerouter.api.parsing import shorten
from airflow_provider_imagerouter.api.refusal import refusal_by_status
from airflow_provider_imagerouter.exceptions import ImageRouterError
from contract.server import Answered, Ask, Server

SHOWN = 120
"""How many characters of what was seen are shown."""


class Verdict(StrEnum):
    """What was seen, against what was expected."""

    FITS = "fits"
    CHANGED = "changed"
    """Not what was expected, but the package reads it all the same."""
    DIFFERS = "DIFFERS"
    NOT_SEEN = "not seen"


@dataclass(frozen=True)
class Seen:
    """
    What was seen.

    :param text: in a few words
    :param verdict: whether it is as expected
    """

    text: str
    verdict: Verdict


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
            seen = Seen(str(error) or type(error).__name__, Verdict.DIFFERS)
        text = " ".join(server.clean(seen.text).split())
        return Seen(text if len(text) <= SHOWN else f"{text[:SHOWN]}…", seen.verdict)


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
        return verdict(f"{type_of(value)}, not shown" if self.is_private else shorten(value), fits)


def _is_link(value: Any) -> bool:
    return urlsplit(value).scheme in ("http", "https") and bool(urlsplit(value).hostname)


LINK = Kind("an http(s) link", _is_link)
TEXT_OR_NULL = Kind("a text or null", lambda value: value is None or isinstance(value, str))
USD = Kind("an amount, as text or number", lambda value: Decimal(value).is_finite(), is_private=True)


def verdict(text: str, fits: bool, *, as_ever: bool = True) -> Seen:
    """
    Return what was seen.

    :param text: in a few words
    :param fits: whether the package can do with it
    :param as_ever: whether it is no news
    """
    return Seen(text, Verdict.DIFFERS if not fits else Verdict.FITS if as_ever else Verdict.CHANGED)


def taken(ask: Ask) -> Expectation:
    """Expect that a call is taken, and that all of its answer can be used."""

    def look(server: Server) -> Seen:
        answered = server.ask(ask)
        whole = not read(server, ask).dropped
        found, data = find(answered.payload, "data")
        return verdict(describe(answered), whole, as_ever=found and isinstance(data, list))

    return Expectation("200 with a list `data`", look)


def made(ask: Ask, name: str, kind: Kind, of: Callable[[Answer], Any]) -> Expectation:
    """
    Expect that an answer says something of what was made.

    :param ask: what is answered with it
    :param name: how the API calls it
    :param kind: what it is
    :param of: returns it, as the package reads it
    """

    def look(server: Server) -> Seen:
        answer = read(server, ask)
        seen = kind.see(of(answer))
        if seen.verdict is Verdict.DIFFERS:
            return verdict(f"{seen.text}, in {shorten(server.ask(ask).payload)}", fits=False)
        return seen

    return Expectation(f"`{name}`: {kind.text}", look)


def read(server: Server, ask: Ask) -> Answer:
    """
    Return an answer as the package reads it.

    :raises ImageRouterError: if it is no success
    """
    return server.once((read, ask), lambda: read_answer(server.ask(ask).copy()))


def refusal(
    ask: Ask, status: int, error_type: str, *words: str, kind: type[ImageRouterError] = ImageRouterError
) -> Expectation:
    """
    Expect a refusal that is surely not billed.

    :param ask: what is refused
    :param status: its status
    :param error_type: ``error.type``
    :param words: what ``error.message`` has in it
    :param kind: the error that the package has to raise for it
    """

    def look(server: Server) -> Seen:
        answered = server.ask(ask)
        error = refused(answered)
        fits = isinstance(error, kind) and error.billed == "no" and all(word in str(error) for word in words)
        as_ever = answered.status_code == status and find(answered.payload, "error.type") == (True, error_type)
        return verdict(describe(answered), fits, as_ever=as_ever)

    said = f", with {' and '.join(map(repr, words))} in `error.message`" if words else ""
    return Expectation(f"{status}, `error.type` {error_type}{said}", look)


def refused(answered: Answered) -> ImageRouterError | None:
    """Return the error that an answer is for the package; None if it is none."""
    if not 200 <= answered.status_code < 300:
        return refusal_by_status(answered.copy())
    try:
        read_answer(answered.copy())
    except ImageRouterError as error:
        return error
    return None


def field(ask: Ask, path: str, kind: Kind) -> Expectation:
    """
    Expect a field in the JSON of a 200.

    :param ask: what is answered with it
    :param path: names and indexes, with points between them
    :param kind: what it is
    """

    def look(server: Server) -> Seen:
        answered = server.ask(ask)
        found, value = find(answered.payload, path)
        if answered.status_code != 200 or not found:
            return verdict(f"no `{path}`: {describe(answered)}", fits=False)
        return kind.see(value)

    return Expectation(f"`{path}`: {kind.text}", look)


def header(ask: Ask, name: str, kind: Kind) -> Expectation:
    """Expect a header."""

    def look(server: Server) -> Seen:
        value = server.ask(ask).header(name)
        return kind.see(value) if value is not None else verdict("no such header", fits=False)

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
    _, error = find(answered.payload, "error")
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
