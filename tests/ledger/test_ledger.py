"""The ledger by itself: who may send, who waits, and what is left."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from support.object_store import URI

from airflow_provider_imagerouter.api.answer import Answer, Picture
from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.ledger.ledger import Entry, Ledger, fingerprint, open_notes
from airflow_provider_imagerouter.ledger.notes import FileNotes, MemoryNotes
from airflow_provider_imagerouter.records import record_of_location

ANSWER = Answer(
    (Picture("https://x/1.webp", None, "a fat cat"),), Decimal("0.004"), 12, datetime(2026, 1, 2, tzinfo=UTC)
)
NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The ledger's clock, which only moves when the test says so."""
    clock = Clock()
    monkeypatch.setattr("airflow_provider_imagerouter.ledger.ledger.time", clock)
    return clock


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "ledger")
    request.getfixturevalue("object_store")
    return f"{URI}/ledger"


def begin(folder: str, lease_seconds: float = 30) -> Ledger:
    """Begin an attempt."""
    ledger = Ledger(FileNotes(folder), lease_seconds)
    ledger.open()
    return ledger


def claim(ledger: Ledger, key: str = "a", price: str | None = None) -> Entry:
    claimed = ledger.claim(ledger.look(key), Decimal(price) if price else None)
    assert claimed
    return claimed


def test_the_states_of_a_request_as_the_next_attempt_finds_them(folder, clock):
    first = begin(folder)
    sent, answered, stored, failed = (claim(first, key) for key in ("sent", "answered", "stored", "failed"))
    first.answered(answered, ANSWER)
    record = record_of_location("s3://bucket/cat.webp")
    first.stored(stored, [record])
    first.ended(failed)
    second = begin(folder)
    states = {key: second.look(key).state for key in ("sent", "answered", "stored", "failed", "other")}
    assert states == {
        "sent": "in flight", "answered": "answered", "stored": "stored", "failed": "free", "other": "free",
    }  # fmt: skip
    assert second.look("answered").answer == ANSWER
    assert second.look("stored").records == (record,)
    clock.now += 31
    assert second.look("sent").state == "orphaned"
    assert second.claim(second.look("sent"), None)
    assert sent.generation + 1 == 2


def test_a_renewed_lease_does_not_end(folder, clock):
    first, second = begin(folder), begin(folder)
    claim(first)
    second = begin(folder)
    for _ in range(3):
        clock.now += 20
        first.renew()
        assert second.look("a").state == "in flight"
    clock.now += 31
    assert second.look("a").state == "orphaned"


def test_what_a_closed_attempt_had_in_flight_is_orphaned_at_once(folder, clock):
    first = begin(folder)
    claim(first)
    first.close()
    first.renew()  # a renewal that was under way
    assert begin(folder).look("a").state == "orphaned"


def test_one_of_two_attempts_gets_a_request_that_both_saw_free(folder, clock):
    first, second = begin(folder), begin(folder)
    free = second.look("a")
    claim(first)
    assert second.claim(free, None) is None
    assert second.look("a").state == "in flight"


def test_one_of_two_attempts_gets_an_orphan(folder, clock):
    claim(begin(folder))
    clock.now += 31
    second, third = begin(folder), begin(folder)
    orphan = third.look("a")
    assert orphan.state == "orphaned"
    claim(second)
    assert third.claim(orphan, None) is None
    assert third.look("a").state == "in flight"


def test_a_late_refusal_does_not_hide_what_another_attempt_made(folder, clock):
    slow = begin(folder)
    late = claim(slow)
    clock.now += 31
    second = begin(folder)
    second.stored(claim(second), [record_of_location("s3://bucket/cat.webp")])
    slow.ended(late)
    assert begin(folder).look("a").state == "stored"


def test_success_removes_all(folder, clock):
    first = begin(folder)
    claim(first)
    first.close()
    second = begin(folder)
    second.stored(claim(second), [])
    second.close()
    Ledger(FileNotes(folder)).forget()
    assert FileNotes(folder).names() == []


def test_success_keeps_what_another_attempt_is_at_work_on(folder, clock):
    first, second = begin(folder), begin(folder)
    second.stored(claim(second), [])
    second.close()
    Ledger(FileNotes(folder)).forget()
    assert first.look("a").state == "free"  # it never looked before, and takes nothing for known
    assert first.claim(first.look("a"), None) is None
    assert first.look("a").state == "stored"


def test_after_a_success_the_entries_are_void_although_a_killed_attempt_seemed_alive(folder, clock):
    begin(folder)  # killed right after
    second = begin(folder)
    second.stored(claim(second), [])
    second.close()
    Ledger(FileNotes(folder)).forget()
    assert begin(folder).look("a").state == "free"


def test_costs_of_all_attempts(folder, clock):
    first = begin(folder)
    claim(first, "in flight", "0.3")
    first.answered(Entry("b", 1, cost=Decimal("0.04")), ANSWER)
    first.stored(Entry("c", 1, cost=Decimal("0.005")), [])
    first.ended(Entry("d", 1, cost=Decimal(0)))
    first.ended(Entry("d", 2, cost=Decimal("0.0006")))
    claim(first, "unknown price")
    assert sum(begin(folder).costs()) == Decimal("0.3456")


@pytest.mark.parametrize(
    ("text", "alive", "dead"), [("", "in flight", "free"), ('{"state": "int', "in flight", "orphaned")]
)
def test_a_note_that_is_not_whole(folder, clock, text, alive, dead):
    FileNotes(folder).create("a.1", text)
    begin(folder)
    second = begin(folder)
    assert second.look("a").state == alive
    clock.now += 31
    assert second.look("a").state == dead
    assert second.costs() == []


def test_an_owner_whose_note_is_empty_is_dead(folder, clock):
    first = begin(folder)
    claim(first)
    notes = FileNotes(folder)
    (owner,) = (name for name in notes.names() if name.startswith("owner-"))
    notes.write(owner, "")
    assert begin(folder).look("a").state == "orphaned"


def test_bytes_go_into_files_only(tmp_path):
    answer = Answer((Picture(None, b"picture", None),), None, None, None)
    for notes, kept in ((FileNotes(str(tmp_path)), b"picture"), (MemoryNotes(), None)):
        ledger = Ledger(notes)
        ledger.open()
        ledger.answered(claim(ledger), answer)
        found = ledger.look("a").answer
        assert found
        assert found.pictures[0].content == kept


def test_fingerprints():
    base = fingerprint({"prompt": "a", "model": "m"}, ["1", "2"], [])
    assert base == fingerprint({"model": "m", "prompt": "a"}, ["1", "2"], [])
    others = [
        fingerprint({"prompt": "b", "model": "m"}, ["1", "2"], []),
        fingerprint({"prompt": "a", "model": "n"}, ["1", "2"], []),
        fingerprint({"prompt": "a", "model": "m", "size": "1x1"}, ["1", "2"], []),
        fingerprint({"prompt": "a", "model": "m"}, ["2", "1"], []),
        fingerprint({"prompt": "a", "model": "m"}, ["1"], ["2"]),
        fingerprint({"prompt": "a", "model": "m"}, [], []),
    ]
    assert len({base, *others}) == 7


def test_where_the_ledger_is_kept(tmp_path, monkeypatch):
    task = Identity("dag", "run", "task", -1)
    places = {}
    places["nowhere"] = open_notes(task, None)
    open_notes(task, str(tmp_path / "out"))
    places["folder"] = [path.name for path in (tmp_path / "out" / ".imagerouter").iterdir()]
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", str(tmp_path / "all"))
    for map_index in (-1, 0, 1):
        open_notes(task._replace(map_index=map_index), str(tmp_path / "other"))
    open_notes(task._replace(run_id="another run"), None)
    places["deployment"] = [path.name for path in (tmp_path / "all").iterdir()]
    assert places["nowhere"] is None
    assert len(places["folder"]) == 1
    assert len(set(places["deployment"])) == 4
    assert not (tmp_path / "other").exists()
