"""At the end of a task, what it knows to have paid is compared with what ImageRouter's books say of its API keys."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal

import pytest

from airflow_provider_imagerouter.engine import reconciling
from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterProviderError
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
from airflow_provider_imagerouter.sandbox.keys import MANAGEMENT_KEY

CATS = [f"cat {number}" for number in range(4)]
SAID = "The answers to this task's calls say"


@pytest.fixture(autouse=True)
def management_key(set_extra, monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(reconciling, "LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "1")
    set_extra(management_api_key=MANAGEMENT_KEY, retry_timeout=0)


def book_more(monkeypatch, more):
    """Have the books say more of each key than its calls cost."""
    get_books = ImageRouterAsyncHook.get_books

    async def get(self):
        books = await get_books(self)
        return replace(books, keys=tuple(replace(key, spent=key.spent + Decimal(more)) for key in books.keys))

    monkeypatch.setattr(ImageRouterAsyncHook, "get_books", get)


def test_nothing_is_said_where_they_agree(attempts, caplog):
    attempts.batch(CATS)
    with pytest.raises(ImageRouterError):
        attempts.generate(model="sandbox/fails", run_id="fails")
    with pytest.raises(ImageRouterProviderError):
        attempts.generate(model="sandbox/fails-and-bills", run_id="bills")
    assert SAID not in caplog.text


def test_a_difference_is_a_warning_with_both_figures(attempts, caplog, monkeypatch):
    book_more(monkeypatch, "0.0011")
    attempts.batch(CATS)
    assert f"{SAID} that they cost $0.016 (cost_usd), ImageRouter's books of its API keys say $0.0171" in caplog.text


def test_a_cost_that_no_answer_said_is_counted(attempts, caplog):
    attempts.generate(model="sandbox/null-cost")
    assert "cost $0 (cost_usd), ImageRouter's books of its API keys say $0.0040; of 1 call(s) no answer" in caplog.text


def test_all_attempts_count(attempts, caplog):
    with pytest.raises(ImageRouterError):
        attempts.batch([*CATS, {"prompt": "a dog", "model": "sandbox/flaky"}])
    attempts.batch([*CATS, {"prompt": "a dog", "model": "sandbox/flaky"}])
    assert SAID not in caplog.text
    with pytest.raises(ImageRouterError):
        attempts.generate(model="sandbox/hangs-up", run_id="other")
    caplog.clear()
    with pytest.raises(ImageRouterError):
        attempts.generate(model="sandbox/hangs-up", run_id="other")
    assert f"{SAID} that they cost $0.0040" in caplog.text
    assert "books of its API keys say $0.0080; of 1 call(s)" in caplog.text


@pytest.mark.parametrize("error", [ImageRouterError("away"), RuntimeError("broken"), TimeoutError()])
def test_books_that_cannot_be_read_fail_nothing(attempts, caplog, monkeypatch, error):
    async def fail(self):
        raise error

    monkeypatch.setattr(ImageRouterAsyncHook, "get_books", fail)
    assert attempts.generate()
    assert "could not be compared with ImageRouter's books" in caplog.text


def test_a_task_that_sends_nothing_asks_nothing(attempts, monkeypatch):
    attempts.generate()
    asked = []
    monkeypatch.setattr(ImageRouterAsyncHook, "get_books", asked.append)
    attempts.generate()
    assert asked == []
