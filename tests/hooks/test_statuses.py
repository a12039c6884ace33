"""Answers with any other status than 200: which error each becomes, and that nothing is sent twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from support.clients import KEY, Clients
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.exceptions import (
    ImageRouterAccessError,
    ImageRouterAuthenticationError,
    ImageRouterDailyLimitError,
    ImageRouterInvalidRequestError,
    ImageRouterRateLimitError,
    ImageRouterServerError,
    ImageRouterUnknownOutcomeError,
)


def error_body(message: str, kind: str) -> str:
    return json.dumps({"error": {"message": message, "type": kind}})


OWN = [
    ("401 Unauthorized", "unauthorized", "Invalid API key", ImageRouterAuthenticationError),
    ("401 Unauthorized", "unauthorized", "Invalid authorization token length: 5", ImageRouterAuthenticationError),
    ("400 Bad Request", "invalid_request_error", "model 'no/such' is not available", ImageRouterInvalidRequestError),
    ("400 Bad Request", "invalid_request_error", "File upload error: File too large", ImageRouterInvalidRequestError),
    ("403 Forbidden", "access_denied", "Access denied", ImageRouterAccessError),
    ("403 Forbidden", "access_denied", "Free models are only available on the website", ImageRouterAccessError),
    ("404 Not Found", "model_not_found", "Model not found", ImageRouterInvalidRequestError),
    ("429 Too Many Requests", "rate_limit_error", "Daily limit of 50 free requests", ImageRouterDailyLimitError),
    ("500 Internal Server Error", "internal_error", "Internal server error", ImageRouterServerError),
]


@pytest.mark.parametrize(("status", "kind", "message", "error_class"), OWN)
def test_the_apis_own_refusals(clients: Clients, status: str, kind: str, message: str, error_class: type) -> None:
    with RawServer(answer(error_body(message, kind), status, content_type=None)) as server:
        error = clients(server.url).error()
        assert type(error) is error_class
        assert error.status_code == int(status[:3])
        assert error.error_type == kind
        assert error.billed == "no"
        assert message in str(error)
        assert server.posts == 1
    fails_at_once = error_class is not ImageRouterServerError
    assert isinstance(error, AirflowFailException) is fails_at_once


HTML = "<html><head><title>%s</title></head></html>"


@pytest.mark.parametrize("body", [HTML, "", "plain words", '{"error": "a proxy\'s own"}', "[]"])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 599])
def test_a_proxys_5xx_leaves_everything_open(clients: Clients, status: int, body: str) -> None:
    with RawServer(answer(body, f"{status} Proxy", content_type="text/html")) as server:
        error = clients(server.url).error()
        assert type(error) is ImageRouterUnknownOutcomeError
        assert (error.status_code, error.billed) == (status, "unknown")
        assert server.posts == 1
    assert not isinstance(error, AirflowFailException)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxys_5xx_in_the_apis_words_leaves_everything_open(clients: Clients, status: int) -> None:
    with RawServer(answer(error_body("Bad gateway", "internal_error"), f"{status} Proxy")) as server:
        assert type(clients(server.url).error()) is ImageRouterUnknownOutcomeError
        assert server.posts == 1


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (401, ImageRouterAuthenticationError),
        (403, ImageRouterAccessError),
        (404, ImageRouterInvalidRequestError),
        (405, ImageRouterInvalidRequestError),
        (413, ImageRouterInvalidRequestError),
        (429, ImageRouterRateLimitError),
    ],
)
@pytest.mark.parametrize("body", [HTML, ""])
def test_a_proxys_4xx_did_not_run(clients: Clients, status: int, error_class: type, body: str) -> None:
    with RawServer(answer(body, f"{status} Proxy", content_type="text/html")) as server:
        error = clients(server.url, retry_timeout=0).error()
        assert type(error) is error_class
        assert (error.status_code, error.billed, error.error_type) == (status, "no", None)
        assert server.posts == 1


def test_a_404_points_to_the_base_url(clients: Clients) -> None:
    with RawServer(answer("<html>Cannot POST</html>", "404 Not Found")) as server:
        assert "Base URL" in str(clients(server.url).error())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(clients: Clients, status: int) -> None:
    with RawServer(answer('{"data": []}')) as elsewhere:
        moved = answer(status=f"{status} Moved", location=f"{elsewhere.url}/v1/openai/images/generations")
        with RawServer(moved) as server:
            error = clients(server.url).error()
            assert server.posts == 1
        assert type(error) is ImageRouterInvalidRequestError
        assert (error.status_code, error.billed) == (status, "no")
        assert elsewhere.url in str(error)
        assert elsewhere.requests == []


def test_a_redirect_cannot_put_the_key_into_the_error(clients: Clients) -> None:
    with RawServer(answer(status="302 Found", location=f"https://elsewhere.invalid/?key={KEY}")) as server:
        error = clients(server.url).error()
    assert KEY not in str(error)
    assert "elsewhere.invalid" in str(error)


def in_an_hour() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("3600", 3600), ("0.5", 0.5), ("in_an_hour", 3600), ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("-5", 0), ("0", 0)],
)
def test_429_with_retry_after(clients: Clients, retry_after: str, seconds: float) -> None:
    """With no time for another try, so that the error comes out."""
    retry_after = in_an_hour() if retry_after == "in_an_hour" else retry_after
    refused = answer(error_body("Slow down", "rate_limit_error"), "429 Too Many Requests", retry_after=retry_after)
    with RawServer(refused) as server:
        error = clients(server.url, retry_timeout=0).error()
        assert server.posts == 1
    assert type(error) is ImageRouterRateLimitError
    assert error.retry_after == pytest.approx(seconds, abs=5)
    assert (error.status_code, error.billed, error.error_type) == (429, "no", "rate_limit_error")
    assert not isinstance(error, AirflowFailException)


@pytest.mark.parametrize("retry_after", ["soon", "", "nan", "inf", "1e999", "Sun, 06 Nov 1994"])
def test_429_with_a_retry_after_that_cannot_be_read(clients: Clients, retry_after: str) -> None:
    refused = answer(error_body("Slow down", "rate_limit_error"), "429 Too Many Requests", retry_after=retry_after)
    with RawServer(refused) as server:
        error = clients(server.url, retry_timeout=0).error()
    assert type(error) is ImageRouterRateLimitError
    assert 0 <= error.retry_after <= 1
