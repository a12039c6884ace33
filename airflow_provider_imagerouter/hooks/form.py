"""The connection form: which fields it shows, and how. Data only; Airflow reads it without importing the hook."""

from __future__ import annotations

from typing import Any

from airflow_provider_imagerouter.hooks.defaults import (
    API_URL,
    CONNECT_TIMEOUT,
    DEFAULT_CONN_ID,
    KEY_LIFETIME,
    READ_TIMEOUT,
    RETRY_TIMEOUT,
)

MANAGEMENT_KEY_FIELD = "management_api_key"
"""The extra's field with the management key; Airflow masks fields whose name has ``api_key`` in it."""


def _seconds(label: str, default: float, description: str) -> dict[str, Any]:
    return {
        "label": label,
        "schema": {"type": ["number", "null"], "minimum": 0},
        "description": f"{description} Default: {default:g}.",
    }


CONNECTION_FIELDS: dict[str, dict[str, Any]] = {
    "default_model": {
        "label": "Default model",
        "schema": {"type": ["string", "null"]},
        "description": "Model id for tasks that name none, e.g. black-forest-labs/FLUX-1-schnell.",
    },
    "connect_timeout": _seconds("Connect timeout", CONNECT_TIMEOUT, "Seconds to wait for a connection."),
    "read_timeout": _seconds(
        "Read timeout",
        READ_TIMEOUT,
        "Seconds of silence after which an answer is given up. It does not limit how long a generation takes.",
    ),
    "retry_timeout": _seconds(
        "Retry timeout", RETRY_TIMEOUT, "Seconds for which a call that surely did not run is tried again."
    ),
    "max_cost_usd": {
        "label": "Budget per task (USD)",
        "schema": {"type": ["number", "null"], "minimum": 0},
        "description": "What a task may spend, unless it says otherwise. Default: no limit.",
    },
    "max_run_cost_usd": {
        "label": "Budget per Dag run (USD)",
        "schema": {"type": ["number", "null"], "minimum": 0},
        "description": "What all tasks of a Dag run may spend together; needs [imagerouter] ledger_path. "
        "Default: no limit.",
    },
    MANAGEMENT_KEY_FIELD: {
        "label": "Management Key",
        "schema": {"type": ["string", "null"], "format": "password"},
        "description": (
            "Makes a key for each attempt of a task, limited to the rest of its budget; "
            "what happened to lost calls is then known."
        ),
    },
    "key_lifetime": _seconds(
        "Lifetime of made keys", KEY_LIFETIME, "Seconds after which a key that was made for an attempt expires."
    ),
}
"""The ``conn-fields`` of the provider info; Airflow keeps them in the connection's extra."""

_PORT_HINT = "443 (without one, Airflow's Test button may answer 400)"

UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["login", "schema", "extra"],
    "relabeling": {"password": "API Key", "host": "Base URL"},
    "placeholders": {"host": API_URL, "port": _PORT_HINT},
}
"""
The ``ui-field-behaviour`` of the provider info.

The port is shown for the Test button of Airflow 3.3.2, which refuses a stored connection that has none: the UI sends 0,
and the API compares that with NULL.
"""

AI_CONNECTION_FIELDS: dict[str, dict[str, Any]] = {
    "model": {
        "label": "Model",
        "schema": {"type": ["string", "null"]},
        "description": "Text model for tasks that name none, e.g. openai/gpt-5-mini.",
    },
    "imagerouter_conn_id": {
        "label": "ImageRouter connection",
        "schema": {"type": ["string", "null"]},
        "description": f"The connection that has the API key. Default: {DEFAULT_CONN_ID}.",
    },
    "fallback_conn_ids": {
        "label": "Fallback connections",
        "schema": {"type": ["array", "null"], "items": {"type": "string"}},
        "description": "Connections of common-ai's types that are asked, in order, while this one fails.",
    },
}
"""The ``conn-fields`` of the connection for text models."""

AI_UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["host", "login", "password", "schema", "extra"],
    "relabeling": {},
    "placeholders": {"port": _PORT_HINT},
}
"""The ``ui-field-behaviour`` of the connection for text models; its port is shown for the Test button only."""
