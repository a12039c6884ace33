"""Reading ledgers from outside, wherever they are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.real_airflow import Run

Note = dict[str, Any]

STATES = ("intent", "answered", "ended", "stored")


def notes_in_files(folder: Path) -> list[Note]:
    """Return the lines of all journals below a folder, in order."""
    return _read(journal.read_bytes() for journal in sorted(folder.glob(".imagerouter/*/journal-*")))


def notes_in_xcom(run: Run) -> list[Note]:
    """Return the lines of all journals in a run's XComs."""
    sql = "SELECT value FROM xcom WHERE dag_id = ? AND run_id = ? AND key = 'imagerouter_ledger'"
    journals = []
    for row in run.airflow.query(sql, run.dag_id, run.run_id):
        value = json.loads(row["value"])
        document = json.loads(value) if isinstance(value, str) else value
        journals += [text.encode() for name, text in sorted(document.items()) if name.startswith("journal-")]
    return _read(journals)


def states(notes: list[Note]) -> dict[tuple[str, int], str]:
    """Return the state of each call: by the key of its request, and how often that was sent before."""
    found: dict[tuple[str, int], str] = {}
    sent: dict[str, int] = {}
    for note in notes:
        for state in STATES:
            if state in note:
                key = note[state]
                sent[key] = sent.get(key, -1) + (state == "intent")
                found[key, sent[key]] = state
    return found


def count(notes: list[Note], state: str) -> int:
    """Return how many calls are in a state."""
    return list(states(notes).values()).count(state)


def _read(journals: Iterable[bytes]) -> list[Note]:
    lines = (line.strip(b"\0") for journal in journals for line in journal.splitlines())
    return [json.loads(line) for line in lines if line.endswith(b"}")]
