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
from airflow_provider_imagerouter.sandbox.process import SandboxProcess


@pytest.fixture
def one_fetch(monkeypatch):
    """Fetch each link once an attempt, and leave the rest to the next."""
    monkeypatch.setattr(fetch.retry, "stop", tenacity.stop_after_attempt(1))


def failures(number, attempt, **arguments):
    for _ in range(number):
        with pytest.raises(ImageRouterError) as caught:
            attempt(**arguments)
    return caught.value


def test_a_success_that_is_tried_again_pays_nothing_and_only_a_clear_makes_a_new_picture(attempts):
    """Airflow retries what its own work after ``execute()`` failed at: post_execute, the XCom push, a lost worker."""
    (record,) = attempts.generate(max_tries=2)
    (again,) = attempts.generate(max_tries=2)
    assert again == record
    assert attempts.totals["billed_calls"] == 1
    assert [path.as_uri() for path in attempts.pictures] == [record["path"]]
    (other,) = attempts.generate(max_tries=3)
    assert attempts.totals["billed_calls"] == 2
    assert attempts.generate(max_tries=3) == [other]
    assert attempts.totals["billed_calls"] == 2


def test_a_cleared_ledger_is_removed_by_the_next_attempt(attempts):
    attempts.generate()
    attempts.generate(max_tries=1)
    names = {path.name for path in attempts.folder.glob(".imagerouter/task-*/*")}
    assert names == {"claim-000002", "journal-000002", "finished-000002"}


def test_a_clear_of_a_failed_task_goes_on(attempts, one_fetch):
    failures(1, attempts.generate, model="sandbox/flaky-link")
    failures(1, attempts.generate, model="sandbox/flaky-link", max_tries=1)
    attempts.generate(model="sandbox/flaky-link", max_tries=2)
    assert attempts.totals["calls"] == 1


def test_a_stored_picture_that_is_gone_or_cut_is_fetched_from_its_link_again(attempts):
    (record,) = attempts.generate()
    (picture,) = attempts.pictures
    whole = picture.read_bytes()
    for damage in (picture.unlink, lambda: picture.write_bytes(whole[:-1])):
        damage()
        (again,) = attempts.generate()
        assert (again["path"], again["sha256"]) == (record["path"], record["sha256"])
        assert picture.read_bytes() == whole
    assert attempts.totals["calls"] == 1


def test_a_stored_picture_that_is_gone_without_a_link_is_not_paid_for_again(attempts):
    attempts.generate(response_format="b64_ephemeral")
    attempts.pictures[0].unlink()
    error = failures(1, attempts.generate, response_format="b64_ephemeral")
    assert isinstance(error, ImageRouterStorageError)
    assert "there is no link" in str(error)
    assert attempts.totals["calls"] == 1


def test_an_edit_that_is_stored_needs_its_input_no_more(attempts, tmp_path):
    source = tmp_path / "input.png"
    Image.new("RGB", (64, 64), "red").save(source)
    (record,) = attempts.edit(image=str(source))
    source.unlink()
    assert attempts.edit(image=str(source)) == [record]
    failures(1, attempts.edit, image=str(source), prompt="another")
    assert attempts.totals["calls"] == 1


def test_another_api_makes_other_pictures(attempts, monkeypatch):
    """What the sandbox drew never stands in for the real thing."""
    attempts.generate()
    with SandboxProcess() as other:
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", other.connection_uri())
        attempts.generate()
        assert other.ledger()["totals"]["calls"] == 1


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
    (folder,) = (tmp_path / "ledger").glob("task-*")
    (record,) = attempts.generate(model="sandbox/broken-link", output_path=None)
    assert record["url"]
    assert attempts.totals["calls"] == 1
    assert (folder / "finished-000004").exists()


def test_other_further_parameters_are_another_picture(attempts):
    for seed in (1, 2, 1):
        attempts.generate(extra_body={"seed": seed})
    assert [call["parameters"]["seed"] for call in attempts.sandbox.ledger()["calls"]] == [1, 2]
