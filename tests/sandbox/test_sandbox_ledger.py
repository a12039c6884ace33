from __future__ import annotations

import hashlib

from sandbox_api import EDITS, png


def test_what_a_call_was(api):
    picture, mask = png(), png(colour=255, mode="L")
    api.edit("test/test", ("image[]", picture), ("mask[]", mask), prompt="a hat", size="64x64", strange="yes")
    call = api.last_call()
    assert call["time"].endswith("+00:00")
    del call["id"], call["time"]
    assert call == {
        "path": EDITS,
        "account": "rich",
        "api_key": "rich",
        "model": "test/test",
        "prompt": "a hat",
        "parameters": {"size": "64x64", "strange": "yes"},
        "images": [hashlib.sha256(picture).hexdigest()],
        "mask": hashlib.sha256(mask).hexdigest(),
        "masks": [hashlib.sha256(mask).hexdigest()],
        "made": ["test/auto.png"],
        "status": "success",
        "http_status": 200,
        "cost": 0,
        "client_left": False,
    }


def test_totals(api):
    api.generate("sandbox/slow-0")
    api.generate("sandbox/fails")
    api.generate("no/such")
    api.generate(key="x" * 64)
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/slow-30"))
        api.await_call(lambda call: call["model"] == "sandbox/slow-30")
        ledger = api.client.get("/sandbox/ledger?calls=false").json()
    totals = ledger["totals"]
    assert "calls" not in ledger
    assert totals.pop("bytes_received") > 200
    assert totals.pop("bytes_sent") > 200
    assert totals == {
        "calls": 5,
        "refused": 2,
        "succeeded": 1,
        "failed": 1,
        "in_flight": 1,
        "clients_left": 0,
        "billed_calls": 1,
        "billed_usd": 0.004,
    }


def test_bytes(api):
    before = api.sandbox.ledger()["totals"]
    body = b'{"model":"test/test"}'
    answer = api.post(content=body, headers={"Content-Type": "application/json"})
    after = api.sandbox.ledger()["totals"]
    assert after["bytes_received"] - before["bytes_received"] == len(body)
    assert after["bytes_sent"] - before["bytes_sent"] == len(answer.content)


def test_fetches_of_links(api):
    url = api.generate("sandbox/slow-0").json()["data"][0]["url"]
    api.client.get(url)
    api.client.get(url)
    ledger = api.sandbox.ledger()
    assert ledger["fetches"] == {url.removeprefix(api.sandbox.url): 2}
    assert ledger["authorization_seen_at_links"] is False
    api.client.get(url, headers={"Authorization": "Bearer oh no"})
    assert api.sandbox.ledger()["authorization_seen_at_links"] is True


def test_a_picture_in_base64_is_kept_unless_it_is_ephemeral(api):
    for asked, status in (("b64_json", 200), ("b64_ephemeral", 404)):
        api.generate("sandbox/slow-0", response_format=asked)
        assert api.client.get(f"/storage/{api.last_call()['id']}.webp").status_code == status


def test_reset_puts_everything_back(api):
    api.generate("sandbox/flaky")
    api.generate("sandbox/slow-0")
    with api.connect() as connection:
        connection.sendall(api.request("sandbox/slow-2"))
        api.await_call(lambda call: call["model"] == "sandbox/slow-2")
        api.sandbox.reset()
        assert connection.recv(65536)
        while connection.recv(65536):
            pass
    assert api.credits() == "100.0000"
    assert api.sandbox.ledger()["totals"]["calls"] == 0
    assert "error" in api.generate("sandbox/flaky").json()
