"""``max_cost_usd`` against what the sandbox really billed. Its models cost $0.004, and $0.01 at most."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from support.pictures import picture
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.exceptions import (
    ImageRouterBudgetError,
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterOrphanedIntentError,
    ImageRouterProviderError,
    ImageRouterServerError,
    ImageRouterUnknownOutcomeError,
)
from airflow_provider_imagerouter.hooks.httpx_transport import exchange

CATALOGUES = Path(__file__).parents[1] / "api" / "catalogues"
GENERATIONS = "/v1/openai/images/generations"
QUICK = "sandbox/revises"

CATS = [f"cat {number}" for number in range(30)]


def test_eight_at_a_time_do_not_pass_the_budget(attempts):
    with pytest.raises(ImageRouterBudgetError) as caught:
        attempts.batch(CATS, model="sandbox/slow-0.5", max_concurrency=8, max_cost_usd=0.05)
    totals = attempts.totals
    # The last call is sent while $0.01 are left: 11 calls leave $0.006.
    assert (totals["billed_calls"], totals["billed_usd"]) == (11, 0.044)
    assert len(attempts.pictures) == 11
    message = str(caught.value)
    assert "max_cost_usd is $0.05; $0.044 are spent, and sandbox/slow-0.5 may cost $0.01 more" in message
    assert "11 of 30 requests succeeded" in message
    assert [row["status"] for row in attempts.rows].count("success") == 11
    assert [row["status"] for row in attempts.rows].count("not_sent") >= 11


def test_a_larger_budget_goes_on_where_it_stopped(attempts):
    for budget in (0.03, 0.03, 0.05):
        with pytest.raises(ImageRouterBudgetError):
            attempts.batch(CATS, model=QUICK, max_cost_usd=budget)
        assert attempts.totals["billed_usd"] <= budget
    manifest = attempts.batch(CATS, model=QUICK, max_cost_usd="0.2")
    assert attempts.calls == dict.fromkeys(CATS, 1)
    assert manifest["cost_usd"] == attempts.totals["billed_usd"] == 0.12


def test_a_cost_of_null_counts_as_the_highest_price(attempts):
    for _ in range(2):
        with pytest.raises(ImageRouterBudgetError):
            attempts.batch(CATS, model="sandbox/null-cost", max_cost_usd=0.055)
        assert attempts.totals["calls"] == 5


def test_calls_that_were_billed_without_a_picture_count(attempts):
    errors = []
    for _ in range(6):
        with pytest.raises(ImageRouterError) as caught:
            attempts.generate(model="sandbox/no-data", max_cost_usd=0.02)
        errors.append(type(caught.value))
    assert errors == [ImageRouterProviderError] * 3 + [ImageRouterBudgetError] * 3
    assert attempts.totals["billed_usd"] == 0.012


def test_calls_whose_end_is_unknown_count_as_the_highest_price(attempts):
    errors = []
    for _ in range(4):
        with pytest.raises(ImageRouterError) as caught:
            attempts.generate(model="sandbox/hangs-up", max_cost_usd=0.025)
        errors.append(type(caught.value))
    assert errors == [ImageRouterUnknownOutcomeError] * 2 + [ImageRouterBudgetError] * 2
    assert attempts.totals["billed_calls"] == 2


def test_a_call_that_was_not_booked_counts_as_the_highest_price_and_is_an_orphan(attempts):
    """Its money may be kept (``Failed to postlog usage``): nobody knows."""
    with pytest.raises(ImageRouterServerError, match="Failed to postlog usage") as caught:
        attempts.generate(model="sandbox/unbooked-lost", max_cost_usd=0.015)
    assert caught.value.billed == "unknown"
    with pytest.raises(ImageRouterOrphanedIntentError):
        attempts.generate(model="sandbox/unbooked-lost", max_cost_usd=0.015, on_orphaned_intent="fail")
    with pytest.raises(ImageRouterBudgetError, match=r"\$0.01\d* are spent"):
        attempts.generate(model="sandbox/unbooked-lost", max_cost_usd=0.015)
    assert attempts.totals["calls"] == 1
    with pytest.raises(ImageRouterServerError):
        attempts.generate(model="sandbox/unbooked-lost", max_cost_usd=0.025)
    assert attempts.totals["calls"] == 2


def cheap_catalogue_and_a_dear_call(visitor):
    """Answer as an API whose catalogue is behind its bills: $0.001 at most, it says, and bills $0.02."""
    path = visitor.request.split()[1].decode().partition("?")[0]
    model = {"providers": [{"pricing": {"type": "fixed", "value": 0.001}}], "output": ["image"]}
    host = next(line for line in visitor.request.decode().split("\r\n") if line.lower().startswith("host:"))[5:].strip()
    bodies = {
        "/v1/models": {"some/model": model},
        "/v2/models": [],
        "/v1/credits": {"remaining_credits": "5"},
        GENERATIONS: {"created": 1795344402, "data": [{"url": f"http://{host}/a.png"}], "cost": 0.02},
    }
    visitor.send(answer(json.dumps(bodies[path]) if path in bodies else picture(), connection="close"))


@pytest.mark.parametrize("given", [{"max_cost_usd": 0.03}, {"validate_model": True}], ids=str)
def test_a_bill_above_the_catalogue_s_price_warns_and_counts(attempts, monkeypatch, caplog, given):
    with RawServer(cheap_catalogue_and_a_dear_call) as server:
        connection = {"conn_type": "imagerouter", "host": server.url, "password": "k" * 64}
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
        attempts.generate(model="some/model", **given)
        assert "some/model was billed $0.02 for a call; its highest price in the catalogue is $0.001" in caplog.text
        if "max_cost_usd" in given:
            attempts.generate(model="some/model", prompt="another", **given)
            with pytest.raises(ImageRouterBudgetError, match=r"\$0.04 are spent"):
                attempts.generate(model="some/model", prompt="a third", **given)


def only_this_listing(shape, visitor):
    """Answer as an API that has but one of the listings, with an entry in it that makes no sense."""
    listing = json.loads((CATALOGUES / f"{shape}.json").read_text())
    entries = listing.get("data", listing) if isinstance(listing, dict) else listing
    entries.append(7) if isinstance(entries, list) else entries.update({"odd/one": 7})
    path = visitor.request.split()[1].decode().partition("?")[0]
    made = {"created": 1795344402, "data": [{"url": "https://example.com/a.png"}], "cost": 0.02}
    bodies = {f"/{shape[:2]}/models": listing, "/v1/credits": {"remaining_credits": "5"}, GENERATIONS: made}
    status = "200 OK" if path in bodies else "404 Not Found"
    visitor.send(answer(json.dumps(bodies.get(path, "Cannot GET")), status, connection="close"))


@pytest.mark.parametrize("shape", sorted(path.stem for path in CATALOGUES.glob("*.json")))
def test_every_shape_of_the_catalogue_will_do_for_a_budget(attempts, monkeypatch, shape):
    with RawServer(partial(only_this_listing, shape)) as server:
        connection = {"conn_type": "imagerouter", "host": server.url, "password": "k" * 64}
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
        given = {"model": "acme/painter", "validate_model": True, "output_path": None}
        with pytest.raises(ImageRouterBudgetError, match=r"acme/painter may cost \$0.05 more"):
            attempts.generate(**given, max_cost_usd=0.04)
        assert attempts.generate(**given, max_cost_usd=0.05)[0]["cost_usd"] == 0.02
        with pytest.raises(ImageRouterInputError, match="studio/waves makes video"):
            attempts.generate(**{**given, "model": "studio/waves"}, max_cost_usd=5)
        assert server.posts == 1


def test_a_bill_within_the_price_does_not_warn(attempts, caplog):
    attempts.generate(model=QUICK, max_cost_usd=1)
    assert "highest price" not in caplog.text


def test_failures_that_cost_nothing_do_not_count(attempts):
    for _ in range(5):
        with pytest.raises(ImageRouterProviderError):
            attempts.generate(model="sandbox/fails", max_cost_usd=0.01)
    assert attempts.totals["billed_usd"] == 0


def test_candidates_that_fit_are_kept(attempts):
    with pytest.raises(ImageRouterBudgetError, match=r"2 of . candidates are there, and kept"):
        attempts.generate(model=QUICK, n=4, max_cost_usd=0.015)
    assert len(attempts.pictures) == 2
    assert len(attempts.generate(model=QUICK, n=4, max_cost_usd=0.03)) == 4
    assert attempts.totals["billed_calls"] == 4


def test_the_connection_has_a_budget_for_tasks_without_one(attempts, set_extra):
    set_extra(max_cost_usd="0.015")
    with pytest.raises(ImageRouterBudgetError):
        attempts.generate(model=QUICK, n=4)
    assert attempts.totals["billed_calls"] == 2
    assert len(attempts.generate(model=QUICK, n=4, max_cost_usd=1)) == 4


def test_nothing_may_be_spent(attempts):
    with pytest.raises(ImageRouterBudgetError):
        attempts.generate(model=QUICK, max_cost_usd=0)
    assert attempts.totals["calls"] == 0
    assert attempts.generate(max_cost_usd=0, model="test/test")


def test_edits_count_too(attempts):
    (record,) = attempts.generate(run_id="other")
    with pytest.raises(ImageRouterBudgetError):
        attempts.edit(record, model=QUICK, max_cost_usd=0.009)
    assert attempts.totals["calls"] == 1


def test_the_catalogue_is_fetched_once_and_only_when_it_is_needed(attempts, monkeypatch):
    paths = []

    async def count(client, settings, call):
        paths.append(call.path)
        return await exchange(client, settings, call)

    monkeypatch.setattr("airflow_provider_imagerouter.hooks.httpx_transport.exchange", count)
    attempts.batch(CATS[:4], model=QUICK)
    assert Counter(paths) == {GENERATIONS: 4, "/v1/credits": 1}
    paths.clear()
    attempts.batch(CATS[:4], model=QUICK, max_cost_usd=1, max_tries=1)
    assert Counter(paths) == {GENERATIONS: 4, "/v1/credits": 1, "/v1/models": 1, "/v2/models": 1}
