"""The contract, with servers that are not what the package relies on: each difference is reported."""

from __future__ import annotations

import socket

import pytest
from support.raw_server import RawServer, Script, Visitor, answer, chunked

from airflow_provider_imagerouter.sandbox.process import SandboxProcess
from contract import __main__ as command
from contract import checks_pictures, report
from contract.differing_server import Difference, DifferingServer, Exchange
from contract.server import API_KEYS, IMAGES, RESPONSES, VIDEOS, Server

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
    exchange.answer = exchange.answer.replace(b"is not available", b"was retired")


def _broken_json_is_a_proxys_page(exchange: Exchange) -> None:
    if exchange.status == 500:
        exchange.answer = b"<html>Internal error</html>"


def _a_price_is_a_word(exchange: Exchange) -> None:
    if exchange.path == "/v1/models":
        exchange.json = exchange.json | {"new/model": {"output": ["image"], "price": "cheap"}}


def _test_model_has_a_price(exchange: Exchange) -> None:
    if exchange.path == "/v1/models":
        models = exchange.json
        models["ir/test-video"]["providers"][0]["pricing"] = {"type": "fixed", "value": 0.5}
        exchange.json = models


def _prices_and_aliases_are_missing(exchange: Exchange) -> None:
    if exchange.path == "/v2/models":
        exchange.json = [
            {name: value for name, value in model.items() if name not in ("price", "aliases")}
            for model in exchange.json
        ]


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
    exchange.headers.pop("retry-after", None)


def _links_want_a_key(exchange: Exchange) -> None:
    if exchange.path.startswith("/storage/"):
        exchange.status = 403


def _management_keys_are_called_otherwise(exchange: Exchange) -> None:
    if exchange.path == API_KEYS and exchange.status == 201:
        exchange.json = {"success": True}


PLANTED: dict[Difference, set[str]] = {
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
    _test_model_has_a_price: {"v1: ir/test-video"},
    _prices_and_aliases_are_missing: {"v2: prices", "v2: aliases"},
    _v3_is_gone: {"GET /v3/models", "v3: prices of text models"},
    _cost_is_a_text: {"a picture: its cost"},
    _created_is_a_date: {"a picture: its time"},
    _base64_is_not_given: {"a picture as b64_json"},
    _data_is_an_object: {"a video", "a video: its link", "a video's link"},
    _prompts_may_be_longer: {"a longer prompt"},
    _policy_is_missing: {"the rate limit's policy"},
    _connections_are_kept: {"a connection that is to be closed"},
    _nobody_says_how_long_to_wait: {"too many calls: how long to wait"},
    _links_want_a_key: {"a picture's link", "a picture's link, again", "a video's link"},
    _management_keys_are_called_otherwise: {"a management key makes a key"},
}
AND_SO = {"the new key makes a picture", "books, read with the new key"} | {
    f"books: {what}"
    for what in (
        "which key",
        "what it spent",
        "how many calls",
        "its limit",
        "until when",
        "since when",
        "for this package",
    )
}
"""What cannot be, either, without a new key."""


@pytest.fixture(scope="module")
def looked_at() -> tuple[list[report.Found], str]:
    with SandboxProcess() as sandbox, DifferingServer(sandbox.url, list(PLANTED)) as differing:
        server = Server(differing.url, sandbox.rich_key, sandbox.management_key, interval=0.06)
        found = list(report.look(server, report.checks_for(server)))
        return found, report.markdown(server, found)


@pytest.mark.parametrize("difference", PLANTED, ids=lambda difference: difference.__name__)
def test_a_difference_is_noticed(looked_at: tuple[list[report.Found], str], difference: Difference) -> None:
    found, written = looked_at
    differ = {check.name for check, seen in found if seen.fits is False}
    assert differ >= PLANTED[difference]
    for check, _ in found:
        if check.name in PLANTED[difference]:
            assert f"- **{check.name}**: expected" in written
            assert check.breaks.replace("<", "&lt;") in written


def test_nothing_else_is_called_a_difference(looked_at: tuple[list[report.Found], str]) -> None:
    found, _ = looked_at
    assert {check.name for check, seen in found if seen.fits is False} == set().union(AND_SO, *PLANTED.values())


def test_heartbeats_are_missed(imagerouter_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_pictures, "HEARTBEAT_SECONDS", 0)
    (check,) = (check for check in checks_pictures.CHECKS if check.name == "heartbeats")
    assert check.run(Server(imagerouter_sandbox.url, imagerouter_sandbox.rich_key)).fits is False


def test_heartbeats_are_seen(imagerouter_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    def beat(exchange: Exchange) -> None:
        exchange.answer = b"  " + exchange.answer

    (check,) = (check for check in checks_pictures.CHECKS if check.name == "heartbeats")
    with DifferingServer(imagerouter_sandbox.url, [beat]) as server:
        assert check.run(Server(server.url, imagerouter_sandbox.rich_key)).fits is True


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
