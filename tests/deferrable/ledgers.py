"""Reading a deferred task's ledger from outside, wherever it is kept."""

from __future__ import annotations

import json
from pathlib import Path

from support.real_airflow import Run


def notes_in_files(folder: Path) -> dict[str, str]:
    """Return all notes of the ledgers below a folder."""
    return {
        str(file): file.read_text() for file in folder.glob(".imagerouter/*/*") if not file.name.startswith((".", "o"))
    }


def notes_in_xcom(run: Run) -> dict[str, str]:
    """Return all notes of the ledgers in a run's XComs."""
    sql = "SELECT value FROM xcom WHERE dag_id = ? AND run_id = ? AND key = 'imagerouter_ledger'"
    notes: dict[str, str] = {}
    for row in run.airflow.query(sql, run.dag_id, run.run_id):
        value = json.loads(row["value"])
        notes |= json.loads(value) if isinstance(value, str) else value
    return {name: text for name, text in notes.items() if not name.startswith("owner-")}


def states(notes: dict[str, str]) -> list[str]:
    """Return the state of each entry: intent, answered, stored …"""
    return sorted(str(json.loads(text)["state"]) for text in notes.values() if text.strip())
