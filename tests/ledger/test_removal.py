"""Old ledgers go, once a day; no other's, and never a task with them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.ledger_attempt import in_files
from support.object_store import URI, ObjectStore

from airflow_provider_imagerouter.ledger.removal import remove_old

NOW = datetime.now(UTC)


def make_ledgers(folder: str) -> None:
    """One that was finished, one that was finished and begun anew, one that was not."""
    for index, names in enumerate([["finished-000001"], ["finished-000001", "finished-000002"], ["journal-000001"]]):
        for name in names:
            in_files(folder, index).write(name, b"0")


def left_of(folder: str) -> list[bool]:
    return [bool(in_files(folder, index).names()) for index in range(3)]


def test_on_a_local_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ledgers(str(tmp_path))
    in_files(tmp_path).leases.write("lease-of-one-that-was-killed", b"{}")
    then = time.time() - 31 * 86400
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "finished-000002":
            os.utime(path, (then, then))
    remove_old(in_files(tmp_path, 9))
    assert left_of(str(tmp_path)) == [False, True, True]
    assert [name.partition("-")[0] for name in in_files(tmp_path).leases.names()] == ["swept"]
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_DAYS", "0")
    remove_old(in_files(tmp_path, 9))
    assert left_of(str(tmp_path)) == [False, True, True]  # once a day


def test_on_s3(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = f"{URI}/out"
    make_ledgers(folder)
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_DAYS", "-1")
    remove_old(in_files(folder, 9))
    assert left_of(folder) == [False, False, True]


def test_it_never_fails_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    place = in_files(tmp_path)
    monkeypatch.setattr(type(place), "read", lambda *_: 1 / 0)
    remove_old(place)
