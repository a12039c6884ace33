from __future__ import annotations

from sandbox_api import EDITS, png


def test_a_call_costs_its_price(api):
    answer = api.generate("black-forest-labs/FLUX-1-schnell", size="64x64")
    assert answer.json()["cost"] == 0.0013
    assert api.credits() == "99.9987"


def test_the_price_depends_on_the_quality(api):
    costs = [
        api.generate("black-forest-labs/FLUX-1-schnell", size="64x64", quality=quality).json()["cost"]
        for quality in ("low", "auto", "high")
    ]
    assert costs == [0.0006, 0.0013, 0.007]


def test_the_highest_price_is_taken_first_and_the_rest_given_back(api):
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/slow-2"))
        call = api.await_call(lambda call: call["model"] == "sandbox/slow-2")
        assert (call["status"], call["cost"], api.credits()) == ("processing", 0.01, "99.9900")
        api.await_call(lambda call: call["status"] == "success")
    assert api.credits() == "99.9960"


def test_a_failure_is_given_back(api):
    assert api.generate("sandbox/fails").json()["error"]["type"] == "provider_error"
    assert api.credits() == "100.0000"
    call = api.last_call()
    assert (call["status"], call["http_status"], call["cost"]) == ("error", 200, 0)


def test_a_call_goes_on_and_is_billed_although_the_client_left(api):
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/slow-2"))
        api.await_call(lambda call: call["model"] == "sandbox/slow-2")
    left = api.await_call(lambda call: call["client_left"])
    assert left["status"] == "processing"
    call = api.await_call(lambda call: call["status"] == "success")
    assert call["cost"] == 0.004
    totals = api.sandbox.ledger()["totals"]
    assert (totals["clients_left"], totals["billed_calls"], totals["billed_usd"]) == (1, 1, 0.004)
    assert api.credits() == "99.9960"


def test_an_account_can_be_used_up(api):
    key = api.sandbox.nearly_empty_key
    files = {"image": ("a.png", png(), "image/png")}
    answers = [api.post(EDITS, key, data={"model": "bria/remove-background"}, files=files).json() for _ in range(2)]
    assert ["data" in answer for answer in answers] == [True, False]
    assert "minimum $0.0006 credits" in answers[1]["error"]["message"]
    assert api.credits(key) == "0.0004"


def test_the_ledger_and_the_account_agree(api):
    for model in (
        "fails",
        "fails-and-bills",
        "three-pictures",
        "no-data",
        "null-cost",
        "proxy-502",
        "proxy-503",
        "blocked",
    ):
        api.generate(f"sandbox/{model}")
    billed = api.sandbox.ledger()["totals"]["billed_usd"]
    assert billed == 0.026
    assert api.credits() == f"{100 - billed:.4f}"
