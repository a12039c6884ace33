"""Making keys with a management key, for programs to work on: ``POST /v1/api-keys``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from airflow_provider_imagerouter.api import errors
from airflow_provider_imagerouter.api.books import CREDIT
from airflow_provider_imagerouter.api.call import Call, Reply
from airflow_provider_imagerouter.api.parsing import parse_json
from airflow_provider_imagerouter.api.refusal import refusal_by_status, refusal_in_success

KEY_CHARACTERS = 64
"""How long a key is (ImageRouter's server source, February 2026)."""

LONGEST_NAME = 200
"""Characters of a key's name (ImageRouter's documents, October 2026)."""

_KEY_NAMES = ("key", "apikey", "secret", "token", "value")
_ID_NAMES = ("id", "apikeyid", "keyid", "uuid")


@dataclass(frozen=True)
class MadeKey:
    """
    A key that was just made.

    :param key: the key itself, which ImageRouter shows this once
    :param id: what the books call it; None if the answer did not say
    """

    key: str = field(repr=False)
    id: str | None


def make_key_call(name: str, spend_limit: Decimal | None, expires_at: datetime) -> Call[MadeKey]:
    """
    Return the call that makes a key; it is to be made with a management key.

    :param name: what the books are to call it, :data:`LONGEST_NAME` characters at most
    :param spend_limit: USD that may be spent with it, in its whole life; None for no limit
    :param expires_at: when it stops working
    """
    body = {
        "name": name,
        "spend_limit": None if spend_limit is None else float(max(spend_limit, CREDIT)),  # 0 might be read as no limit
        "spend_limit_period": None,
        "expires_at": expires_at.isoformat(),
    }
    return Call("POST", "/v1/api-keys", read_made_key, json=body, free=True)


def read_made_key(reply: Reply) -> MadeKey:
    """
    Read the answer to the making of a key: find the key and its id wherever they are, since its shape is not known.

    What is in such an answer is in no error: it may be the key.

    :raises ImageRouterResponseError: if the API said no, or no key can be found
    """
    if not 200 <= reply.status_code < 300:
        raise refusal_by_status(reply)
    payload = parse_json(reply.take_body())
    found = _find(payload)
    if found:
        return found
    if isinstance(payload, dict) and payload.get("error"):
        raise refusal_in_success(payload) or errors.ImageRouterServerError("ImageRouter made no key")
    kind = type(payload).__name__ if payload is not None else "no JSON"
    raise errors.ImageRouterServerError(
        f"ImageRouter's answer to the making of a key has no key in it that can be found ({kind})",
        status_code=reply.status_code,
        billed="no",
    )


def _find(payload: Any) -> MadeKey | None:
    """Return the key under the likeliest of its names, in whichever object it is."""
    if isinstance(payload, str) and _is_key(payload):
        return MadeKey(payload, None)
    objects = list(_objects(payload))
    for name in _KEY_NAMES:
        for each in objects:
            key = each.get(name)
            if isinstance(key, str) and _is_key(key):
                return MadeKey(key, _id(each) or next((found for other in objects if (found := _id(other))), None))
    return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects of a JSON value, the outer ones first; their names without case, ``_`` and ``-``."""
    if isinstance(value, Mapping):
        yield {name.lower().replace("_", "").replace("-", ""): each for name, each in value.items()}
    for each in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _objects(each)


def _is_key(text: str) -> bool:
    return len(text) == KEY_CHARACTERS and text.isascii() and text.isprintable() and " " not in text


def _id(value: Mapping[str, Any]) -> str | None:
    found = (value.get(name) for name in _ID_NAMES)
    return next((str(each) for each in found if isinstance(each, int | str) and not isinstance(each, bool)), None)
