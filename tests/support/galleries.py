"""Records as tasks return them, of files that a test has stored."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def link_record(url: str = "https://cdn.example/a.webp", /, **values: Any) -> dict[str, Any]:
    """The record of a picture that exists as a link only."""
    return {
        "uri": url,
        "url": url,
        "path": None,
        "content_type": None,
        "width": None,
        "height": None,
        "duration_seconds": None,
        "size_bytes": None,
        "sha256": None,
        "model": "test/test",
        "prompt": "A red chair",
        "revised_prompt": None,
        "cost_usd": 0.01,
        "unchanged": None,
        "metadata": None,
        "inputs": [],
        "latency_ms": 12,
        "created_at": "2026-11-01T12:00:00Z",
        **values,
    }


def stored_record(content: bytes, path: str | Path, content_type: str = "image/png", **values: Any) -> dict[str, Any]:
    """The record of a stored picture; a local one is stored here."""
    if isinstance(path, Path):
        path.write_bytes(content)
        path = path.as_uri()
    return link_record(
        "",
        **{
            "uri": path,
            "url": None,
            "path": path,
            "content_type": content_type,
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            **values,
        },
    )


def write_xcom(run: Any, task_id: str, value: Any, key: str = "return_value") -> None:
    """Put a value into the database, even one that Airflow's own API would not take."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import text

    where = {"dag": run.dag_id, "run": run.run_id, "task": task_id, "key": key}
    statement = (
        "UPDATE xcom SET value = :value WHERE dag_id = :dag AND run_id = :run AND task_id = :task AND key = :key"
    )
    with create_session(scoped=False) as session:
        XComModel.set(key, "x", dag_id=run.dag_id, task_id=task_id, run_id=run.run_id, session=session)
        session.execute(text(statement), {**where, "value": json.dumps(value)})
