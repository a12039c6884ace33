"""The contract, with servers that are not what the package relies on: each difference is reported."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from itertools import count

import pytest
from support.raw_server import RawServer, Script, Visitor, answer, chunked

from airflow_provider_imagerouter.sandbox.process import SandboxProcess
from contract import __main__ as command
from contract import checks_pictures, report
from contract.differing_server import Difference, DifferingServer, Exchange
from contract.expectation import Verdict
from contract.server import API_KEYS, EDITS, FREE, IMAGES, RESPONSES, VIDEOS, Ask, Server

KEY = "a-key-that-nobody-may-see".ljust(64, "7")


def _credits_are_renamed(exchange: Exchange) -> None:
    if exchange.path == "/v1/credits" and exchange.status == 200:
        exchange.json = {
            "balance" if name == "remaining_credits" else name: value for name, value in exchange.json.items()
        }


def _wrong_keys_are_forbidden(exchange: Exchange) -> None:
    if exchange.path == IMAGES and exchange.status == 401:
        exchange.status = 403


def _responses_are_gone(exchange: Exchange) -> None:
    if exchange.path == RESPONSES:
        exchange.status, exchange.answer = 404, b"<html>Cannot POST</html>"


def _unknown_models_are_called_otherwise(exchange: Exchange) -> None:
    exchange.answer = exchange.answer.replace(b"is not available", b"is a secret")


def _broken_json_is_a_proxys_page(exchange: Exchange) -> None:
    if exchange.status == 500:
        exchange.answer = b"<html>Internal error</html>"


def _a_price_is_a_word(exchange: Exchange) -> None:
    if exchange.path == "/v1/models":
        exchange.json = exchange.json | {"new/model": {"output": ["image"], "price": "cheap"}}


def _prices_are_nowhere(exchange: Exchange) -> None:
    if exchange.path == "/v1/models":
        exchange.json = {model_id: entry | {"providers": [{}]} for model_id, entry in exchange.json.items()}
    _v2_has_no_prices(exchange)


def _v2_has_no_prices(exchange: Exchange) -> None:
    if exchange.path == "/v2/models":
        exchange.json = [{name: value for name, value in model.items() if name != "price"} for model in exchange.json]


def _aliases_are_renamed(exchange: Exchange) -> None:
    if exchange.path == "/v2/models":
        exchange.json = [model | {"aliases": None, "names": model["aliases"]} for model in exchange.json]


def _v3_is_gone(exchange: Exchange) -> None:
    if exchange.path == "/v3/models":
        exchange.status, exchange.answer = 410, b""


def _cost_is_a_text(exchange: Exchange) -> None:
    if exchange.path == IMAGES and exchange.status == 200:
        exchange.json = exchange.json | {"cost": "$0"}


def _created_is_a_date(exchange: Exchange) -> None:
    if exchange.path == IMAGES and exchange.status == 200:
        exchange.json = exchange.json | {"created": "today"}


def _base64_is_not_given(exchange: Exchange) -> None:
    if b"b64_json" in exchange.body and exchange.status == 200:
        exchange.json = exchange.json | {"data": [{"url": "https://example.com/picture.png"}]}


def _link_is_renamed(exchange: Exchange) -> None:
    if exchange.path == EDITS and exchange.status == 200:
        exchange.json = exchange.json | {"data": [{"uri": exchange.json["data"][0]["url"]}]}


def _data_is_an_object(exchange: Exchange) -> None:
    if exchange.path == VIDEOS and exchange.status == 200:
        exchange.json = exchange.json | {"data": exchange.json["data"][0]}


def _prompts_may_be_longer(exchange: Exchange) -> None:
    if exchange.status == 400 and b"'prompt' must be" in exchange.answer:
        exchange.status = 200
        exchange.json = {"data": [{"url": "https://example.com/picture.png"}], "cost": 0}


def _policy_is_missing(exchange: Exchange) -> None:
    exchange.headers.pop("ratelimit-policy", None)


def _connections_are_kept(exchange: Exchange) -> None:
    if exchange.path == IMAGES:
        exchange.headers["connection"] = "keep-alive"


def _nobody_says_how_long_to_wait(exchange: Exchange) -> None:
    """Of the calls that are sent at once, which are the last ones, some are refused."""
    if exchange.path == "/v1/credits" and exchange.status == 200 and next(_credits_calls) > 2:
        exchange.status = 429
        exchange.json = {"error": {"message": "Too many requests", "type": "rate_limit_error"}}
    exchange.headers.pop("retry-after", None)


_credits_calls = count()


def _v3_is_an_envelope(exchange: Exchange) -> None:
    if exchange.path == "/v3/models":
        exchange.json = {"data": exchange.json}


def _v1_is_an_array(exchange: Exchange) -> None:
    if exchange.path == "/v1/models":
        exchange.json = [{"id": model_id, **entry} for model_id, entry in exchange.json.items()]


def _refusals_have_other_types(exchange: Exchange) -> None:
    if exchange.status == 401:
        exchange.json = {"error": exchange.json["error"] | {"type": "invalid_api_key"}}


def _limits_are_422(exchange: Exchange) -> None:
    if exchange.status == 400 and b"upload error" in exchange.answer:
        exchange.status = 422


def _links_want_a_key(exchange: Exchange) -> None:
    if exchange.path.startswith("/storage/"):
        exchange.status = 403


def _management_keys_are_called_otherwise(exchange: Exchange) -> None:
    if exchange.path == API_KEYS and exchange.status == 201:
        exchange.json = {"success": True}


BREAKING: dict[Difference, set[str]] = {
    _credits_are_renamed: {"credits: what is left", "credits: for this package"},
    _wrong_keys_are_forbidden: {
        "a wrong key",
        "a key of the wrong length",
        "no key",
        "a management key makes no pictures",
    },
    _responses_are_gone: {"/v1/openai/responses with a wrong key"},
    _unknown_models_are_called_otherwise: {"a model that there is not"},
    _broken_json_is_a_proxys_page: {"JSON that cannot be read"},
    _a_price_is_a_word: {"GET /v1/models"},
    _prices_are_nowhere: {
        "v1: prices of pictures",
        "v1: prices of videos",
        "v2: prices",
        "v1: test/test",
        "v1: ir/test-video",
    },
    _aliases_are_renamed: {"v2: aliases"},
    _v3_is_gone: {"GET /v3/models", "v3: prices of text models"},
    _cost_is_a_text: {"a picture: its cost"},
    _created_is_a_date: {"a picture: its time"},
    _base64_is_not_given: {"a picture as b64_json"},
    _link_is_renamed: {"16 input pictures", "16 masks", "an edit: its link", "an edit: its cost"},
    _prompts_may_be_longer: {"a longer prompt"},
    _policy_is_missing: {"the rate limit's policy"},
    _connections_are_kept: {"a connection that is to be closed"},
    _nobody_says_how_long_to_wait: {"too many calls: how long to wait"},
    _links_want_a_key: {"a picture's link", "a picture's link, again", "a video's link"},
    _management_keys_are_called_otherwise: {
        "a management key makes a key",
        # and what takes a new key:
        "the new key makes a picture",
        "books, read with the new key",
        "books: for this package",
        "books: which key",
        "books: what it spent",
        "books: how many calls",
        "books: its limit",
        "books: until when",
        "books: since when",
    },
}

HARMLESS: dict[Difference, set[str]] = {
    _v1_is_an_array: {"GET /v1/models"},
    _v2_has_no_prices: {"v2: prices"},
    _v3_is_an_envelope: {"GET /v3/models"},
    _data_is_an_object: {"a video"},
    _limits_are_422: {"17 input pictures", "17 masks", "a file under another name", "a file of 26214400 bytes"},
    _refusals_have_other_types: {
        "a wrong key",
        "a key of the wrong length",
        "no key",
        "credits with a wrong key",
        "/v1/openai/chat/completions with a wrong key",
        "/v1/openai/responses with a wrong key",
        "another key makes no keys",
        "a management key makes no pictures",
    },
}
"""What the package can do with."""


def look(differences: Iterable[Difference]) -> tuple[list[report.Found], str]:
    with SandboxProcess() as sandbox, DifferingServer(sandbox.url, list(differences)) as differing:
        server = Server(differing.url, sandbox.rich_key, sandbox.management_key, interval=0.06)
        found = list(report.look(server, report.checks_for(server)))
        return found, report.markdown(server, found)


def names(found: list[report.Found], verdict: Verdict) -> set[str]:
    return {check.name for check, seen in found if seen.verdict is verdict}


@pytest.fixture(scope="module")
def broken() -> tuple[list[report.Found], str]:
    return look(BREAKING)


@pytest.fixture(scope="module")
def changed() -> tuple[list[report.Found], str]:
    return look(HARMLESS)


@pytest.mark.parametrize("difference", BREAKING, ids=lambda difference: difference.__name__)
def test_a_difference_is_noticed(broken: tuple[list[report.Found], str], difference: Difference) -> None:
    found, written = broken
    assert names(found, Verdict.DIFFERS) >= BREAKING[difference]
    for check, _ in found:
        if check.name in BREAKING[difference]:
            assert f"- **{check.name}**: expected" in written
            assert check.breaks.replace("<", "&lt;") in written


def test_nothing_else_is_called_a_difference(broken: tuple[list[report.Found], str]) -> None:
    found, _ = broken
    assert names(found, Verdict.DIFFERS) == set().union(*BREAKING.values())
    assert not report.fits(found)


@pytest.mark.parametrize("difference", HARMLESS, ids=lambda difference: difference.__name__)
def test_what_changed_and_breaks_nothing_is_told_apart(
    changed: tuple[list[report.Found], str], difference: Difference
) -> None:
    found, written = changed
    assert names(found, Verdict.CHANGED) >= HARMLESS[difference]
    assert all(f"- **{name}**: expected" in written for name in HARMLESS[difference])


def test_a_server_that_only_changed_fits(changed: tuple[list[report.Found], str]) -> None:
    found, written = changed
    assert names(found, Verdict.DIFFERS) == set()
    assert names(found, Verdict.CHANGED) == set().union(*HARMLESS.values())
    assert report.fits(found)
    assert "Breaks: Nothing: the package reads it all the same" in written


HEARTBEATS = next(check for check in checks_pictures.CHECKS if check.name == "heartbeats")


def test_heartbeats_are_missed(imagerouter_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_pictures, "HEARTBEAT_SECONDS", 0)
    server = Server(imagerouter_sandbox.url, imagerouter_sandbox.rich_key)
    assert HEARTBEATS.run(server).verdict is Verdict.DIFFERS


def test_heartbeats_are_seen(imagerouter_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The free models answer at once, so this takes a slow one of the sandbox's."""
    slow = "sandbox/slow-3.5"
    monkeypatch.setitem(FREE, IMAGES, (slow,))
    monkeypatch.setattr(checks_pictures, "PICTURE", Ask("POST", IMAGES, json={"model": slow, "size": "64x64"}))
    server = Server(imagerouter_sandbox.url, imagerouter_sandbox.rich_key)
    assert HEARTBEATS.run(server).verdict is Verdict.FITS


def _echo(visitor: Visitor) -> None:
    visitor.send(answer(b'{"error": {"message": "%b"}}' % visitor.request.replace(b"\r\n", b" ").replace(b'"', b"'")))


RUBBISH: dict[str, Script] = {
    "a page": answer("<html>Welcome</html>", content_type="text/html"),
    "nothing": answer(),
    "null": answer("null"),
    "an empty list": answer("[]"),
    "a list of lists": answer("[[[]]]"),
    "a word": answer('"yes"'),
    "an error that is a list": answer('{"error": [1]}'),
    "objects for everything": answer('{"data": {"data": null}, "error": null, "usage_by_api_key": {}}'),
    "wrong types": answer('{"data": [{"url": 7, "b64_json": {}}], "cost": [], "created": {}, "latency": "x"}'),
    "numbers without end": answer('{"created": 1e999999999, "cost": NaN, "remaining_credits": "1e999999999"}'),
    "deep nesting": answer("[" * 100_000),
    "a link that is none": answer('{"data": [{"url": "http://[::1"}]}'),
    "a link to nowhere": answer('{"data": [{"url": "http://127.0.0.1:9/x.png"}]}'),
    "redirects": answer(status="302 Found", location="/"),
    "half a character": answer('{"\\ud800": 1, "error": {"message": "\\ud800"}}'),
    "bytes": answer(bytes(range(256)) * 8),
    "always too many": answer("{}", status="429 Too Many Requests", retry_after="0"),
    "a strange wait": answer("{}", status="429 Too Many Requests", retry_after="tomorrow"),
    "what it was sent": _echo,
    "cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
    "chunks without end": chunked(b'{"data"', ended=False),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a closed connection": b"",
    "a reset": Visitor.reset,
    "silence": Visitor.wait_until_gone,
}


@pytest.mark.parametrize("script", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_gets_a_report(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contract.server.LONGEST_WAIT", 2.0)
    with RawServer(script) as raw:
        server = Server(raw.url, KEY, f"{KEY[:-1]}8", interval=0, patience=0.5)
        found = list(report.look(server, report.checks_for(server)))
    assert not report.fits(found)
    assert len(found) == len(report.checks_for(server))
    shown = report.markdown(server, found) + "\n".join(map(report.line, found))
    assert all(seen.text for _, seen in found)
    assert KEY[:-1] not in shown
    assert shown.encode()
    assert "Traceback" not in shown


def test_no_server_gets_a_report(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("IMAGEROUTER_API_KEY", KEY)
    monkeypatch.setenv("IMAGEROUTER_URL", f"http://user:password@127.0.0.1:{port}")
    assert command.main() == 1
    said = capsys.readouterr().out + command.REPORT.read_text()
    assert "no answer: ConnectError" in said
    assert "not asked, since the server does not answer" in said
    assert KEY not in said
    assert "password" not in said


@pytest.mark.parametrize("key", ["", "two words", "kéy"])
def test_a_key_that_is_none_is_asked_for(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEROUTER_API_KEY", key)
    with pytest.raises(SystemExit, match="API"):
        command.main()


def test_a_wrong_key_is_not_taken_for_another_api(
    imagerouter_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEROUTER_API_KEY", KEY)
    monkeypatch.setenv("IMAGEROUTER_URL", imagerouter_sandbox.url)
    with pytest.raises(SystemExit, match="refuses IMAGEROUTER_API_KEY: 401, unauthorized: Invalid API key"):
        command.main()
