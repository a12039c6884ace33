"""What a later attempt of a task does about what earlier ones sent, paid for and stored."""

from __future__ import annotations

import io

import pytest
import tenacity
from PIL import Image

from airflow_provider_imagerouter.exceptions import (
    ImageRouterError,
    ImageRouterOrphanedIntentError,
    ImageRouterProviderError,
    ImageRouterStorageError,
    ImageRouterUnknownOutcomeError,
)
from airflow_provider_imagerouter.files.fetching import fetch
from airflow_provider_imagerouter.hooks.httpx_transport import ssl_context


@pytest.fixture
def one_fetch(monkeypatch):
    """Fetch each link once an attempt, and leave the rest to the next."""
    monkeypatch.setattr(fetch.retry, "stop", tenacity.stop_after_attempt(1))


def failures(number, attempt, **arguments):
    for _ in range(number):
        with pytest.raises(ImageRouterError) as caught:
            attempt(**arguments)
    return caught.value


def test_success_leaves_the_picture_and_no_notes(attempts):
    (record,) = attempts.generate()
    assert attempts.totals["billed_calls"] == 1
    assert [path.as_uri() for path in attempts.pictures] == [record["path"]]
    assert attempts.notes == []


def test_a_cleared_finished_task_generates_anew(attempts):
    attempts.generate()
    attempts.generate()
    assert attempts.totals["billed_calls"] == 2


def test_a_flaky_link_is_fetched_by_later_attempts(attempts, one_fetch):
    error = failures(2, attempts.generate, model="sandbox/flaky-link")
    assert isinstance(error, ImageRouterStorageError)
    (record,) = attempts.generate(model="sandbox/flaky-link")
    assert record["size_bytes"] == attempts.pictures[0].stat().st_size
    assert attempts.totals["calls"] == 1
    assert list(attempts.sandbox.ledger()["fetches"].values()) == [3]


@pytest.mark.parametrize("model", ["broken-link", "truncated-picture", "not-a-picture"])
def test_a_picture_that_cannot_be_had_is_paid_once(attempts, one_fetch, model):
    error = failures(3, attempts.generate, model=f"sandbox/{model}")
    assert isinstance(error, ImageRouterStorageError)
    assert attempts.totals["calls"] == 1
    assert attempts.pictures == []


def test_only_the_failed_candidates_are_made_again(attempts):
    failures(1, attempts.generate, model="sandbox/flaky", n=3)
    assert len(attempts.pictures) == 2
    records = attempts.generate(model="sandbox/flaky", n=3)
    assert sorted(record["path"] for record in records) == [path.as_uri() for path in attempts.pictures]
    assert len(attempts.pictures) == 3
    assert attempts.totals["calls"] == 4
    assert attempts.totals["billed_calls"] == 3


@pytest.mark.parametrize(
    "change", [{"prompt": "a dog"}, {"size": "64x64"}, {"model": "sandbox/slow-0"}, {"output_format": "png"}]
)
def test_what_is_changed_before_a_clear_is_a_new_picture(attempts, one_fetch, change):
    failures(2, attempts.generate, model="sandbox/broken-link")
    assert attempts.totals["calls"] == 1
    given = {"model": "sandbox/broken-link", **change}
    if given["model"] == "sandbox/broken-link":
        failures(1, attempts.generate, **given)
    else:
        attempts.generate(**given)
    assert attempts.totals["calls"] == 2


def test_other_bytes_in_the_same_input_file_are_a_new_picture(attempts, one_fetch, tmp_path):
    def draw(colour):
        content = io.BytesIO()
        Image.new("RGB", (64, 64), colour).save(content, "PNG")
        (tmp_path / "input.png").write_bytes(content.getvalue())
        return str(tmp_path / "input.png")

    failures(2, attempts.edit, image=draw("red"), model="sandbox/broken-link")
    assert attempts.totals["calls"] == 1
    failures(1, attempts.edit, image=draw("blue"), model="sandbox/broken-link")
    assert attempts.totals["calls"] == 2
    failures(1, attempts.edit, image=draw("red"), model="sandbox/broken-link")
    assert attempts.totals["calls"] == 2


def test_other_task_instances_share_nothing(attempts, one_fetch):
    for other in ({}, {"run_id": "other"}, {"map_index": 0}, {"map_index": 1}):
        failures(2, attempts.generate, model="sandbox/broken-link", **other)
    assert attempts.totals["calls"] == 4


def test_a_failed_call_that_cost_nothing_is_sent_again(attempts):
    error = failures(1, attempts.generate, model="sandbox/flaky")
    assert isinstance(error, ImageRouterProviderError)
    attempts.generate(model="sandbox/flaky")
    assert attempts.totals["billed_calls"] == 1


@pytest.mark.parametrize("model", ["hangs-up", "cut-short", "proxy-504"])
def test_a_call_whose_end_is_unknown(attempts, caplog, model):
    error = failures(1, attempts.generate, model=f"sandbox/{model}")
    assert isinstance(error, ImageRouterUnknownOutcomeError)
    caplog.clear()
    error = failures(1, attempts.generate, model=f"sandbox/{model}", on_orphaned_intent="fail")
    assert isinstance(error, ImageRouterOrphanedIntentError)
    assert "it is not sent again" in str(error)
    assert attempts.totals["calls"] == 1
    failures(1, attempts.generate, model=f"sandbox/{model}")
    assert attempts.totals["calls"] == 2
    assert "may be paid twice" in caplog.text


def test_a_client_that_cannot_be_made_leaves_no_call_in_flight(attempts, monkeypatch, tmp_path):
    ssl_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(FileNotFoundError):
        attempts.generate(on_orphaned_intent="fail")
    monkeypatch.delenv("SSL_CERT_FILE")
    assert attempts.totals["calls"] == 0
    attempts.generate(on_orphaned_intent="fail")
    assert attempts.totals["calls"] == 1


def test_without_a_place_for_notes_the_log_says_so_once(attempts, caplog):
    for _ in range(2):
        caplog.clear()
        failures(1, attempts.generate, model="sandbox/fails", n=3, output_path=None)
        assert caplog.text.count("a retry of this task would pay again") == 1


def test_a_ledger_of_the_deployment(attempts, one_fetch, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEDGER_PATH", str(tmp_path / "ledger"))
    failures(2, attempts.generate, model="sandbox/broken-link")
    # Where pictures go has no part in it.
    failures(1, attempts.generate, model="sandbox/broken-link", output_path=str(tmp_path / "elsewhere"))
    assert attempts.totals["calls"] == 1
    assert attempts.notes == []
    (folder,) = (tmp_path / "ledger").iterdir()
    assert len(list(folder.iterdir())) == 1
    (record,) = attempts.generate(model="sandbox/broken-link", output_path=None)
    assert record["url"]
    assert attempts.totals["calls"] == 1
    assert list((tmp_path / "ledger").iterdir()) == []
