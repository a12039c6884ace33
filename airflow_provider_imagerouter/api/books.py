"""The account's books: what each of its keys was asked and spent, ``GET /v1/credits?by_api_key=true``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from airflow_provider_imagerouter.api.call import Call, Reply
from airflow_provider_imagerouter.api.parsing import shorten
from airflow_provider_imagerouter.api.reply import read_json_object, senseless

log = logging.getLogger(__name__)


CREDIT = Decimal("0.0001")
"""USD; what the API bills in: nothing that is billed costs less."""

MOST = 10**12
"""Amounts from here on make no sense."""


@dataclass(frozen=True)
class KeyBooks:
    """
    What the books say of one key. A call is entered the moment it is accepted, with its highest price; that is
    corrected when it ends, and given back when it fails (ImageRouter's server source, February 2026).

    :param id: of the key
    :param name: of the key
    :param requests: how many calls were accepted, failed ones among them; None if that is not said
    :param spent: USD, what was taken for them; None if it cannot be read
    :param created_at: when the key was made, UTC; None if that is not said
    """

    id: str | None
    name: str | None
    requests: int | None
    spent: Decimal | None
    created_at: datetime | None = None


NEVER_USED = KeyBooks(None, None, 0, Decimal(0))
"""What the books say of a key that they do not have."""


@dataclass(frozen=True)
class Books:
    """
    The books of an account.

    :param keys: those that were used
    :param used: USD, what the whole account spent; None if that is not said
    :param is_whole: whether each entry could be read as one of a key
    """

    keys: tuple[KeyBooks, ...]
    used: Decimal | None
    is_whole: bool = True

    def of(self, name: str, key_id: str | None) -> KeyBooks:
        """
        Return what the books say of a key; of several with its name all together, if its id is not known.

        A key that was never used is not in the books (February 2026).

        :param name: of the key
        :param key_id: its id, if that is known
        """
        found = [key for key in self.keys if key_id is not None and key.id == key_id]
        found = found or [key for key in self.keys if key.name == name]
        if not found:
            return NEVER_USED if self.is_whole else KeyBooks(key_id, name, None, None)
        requests = [key.requests for key in found]
        spent = [key.spent for key in found]
        return KeyBooks(
            key_id or found[0].id,
            name,
            None if None in requests else sum(filter(None, requests)),
            None if None in spent else sum(filter(None, spent), Decimal(0)),
            found[0].created_at,
        )

    @property
    def hidden(self) -> Decimal:
        """USD that the account spent, but none of these keys: books that show only some of the keys."""
        if self.used is None:
            return Decimal(0)
        return max(Decimal(0), self.used - sum((key.spent or Decimal(0) for key in self.keys), Decimal(0)))


def get_books_call() -> Call[Books]:
    """Return the call that asks for the books."""
    return Call("GET", "/v1/credits", read_books, params={"by_api_key": "true"})


def read_books(reply: Reply) -> Books:
    """
    Read the books; what cannot be read of them is unknown.

    :raises ImageRouterResponseError: if the API said no, or there are no books in the reply
    """
    payload = read_json_object(reply)
    rows = payload.get("usage_by_api_key")
    if isinstance(rows, Mapping):
        rows = [{"api_key_id": key_id, **row} if isinstance(row, Mapping) else row for key_id, row in rows.items()]
    if not isinstance(rows, list):
        raise senseless("ImageRouter's word on what each key spent", payload)
    keys = [_read_key(row) for row in rows]
    known = tuple(key for key in keys if key)
    if len(known) < len(keys):
        log.warning("%d entries of ImageRouter's books make no sense: %s", len(keys) - len(known), shorten(rows))
    return Books(known, _usd(payload.get("credit_usage")), is_whole=len(known) == len(keys))


def _read_key(row: Any) -> KeyBooks | None:
    if not isinstance(row, Mapping):
        return None
    key_id, name = (
        _text(row.get(long, row.get(short))) for long, short in (("api_key_id", "id"), ("api_key_name", "name"))
    )
    if key_id is None and name is None:
        return None
    requests = _usd(row.get("total_requests"))
    return KeyBooks(
        key_id,
        name,
        None if requests is None else int(requests),
        _usd(row.get("credit_usage")),
        _time(row.get("created_at")),
    )


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) and value != "" else None


def _usd(value: Any) -> Decimal | None:
    """Read an amount; the API sends strings (February 2026)."""
    try:
        amount = Decimal(value.strip() if isinstance(value, str) else value)
    except (AttributeError, InvalidOperation, TypeError, ValueError):
        return None
    return amount if amount.is_finite() and 0 <= amount < MOST and not isinstance(value, bool) else None


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
