"""A picture that was made and stored, and then could not be booked, is found under its id."""

from __future__ import annotations

import json

import pytest
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.api.request import ImageRequest, VideoRequest
from airflow_provider_imagerouter.engine import unbooked
from airflow_provider_imagerouter.exceptions import (
    ImageRouterError,
    ImageRouterOrphanedIntentError,
    ImageRouterServerError,
)
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
from airflow_provider_imagerouter.sandbox.keys import MANAGEMENT_KEY


@pytest.mark.parametrize("output_format", [None, "png", "jpeg", "webp"])
def test_it_is_stored_and_paid_once(attempts, caplog, output_format):
    (record,) = attempts.generate(model="sandbox/unbooked", output_format=output_format)
    assert (record["model"], record["cost_usd"]) == ("sandbox/unbooked", None)
    assert record["size_bytes"] == attempts.pictures[0].stat().st_size
    assert "could not book it; it was found at" in caplog.text
    assert attempts.generate(model="sandbox/unbooked", output_format=output_format) == [record]
    assert attempts.totals["calls"] == 1


def test_without_an_output_path_its_link_is_passed_on(attempts):
    (record,) = attempts.generate(model="sandbox/unbooked", output_path=None)
    assert record["url"].startswith(f"{attempts.sandbox.url}/storage/")


def test_in_a_batch(attempts):
    manifest = attempts.batch(["a cat", {"prompt": "a dog", "model": "sandbox/unbooked"}])
    assert (manifest["succeeded"], manifest["pictures"]) == (2, 2)


def test_what_is_not_stored_is_not_looked_for(attempts):
    with pytest.raises(ImageRouterServerError, match="Failed to postlog usage"):
        attempts.generate(model="sandbox/unbooked", response_format="b64_ephemeral")
    assert attempts.sandbox.ledger()["fetches"] == {}


def test_where_it_is_not_there_the_bill_is_unknown_and_a_later_attempt_looks_again(attempts, monkeypatch):
    with pytest.raises(ImageRouterServerError, match="Failed to postlog usage") as caught:
        attempts.generate(model="sandbox/unbooked-lost")
    assert caught.value.billed == "unknown"
    with pytest.raises(ImageRouterOrphanedIntentError):
        attempts.generate(model="sandbox/unbooked-lost", on_orphaned_intent="fail")
    assert attempts.totals["calls"] == 1

    with monkeypatch.context() as patch:  # storage was away when it was looked for
        patch.setattr(unbooked, "EXTENSIONS", {"image": ()})
        with pytest.raises(ImageRouterServerError):
            attempts.generate(model="sandbox/unbooked", prompt="a dog")
    (record,) = attempts.generate(model="sandbox/unbooked", prompt="a dog", on_orphaned_intent="fail")
    assert record["path"] == attempts.pictures[0].as_uri()
    assert attempts.totals["calls"] == 2


def test_the_books_say_what_it_cost(attempts, set_extra, monkeypatch):
    """Its highest price is kept; but it is known to have ended, so that nobody waits for it."""
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "1")
    set_extra(management_api_key=MANAGEMENT_KEY)
    with monkeypatch.context() as patch:
        patch.setattr(unbooked, "EXTENSIONS", {"image": ()})
        with pytest.raises(ImageRouterServerError):
            attempts.generate(model="sandbox/unbooked")
    (record,) = attempts.generate(model="sandbox/unbooked", on_orphaned_intent="resubmit_unbilled")
    assert record["cost_usd"] == 0.01
    with pytest.raises(ImageRouterServerError):
        attempts.generate(model="sandbox/unbooked-lost")
    with pytest.raises(ImageRouterOrphanedIntentError, match=r"\$0.0100 were billed for it"):
        attempts.generate(model="sandbox/unbooked-lost", on_orphaned_intent="resubmit_unbilled")


SETTINGS = ConnectionSettings("http://127.0.0.1:9", "x" * 64)
REQUEST = ImageRequest(model="a/b", prompt="a cat")


async def tried(monkeypatch, settings, request=REQUEST, other_link=None):
    links = []

    async def refuse(link, _):
        links.append(link)
        raise unbooked.ReadError("no", status_code=404)

    monkeypatch.setattr(unbooked, "_check", refuse)
    assert await unbooked.find_file("5f1c-1234", request, other_link, settings) is None
    return links


async def test_where_it_is_looked_for(monkeypatch):
    live = ConnectionSettings("https://api.imagerouter.io", "x" * 64)
    of_storage = [f"https://storage.imagerouter.io/5f1c-1234.{each}" for each in ("webp", "png", "jpeg", "jpg", "svg")]
    assert await tried(monkeypatch, live) == of_storage
    found = await tried(monkeypatch, live, other_link="https://cdn.invalid/a/0a1b2c3d-4.webp")
    assert (
        found
        == [f"https://cdn.invalid/a/5f1c-1234.{each}" for each in ("webp", "png", "jpeg", "jpg", "svg")] + of_storage
    )
    jpeg = ImageRequest(model="a/b", prompt="a cat", output_format="jpg")
    assert [link[-4:] for link in await tried(monkeypatch, live, jpeg)][:2] == ["jpeg", ".jpg"]
    film = VideoRequest(model="a/b", prompt="a cat")
    assert await tried(monkeypatch, live, film) == ["https://storage.imagerouter.io/5f1c-1234.mp4"]
    assert {link[:29] for link in await tried(monkeypatch, SETTINGS)} == {"http://127.0.0.1:9/storage/5f"}


@pytest.mark.parametrize(
    ("message", "file_id"),
    [
        ("ImageRouter failed: Failed to postlog usage for a/b 5f1c-1234", "5f1c-1234"),
        ("ImageRouter failed: Failed to postlog usage for a/b 5f1c-1234.", "5f1c-1234"),
        ("ImageRouter failed: Failed to postlog usage for a/b ../../secret", None),
        ("ImageRouter failed: Failed to postlog usage for a/b", None),
        ("ImageRouter failed", None),
    ],
)
def test_an_id_is_an_id(message, file_id):
    assert unbooked.stored_id(ImageRouterError(message)) == file_id


def test_only_links_to_storage_lead_there():
    assert unbooked.is_stored_link("https://storage.imagerouter.io/0a1b2c3d-4e5f.webp")
    assert not unbooked.is_stored_link("https://storage.imagerouter.io/test/auto.png")
    assert not unbooked.is_stored_link("https://storage.imagerouter.io/")


async def test_what_is_no_picture_is_not_it(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with RawServer(answer("<html>everything is fine</html>")) as server:
        settings = ConnectionSettings(server.url, "x" * 64)
        assert await unbooked.find_file("5f1c-1234", REQUEST, None, settings) is None
        assert len(server.requests) >= 1
        assert b"xxxx" not in b"".join(server.requests)


def test_the_ledger_has_the_id(attempts):
    with pytest.raises(ImageRouterServerError):
        attempts.generate(model="sandbox/unbooked-lost")
    (note,) = [note for note in attempts.notes if "unbooked" in note]
    assert note["file"] == attempts.sandbox.ledger()["calls"][0]["id"]
    assert json.dumps(note)
