"""Records as tasks return them, of files that a test has stored."""

from __future__ import annotations

import hashlib
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
