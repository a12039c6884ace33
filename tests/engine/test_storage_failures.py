"""Disks that are full, storage that cannot be written: what was paid for is not lost, and not paid again."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.object_store import BUCKET, URI

from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterStorageError

ROOM_FOR_AN_INTENT = 36 * 1024
SIZE = "1024x1024"


@pytest.fixture
def attempts(attempts, small_disk):
    attempts.folder = small_disk.folder / "pictures"
    return attempts


def fail(attempt, **arguments):
    with pytest.raises(ImageRouterError) as caught:
        attempt(**arguments)
    return caught.value


def test_on_a_full_disk_nothing_is_paid(attempts, small_disk):
    attempts.folder.mkdir()
    small_disk.fill(free=0)
    error = fail(attempts.generate)
    assert isinstance(error, ImageRouterStorageError)
    assert error.billed == "no"
    assert attempts.totals["calls"] == 0


def test_a_budget_does_not_hang_on_a_full_disk(attempts, small_disk):
    attempts.folder.mkdir()
    small_disk.fill(free=8 * 1024)
    error = fail(attempts.generate, model="sandbox/revises", n=4, max_cost_usd=0.015, prompt="a long prompt" * 100)
    assert isinstance(error, ImageRouterStorageError)
    assert attempts.totals["calls"] == 0


@pytest.mark.parametrize("response_format", ["url", "b64_json", "b64_ephemeral"])
def test_a_disk_that_is_full_after_the_call(attempts, small_disk, response_format):
    arguments = {"size": SIZE, "response_format": response_format}
    attempts.folder.mkdir()
    small_disk.fill(free=ROOM_FOR_AN_INTENT)
    for _ in range(2):
        assert isinstance(fail(attempts.generate, **arguments), ImageRouterStorageError)
    assert attempts.pictures == []
    small_disk.empty()
    (record,) = attempts.generate(**arguments)
    assert attempts.totals["calls"] == 1
    assert attempts.totals["billed_usd"] == record["cost_usd"]
    assert (record["path"], bool(record["url"])) == (attempts.pictures[0].as_uri(), response_format == "url")


def test_a_disk_that_fills_up_during_a_batch(attempts, small_disk):
    requests = [f"cat {number}" for number in range(20)]
    arguments = {"requests": requests, "max_concurrency": 4}
    attempts.folder.mkdir()
    small_disk.fill(free=200 * 1024)
    assert not isinstance(fail(attempts.batch, **arguments), AssertionError)
    paid = attempts.totals["billed_calls"]
    assert paid > 0
    small_disk.empty()
    manifest = attempts.batch(**arguments)
    assert manifest["succeeded"] == len(attempts.pictures) == 20
    assert attempts.calls == dict.fromkeys(requests, 1)


@pytest.mark.parametrize("response_format", ["url", "b64_ephemeral"])
def test_a_disk_that_becomes_read_only_during_the_call(
    attempts, small_disk, caplog, response_format, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    locked = threading.Thread(target=_lock_when_sent, args=(attempts, small_disk))
    locked.start()
    error = fail(attempts.generate, model="sandbox/slow-1", response_format=response_format)
    locked.join()
    small_disk.make_read_only(False)
    assert isinstance(error, ImageRouterStorageError)
    assert "a retry would pay for it again" in str(error)
    if response_format == "url":
        (place,) = attempts.sandbox.ledger()["fetches"]
    else:
        (place,) = tmp_path.glob("imagerouter-*")
    assert str(place) in str(error)


def _lock_when_sent(attempts, disk):
    """Take the journal away from whoever writes it, without which no disk becomes read-only."""
    while not attempts.totals["in_flight"]:
        pass
    for descriptor in Path("/proc/self/fd").iterdir():
        if descriptor.exists() and "journal" in str(descriptor.readlink()):
            readable = os.open(descriptor.readlink(), os.O_RDONLY)
            os.dup2(readable, int(descriptor.name))
            os.close(readable)
    disk.make_read_only()


def test_a_folder_that_cannot_be_made_costs_nothing(attempts, tmp_path):
    (tmp_path / "file").write_text("")
    assert isinstance(fail(attempts.generate, output_path=str(tmp_path / "file" / "folder")), ImageRouterStorageError)
    assert attempts.totals["calls"] == 0


def test_an_object_store_that_fails_after_the_call(attempts, object_store, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", str(tmp_path / "ledger"))
    arguments = {"output_path": f"{URI}/out", "response_format": "b64_ephemeral", "model": "sandbox/slow-1"}
    gone = threading.Thread(target=_remove_bucket_when_sent, args=(attempts, object_store))
    gone.start()
    error = fail(attempts.generate, **arguments)
    gone.join()
    object_store._client.create_bucket(Bucket=BUCKET)
    assert isinstance(error, ImageRouterStorageError)
    (record,) = attempts.generate(**arguments)
    assert record["path"].startswith(f"{URI}/out/")
    assert len(object_store.get(record["path"].removeprefix(f"{URI}/"))) == record["size_bytes"]
    assert attempts.totals["calls"] == 1


def _remove_bucket_when_sent(attempts, object_store):
    while not attempts.totals["in_flight"]:
        pass
    object_store.clear()
    object_store._client.delete_bucket(Bucket=BUCKET)
