"""Each attempt works on an API key of its own, where the connection has a management key."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from pathlib import Path

import pytest
from support.raw_server import RawServer, Visitor, answer
from support.waiting import wait_for

from airflow_provider_imagerouter.engine.budget import Budget
from airflow_provider_imagerouter.exceptions import (
    ImageRouterAccessError,
    ImageRouterAuthenticationError,
    ImageRouterBudgetError,
    ImageRouterConnectionError,
    ImageRouterDailyLimitError,
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterServerError,
    ImageRouterStorageError,
)
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook, ImageRouterHook
from airflow_provider_imagerouter.ledger.ledger import Ledger
from airflow_provider_imagerouter.sandbox.keys import MANAGEMENT_KEY

CATS = [f"cat {number}" for number in range(6)]
LISTED = "sandbox/revises"
"""A model whose price is in the catalogue."""

MADE = "made-".ljust(64, "5")


@pytest.fixture(autouse=True)
def management_key(set_extra):
    set_extra(management_api_key=MANAGEMENT_KEY)


def rows():
    """What the books say of each key, by name."""
    return {key.name: key for key in ImageRouterHook().get_books().keys}


def key_names(attempts):
    return [call["api_key"] for call in attempts.sandbox.ledger()["calls"]]


def test_an_attempt_has_a_key_of_its_own_and_one_with_nothing_to_send_has_none(attempts):
    attempts.generate()
    attempts.generate()
    attempts.generate(max_tries=1)
    assert key_names(attempts) == ["dag/run/task/-1#1", "dag/run/task/-1#3"]
    attempts.generate(run_id="other", map_index=4)
    assert key_names(attempts)[2:] == ["dag/other/task/4#1"]
    assert set(rows()) == set(key_names(attempts))


def test_a_batch_and_candidates_have_one_key(attempts, caplog):
    caplog.set_level(logging.INFO)
    attempts.batch(CATS, max_concurrency=4)
    assert set(key_names(attempts)) == {"dag/run/task/-1#1"}
    attempts.generate(n=4, run_id="other")
    assert set(key_names(attempts)[6:]) == {"dag/other/task/-1#1"}
    assert caplog.text.count("works on the API key") == 2


def test_it_is_noted_before_the_call_leaves_and_nobody_finds_the_key_itself(attempts, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    made = []
    make_key = ImageRouterAsyncHook.make_key

    async def remember(*args):
        made.append(await make_key(*args))
        return made[-1]

    monkeypatch.setattr(ImageRouterAsyncHook, "make_key", remember)
    (record,) = attempts.generate(model=LISTED, max_cost_usd=0.05)
    (key,) = made
    notes = attempts.notes
    assert notes[0] == {"api_key": "dag/run/task/-1#1", "id": key.id}
    assert (notes[1]["with"], notes[1]["model"]) == ("dag/run/task/-1#1", LISTED)
    journals = b"".join(path.read_bytes() for path in attempts.folder.rglob("*") if path.is_file())
    for secret in (key.key, MANAGEMENT_KEY):
        assert secret not in json.dumps(record) + caplog.text
        assert secret.encode() not in journals


def test_the_key_is_limited_to_what_is_left_of_the_budget_and_expires(attempts):
    with pytest.raises(ImageRouterBudgetError):
        attempts.batch(CATS, model=LISTED, max_cost_usd=0.018, max_concurrency=1)
    with pytest.raises(ImageRouterBudgetError):
        attempts.batch(CATS, model=LISTED, max_cost_usd=0.025, max_concurrency=1)
    attempts.generate(run_id="free")
    limits = {name: (row["spend_limit"], row["expires_at"]) for name, row in raw_rows(attempts).items()}
    assert [limit for limit, _ in limits.values()] == ["0.0180", "0.0130", None]
    assert all(expires for _, expires in limits.values())


def raw_rows(attempts):
    import httpx

    headers = {"Authorization": f"Bearer {attempts.sandbox.rich_key}"}
    body = httpx.get(f"{attempts.sandbox.url}/v1/credits?by_api_key=true", headers=headers, trust_env=False).json()
    return {row["api_key_name"]: row for row in body["usage_by_api_key"]}


def test_a_long_name_is_cut_and_stays_one_of_its_own(attempts):
    attempts.generate(run_id="manual__" + "x" * 240)
    attempts.generate(run_id="manual__" + "x" * 240 + "y")
    first, second = key_names(attempts)
    assert first != second
    assert len(first) <= 200
    assert first.startswith("dag/manual__xxx")


def test_an_attempt_that_outlives_its_key_makes_another(attempts, monkeypatch):
    monkeypatch.setattr("airflow_provider_imagerouter.engine.attempt_key.USED_LIFE", 0.0)
    attempts.batch(CATS[:3], max_concurrency=1)
    assert key_names(attempts) == ["dag/run/task/-1#1", "dag/run/task/-1#1-2", "dag/run/task/-1#1-3"]


@pytest.mark.parametrize(
    ("extra", "error"),
    [
        ({"management_api_key": "wrong-".ljust(64, "0")}, ImageRouterAuthenticationError),
        ({"management_api_key": "short"}, ImageRouterAuthenticationError),
    ],
)
def test_without_a_key_nothing_is_paid(attempts, set_extra, extra, error):
    set_extra(**extra)
    for run in (attempts.generate, lambda: attempts.batch(CATS)):
        with pytest.raises(error, match="No API key could be made for this attempt, and nothing is sent"):
            run()
    assert attempts.totals["calls"] == 0
    assert not [note for note in attempts.notes if "intent" in note]


class Api:
    """A server of scripted answers to the making of keys, to paid calls, and to questions about the books."""

    def __init__(self, made=None, paid=b"", books=None):
        self.made = answer(json.dumps({"id": "k1", "key": MADE}), "201 Created") if made is None else made
        self.paid, self.books = paid, answer(json.dumps({"usage_by_api_key": []})) if books is None else books
        self.seen = []

    def __call__(self, visitor: Visitor) -> None:
        _, path, _ = visitor.request.decode().split(" ", 2)
        self.seen.append(path)
        if path.startswith(("/v1/models", "/v2/models")):
            price = {"pricing": {"type": "fixed", "value": 0.01}}
            visitor.send(answer(json.dumps({"test/test": {"providers": [price], "output": ["image"]}})))
        elif path.startswith("/v1/credits"):
            visitor.send(self.books)
        else:
            visitor.send(self.made if path == "/v1/api-keys" else self.paid)


@pytest.fixture
def attempt(attempts, monkeypatch):
    """Make one attempt against a scripted server, and return the error it ends with."""

    def run(script: Api, **arguments):
        with RawServer(script) as server:
            extra = {"management_api_key": MANAGEMENT_KEY, "retry_timeout": 0}
            connection = {"conn_type": "imagerouter", "host": server.url, "password": "x" * 64, "extra": extra}
            monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
            with pytest.raises(ImageRouterError) as caught:
                attempts.generate(model="test/test", **arguments)
        return caught.value

    return run


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (answer("<html>", "502 Bad Gateway"), ImageRouterConnectionError),
        (answer('{"id": "k1"}', "201 Created"), ImageRouterServerError),
        (answer("", content_length=5), ImageRouterConnectionError),
        (answer('{"error": {"message": "no", "type": "x"}}', "429 Too Many Requests"), ImageRouterDailyLimitError),
        (answer('{"error": {"message": "no", "type": "x"}}', "404 Not Found"), ImageRouterError),
    ],
)
def test_whatever_is_answered_instead_of_a_key_nothing_is_paid(attempt, made, error):
    script = Api(made)
    found = attempt(script)
    assert isinstance(found, error)
    assert (found.billed, "No API key could be made" in str(found)) == ("no", True)
    assert "/v1/openai/images/generations" not in script.seen


def test_a_key_that_cannot_be_noted_is_not_used(attempts, monkeypatch):
    async def fail(*_):
        raise ImageRouterStorageError("The ledger could not be used", billed="no")

    monkeypatch.setattr(Ledger, "note_api_key", fail)
    with pytest.raises(ImageRouterStorageError):
        attempts.generate()
    assert attempts.totals["calls"] == 0


@pytest.mark.parametrize("status", [200, 401, 402, 403, 429])
def test_a_key_that_has_spent_its_limit_is_the_budget_s_end(attempts, monkeypatch, status):
    """Our own budget comes first; so the key gets less than there is, as if others had spent with it."""
    monkeypatch.setattr(Budget, "left", Decimal("0.015"))
    attempts.sandbox.answer_spent_keys(status)
    with pytest.raises(ImageRouterBudgetError, match=r"has spent its limit, the \$0.015 .* Nothing was|\$0.008 were"):
        attempts.batch(CATS, model=LISTED, max_cost_usd=1, max_concurrency=1)
    assert attempts.totals["billed_usd"] == pytest.approx(0.008)
    assert [note["cost"] for note in attempts.notes if "ended" in note] == ["0"]


REFUSED = '{"error": {"message": "%s", "type": "%s"}}'
SPENT = answer(json.dumps({"usage_by_api_key": [{"api_key_id": "k1", "total_requests": 3, "credit_usage": "0.0450"}]}))
UNSPENT = answer(
    json.dumps({"usage_by_api_key": [{"api_key_id": "k1", "total_requests": 3, "credit_usage": "0.0100"}]})
)


@pytest.mark.parametrize(
    ("status", "kind", "otherwise"),
    [
        ("401 Unauthorized", "unauthorized", ImageRouterAuthenticationError),
        ("403 Forbidden", "access_denied", ImageRouterAccessError),
        ("429 Too Many Requests", "rate_limit_error", ImageRouterDailyLimitError),
    ],
)
def test_where_words_leave_it_open_the_books_tell_whether_a_key_has_spent_its_limit(attempt, status, kind, otherwise):
    refusal = answer(REFUSED % ("No", kind), status)
    assert isinstance(attempt(Api(paid=refusal, books=SPENT), max_cost_usd=0.05), ImageRouterBudgetError)
    for books in (UNSPENT, answer("{}"), answer("<html>", "502 Bad Gateway")):
        assert isinstance(attempt(Api(paid=refusal, books=books), max_cost_usd=0.05), otherwise)
    assert isinstance(attempt(Api(paid=refusal, books=SPENT)), otherwise)  # there is no limit that could be spent


def test_resubmit_unbilled_needs_a_management_key(attempts, set_extra):
    set_extra()
    with pytest.raises(ImageRouterInputError, match="has no management key"):
        attempts.generate(on_orphaned_intent="resubmit_unbilled")
    assert attempts.totals["calls"] == 0


def test_the_key_is_there_before_the_call_is(attempts):
    """As a later attempt would find it, were this one killed in the middle of its call."""
    running = attempts.start("generate", model="sandbox/slow-4")
    wait_for("the call", lambda: attempts.calls["a cat"])
    name, intent = attempts.notes
    assert name["api_key"] == intent["with"] == "dag/run/task/-1#1"
    running.kill()
    assert not list(Path(attempts.folder).glob("*.webp"))
