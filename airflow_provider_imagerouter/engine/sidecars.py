"""The file beside a stored picture that says what it is, and what was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import redact

from airflow_provider_imagerouter.api.request import MAX_PROMPT_LENGTH
from airflow_provider_imagerouter.files.locations import is_data, is_link, public

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.request import Request
    from airflow_provider_imagerouter.records import Record

EXTENSION = "json"


def sidecar_name(name: str) -> str:
    """
    Return the name of a picture's sidecar.

    :param name: of the picture's file, or its path
    """
    return f"{name}.{EXTENSION}"


def sidecar(record: Record, request: Request | None) -> bytes:
    """
    Return the content of a picture's sidecar.

    :param record: of the picture
    :param request: what was asked for; None if nothing is known but the record
    """
    parameters = None if request is None else _shown(request)
    told = {**record, "url": public(record["url"]) if record["url"] else None}
    text = json.dumps({"record": told, "request": parameters}, ensure_ascii=False, indent=2, default=str)
    return f"{text}\n".encode("utf-8", "replace")


def _shown(request: Request) -> dict[str, Any]:
    """Return the parameters that were sent; of those that are not ours, without bytes and secrets."""
    others = {name: value for name, value in request.parameters.items() if name not in request.names}
    return request.parameters | {name: redact(_clean(value), name) for name, value in others.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    if isinstance(value, str):
        return _clean_text(value)
    return value


def _clean_text(text: str) -> str:
    if is_data(text) or len(text) > MAX_PROMPT_LENGTH:
        beginning = text.partition(",")[0][:60]
        return f"{beginning}… ({len(text)} characters)"
    return public(text) or "…" if is_link(text) else text
