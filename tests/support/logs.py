"""What Airflow logged, wherever it put it."""

from __future__ import annotations

import re

import pytest


def logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> str:
    """Return all of it."""
    captured = capfd.readouterr()
    return captured.out + captured.err + caplog.text


def says(log: str, text: str) -> bool:
    """Return whether a text is in a log; Airflow 3.0 colours errors, and wraps them in a frame."""
    return _dense(text) in _dense(log)


def _dense(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m|[\s│╭╮╰╯─]", "", text)
