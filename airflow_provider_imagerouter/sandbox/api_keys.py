"""Makes keys for programs, with limits: what a management key is for."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_imagerouter.sandbox.accounts import PERIODS, Account, ApiKey, credits_for, in_iso
from airflow_provider_imagerouter.sandbox.gate import RefusedError, authenticate
from airflow_provider_imagerouter.sandbox.validation import InvalidParameterError
from airflow_provider_imagerouter.sandbox.wire.answers import error_answer, json_answer
from airflow_provider_imagerouter.sandbox.world import World

LONGEST_NAME = 200


async def create_key(request: Request) -> Response:
    """Answer `POST /v1/api-keys`: the only time that the new key is shown."""
    world: World = request.app.state.world
    try:
        account = authenticate(request, world, management=True).account
        key = _make(account, request.state.json)
    except RefusedError as refused:
        return refused.answer
    except InvalidParameterError as error:
        return error_answer(400, str(error), "invalid_request_error")
    world.keys[key.secret] = key
    shown = {
        "id": key.id,
        "name": key.name,
        "key": key.secret,
        "spend_limit": None if key.spend_limit is None else request.state.json["spend_limit"],
        "spend_limit_period": key.spend_limit_period,
        "expires_at": in_iso(key.expires_at) if key.expires_at else None,
        "created_at": in_iso(key.created_at),
    }
    return json_answer(shown, 201)


def _make(account: Account, body: object) -> ApiKey:
    fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
    name, limit, period = (fields.get(each) for each in ("name", "spend_limit", "spend_limit_period"))
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise InvalidParameterError(f"'name' must be a string of 1 to {LONGEST_NAME} characters")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or limit < 0):
        raise InvalidParameterError("'spend_limit' must be a number of USD or null")
    if period is not None and period not in PERIODS:
        raise InvalidParameterError("'spend_limit_period' must be 'day', 'week', 'month' or null")
    return ApiKey(
        account,
        secrets.token_hex(32),
        name,
        spend_limit=None if limit is None else credits_for(limit),
        spend_limit_period=period,
        expires_at=_future(fields.get("expires_at")),
    )


def _future(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError as error:
        raise InvalidParameterError("'expires_at' must be an ISO 8601 time or null") from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if time <= datetime.now(UTC):
        raise InvalidParameterError("'expires_at' must be in the future")
    return time.astimezone(UTC)
