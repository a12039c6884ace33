"""Reads query strings as Express does, and numbers in them as JavaScript does."""

from __future__ import annotations

import re
from typing import TypeVar

from starlette.requests import Request

Query = dict[str, "str | list[str] | dict[str, str]"]

_BRACKETED = re.compile(r"([^\[\]]+)\[([^\[\]]*)\](.*)")
_INTEGER = re.compile(r"\s*([+-]?\d+)")

Item = TypeVar("Item")


def read_query(request: Request) -> Query:
    """Read the query parameters: one that comes twice, or as `a[]` or `a[0]`, is a list; `a[b]` is an object."""
    query: Query = {}
    for name, value in request.query_params.multi_items():
        bracketed = _BRACKETED.fullmatch(name)
        if bracketed and bracketed[2] and not bracketed[2].isdecimal():
            query[bracketed[1]] = {bracketed[2]: value}
            continue
        known = query.get(bracketed[1] if bracketed else name)
        if bracketed or known is not None:
            items = known if isinstance(known, list) else [known] if isinstance(known, str) else []
            query[bracketed[1] if bracketed else name] = [*items, value]
        else:
            query[name] = value
    return query


def first(items: list[Item], limit: str | list[str] | dict[str, str]) -> list[Item]:
    """Cut a list as `slice(0, parseInt(limit))` does: -1 leaves out the last, what is no number leaves nothing.

    :param limit: as it came in a query
    """
    number = _INTEGER.match(",".join(limit) if isinstance(limit, list) else "" if isinstance(limit, dict) else limit)
    return items[: int(number[1])] if number else []
