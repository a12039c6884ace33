"""The gallery's pages: what they show of what tasks left."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.needs_airflow("3.1.1")


def record(**values):
    return {
        "uri": "https://cdn.example/a.webp",
        "url": "https://cdn.example/a.webp",
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
        "latency_ms": 12,
        "created_at": "2026-11-01T12:00:00Z",
        **values,
    }


def test_a_page(gallery, left):
    run = left(poster=[record()], other=3)
    answer = gallery.task(run, "poster")
    assert "A red chair" in answer.text
