"""HTTP 200 that is no success, whatever it looks like: one POST, one clear error, the right words on the bill."""

from __future__ import annotations

import gzip
import json

import pytest
from support.clients import Clients
from support.raw_server import RawServer, answer, chunked

from airflow_provider_imagerouter.exceptions import (
    ImageRouterContentPolicyError,
    ImageRouterInsufficientCreditsError,
    ImageRouterInvalidRequestError,
    ImageRouterProviderError,
    ImageRouterServerError,
    ImageRouterUnknownOutcomeError,
)

PAID = '"created": 1795344402, "latency": 10, "cost": 0.004'
LINK = '{"url": "https://pictures.invalid/a.png"}'
DEEP = "[" * 5000 + "]" * 5000


def refusal(message: str, kind: str = "internal_error") -> str:
    return json.dumps({"error": {"message": message, "type": kind}})


REFUSED = {
    # what came: (class, billed)
    refusal(
        "Insufficient credits (this model needs minimum $0.3 credits), please topup your ImageRouter account: "
        "https://imagerouter.io/pricing"
    ): (ImageRouterInsufficientCreditsError, "no"),
    refusal("This model does not support image inputs"): (ImageRouterInvalidRequestError, "no"),
    refusal("Mask editing is not supported for this model"): (ImageRouterInvalidRequestError, "no"),
    refusal("This model supports only one image input"): (ImageRouterInvalidRequestError, "no"),
    refusal("The provider stumbled", "provider_error"): (ImageRouterProviderError, "no"),
    refusal("Timed out", "timeout_error"): (ImageRouterProviderError, "no"),
    # The provider's account, not the user's.
    refusal("Insufficient credits", "provider_error"): (ImageRouterProviderError, "no"),
    refusal("Rejected by the moderation system", "provider_error"): (ImageRouterContentPolicyError, "no"),
    refusal("Violates our Content Policy", "provider_error"): (ImageRouterContentPolicyError, "no"),
    refusal("Blocked for safety reasons", "provider_error"): (ImageRouterContentPolicyError, "no"),
    refusal("The prompt was flagged", "provider_error"): (ImageRouterContentPolicyError, "no"),
    refusal("NSFW content", "provider_error"): (ImageRouterContentPolicyError, "no"),
    refusal("Sensitive words", "provider_error"): (ImageRouterContentPolicyError, "no"),
    refusal("no", "content_policy_violation"): (ImageRouterContentPolicyError, "no"),
    '{"status": 400, "statusText": "Bad Request", "error": {"message": "no", "type": "invalid_request_error"}}': (
        ImageRouterProviderError,
        "no",
    ),
    '{"detail": "Not authenticated"}': (ImageRouterProviderError, "no"),
    '{"error": {}}': (ImageRouterProviderError, "no"),
    '{"error": "broke"}': (ImageRouterProviderError, "no"),
    '{"error": ""}': (ImageRouterProviderError, "no"),
    '{"error": ["broke", {"a": 1}]}': (ImageRouterProviderError, "no"),
    '{"error": true}': (ImageRouterProviderError, "no"),
    '{"error": null}': (ImageRouterProviderError, "no"),
    '{"error": {"message": null, "type": 5}}': (ImageRouterProviderError, "no"),
    '{"error": {"message": "\\ud83d half"}}': (ImageRouterProviderError, "no"),
    "{}": (ImageRouterProviderError, "no"),
    '{"created": 1795344402}': (ImageRouterProviderError, "no"),
    # Returned as a result: not given back.
    '{"error": {"message": "broke", "type": "provider_error"}, "latency": 0, "cost": 0}': (
        ImageRouterProviderError,
        "yes",
    ),
    '{"error": {"message": "flagged"}, "latency": 0, "cost": 0}': (ImageRouterContentPolicyError, "yes"),
    f'{{"error": {{"message": "broke"}}, "data": [null], {PAID}}}': (ImageRouterProviderError, "yes"),
    '{"error": {"message": "broke"}, "data": [null]}': (ImageRouterProviderError, "unknown"),
    # Something broke inside the API, after the call was accepted: what was reserved may be kept.
    refusal("Failed to postlog usage for a/b 5f1c"): (ImageRouterServerError, "unknown"),
    refusal("Failed to postlog usage for a/b 5f1c", "provider_error"): (ImageRouterServerError, "unknown"),
    refusal("Internal server error"): (ImageRouterServerError, "unknown"),
    refusal("Blocked for safety reasons"): (ImageRouterContentPolicyError, "unknown"),
}

NO_PICTURE = {
    f"{{{PAID}}}": (ImageRouterProviderError, "yes"),
    f'{{"data": [], {PAID}}}': (ImageRouterProviderError, "yes"),
    '{"data": []}': (ImageRouterProviderError, "unknown"),
    f'{{"data": [{{}}], {PAID}}}': (ImageRouterProviderError, "yes"),
    f'{{"data": [{{"url": null}}], {PAID}}}': (ImageRouterProviderError, "yes"),
    f'{{"data": [{{"url": ""}}], {PAID}}}': (ImageRouterProviderError, "yes"),
    f'{{"data": [{{"b64_json": ""}}], {PAID}}}': (ImageRouterProviderError, "yes"),
    f'{{"data": null, {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": "https://pictures.invalid/a.png", {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [null], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": ["https://pictures.invalid/a.png"], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [[{LINK}]], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"url": 5}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"url": "https://"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"url": "https://[::1/a.png"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"url": "ftp://pictures.invalid/a.png"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"url": "javascript:alert(1)"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"url": "data:image/svg+xml,<svg/>"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"url": "file:///etc/passwd"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"b64_json": "not base64!"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"b64_json": "AAAAA"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"b64_json": "===="}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"b64_json": "data:image/png;base64,"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"b64_json": "é"}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"b64_json": 5}}], {PAID}}}': (ImageRouterServerError, "yes"),
    f'{{"data": [{{"b64_json": ["AAAA"]}}], {PAID}}}': (ImageRouterServerError, "yes"),
}

SENSELESS: dict[bytes, tuple[type, str]] = {
    b"<html><body>Back soon.</body></html>": (ImageRouterServerError, "unknown"),
    b"Back soon.": (ImageRouterServerError, "unknown"),
    b"[]": (ImageRouterServerError, "unknown"),
    b"null": (ImageRouterServerError, "unknown"),
    b"5": (ImageRouterServerError, "unknown"),
    b'"https://pictures.invalid/a.png"': (ImageRouterServerError, "unknown"),
    b"\xff\xfe\x00\x01 binary": (ImageRouterServerError, "unknown"),
    gzip.compress(b"{}", mtime=0): (ImageRouterServerError, "unknown"),
    # Ended before they were complete: the call ran, or did not.
    b"": (ImageRouterUnknownOutcomeError, "unknown"),
    b"     ": (ImageRouterUnknownOutcomeError, "unknown"),
    b"\r\n": (ImageRouterUnknownOutcomeError, "unknown"),
    b"  {": (ImageRouterUnknownOutcomeError, "unknown"),
    b' {"created": 1795344402, "da': (ImageRouterUnknownOutcomeError, "unknown"),
    b'{"data": [{"url": "https://pictures.invalid/a.png"}], "cost": 0.004': (ImageRouterUnknownOutcomeError, "unknown"),
    b"[": (ImageRouterUnknownOutcomeError, "unknown"),
    DEEP.encode(): (ImageRouterUnknownOutcomeError, "unknown"),
    f'{{"data": {DEEP}}}'.encode(): (ImageRouterUnknownOutcomeError, "unknown"),
}

CASES = [
    pytest.param(body.encode() if isinstance(body, str) else body, *expected, id=f"{number}: {body[:60]!r}")
    for number, (body, expected) in enumerate({**REFUSED, **NO_PICTURE, **SENSELESS}.items())
]


@pytest.mark.parametrize(("body", "error_class", "billed"), CASES)
def test_it_is_never_a_success(clients: Clients, body: bytes, error_class: type, billed: str) -> None:
    with RawServer(chunked(b" ", b" ", body) if body else chunked(b" ")) as server:
        error = clients(server.url).error()
        assert type(error) is error_class
        assert error.billed == billed
        assert error.status_code == 200
        assert server.posts == 1
    assert len(str(error)) < 600
    str(error).encode()


@pytest.mark.parametrize("content_type", [None, "text/html", "application/json; charset=latin-1"])
def test_the_content_type_does_not_matter(clients: Clients, content_type: str | None) -> None:
    with RawServer(answer(refusal("Insufficient credits"), content_type=content_type)) as server:
        assert type(clients(server.url).error()) is ImageRouterInsufficientCreditsError
        assert server.posts == 1


def test_the_error_says_what_came(clients: Clients) -> None:
    page = "<html><title>Maintenance</title>" + "x" * 10_000 + "</html>"
    with RawServer(answer(page)) as server:
        said = str(clients(server.url).error())
    assert "<title>Maintenance</title>" in said
    assert len(said) < 500


def test_the_errors_message_and_type_are_the_apis(clients: Clients) -> None:
    with RawServer(answer(refusal("The provider stumbled", "provider_error"))) as server:
        error = clients(server.url).error()
    assert "The provider stumbled" in str(error)
    assert error.error_type == "provider_error"


def test_an_empty_204(clients: Clients) -> None:
    with RawServer(answer(status="204 No Content", content_length=None)) as server:
        error = clients(server.url).error()
        assert (type(error), error.status_code) == (ImageRouterUnknownOutcomeError, 204)
        assert server.posts == 1
