"""Each row of the API's errors, and of what a call's end says about the bill, played by the sandbox."""

from __future__ import annotations

from typing import Any

import pytest
from support.clients import Clients
from support.pictures import picture

from airflow_provider_imagerouter import exceptions as errors
from airflow_provider_imagerouter.sandbox.process import SandboxProcess

UNKNOWN = errors.ImageRouterUnknownOutcomeError
PROVIDER = errors.ImageRouterProviderError

ROWS: dict[str, tuple[type, int | None, str | None, str]] = {
    # model: (class, status, type, billed)
    "no/such": (errors.ImageRouterInvalidRequestError, 400, "invalid_request_error", "no"),
    "ir/test-video": (errors.ImageRouterInvalidRequestError, 400, "invalid_request_error", "no"),
    "sandbox/fails": (PROVIDER, 200, "provider_error", "no"),
    "sandbox/times-out": (PROVIDER, 200, "timeout_error", "no"),
    "sandbox/fails-with-status": (PROVIDER, 200, "invalid_request_error", "no"),
    "sandbox/fails-without-error": (PROVIDER, 200, None, "no"),
    "sandbox/fails-with-empty-error": (PROVIDER, 200, None, "no"),
    "sandbox/fails-and-bills": (PROVIDER, 200, "internal_error", "yes"),
    "sandbox/wrong-types": (errors.ImageRouterServerError, 200, None, "yes"),
    "sandbox/refuses": (errors.ImageRouterContentPolicyError, 200, "provider_error", "no"),
    "sandbox/no-data": (PROVIDER, 200, None, "yes"),
    "sandbox/null-url": (PROVIDER, 200, None, "yes"),
    "sandbox/daily-limit": (errors.ImageRouterDailyLimitError, 429, "rate_limit_error", "no"),
    "sandbox/always-rate-limited": (errors.ImageRouterRateLimitError, 429, "rate_limit_error", "no"),
    "sandbox/blocked": (errors.ImageRouterAccessError, 403, "access_denied", "no"),
    "sandbox/server-error": (errors.ImageRouterServerError, 500, "internal_error", "no"),
    "sandbox/not-json": (errors.ImageRouterServerError, 200, None, "unknown"),
    "sandbox/redirect": (errors.ImageRouterInvalidRequestError, 302, None, "no"),
    "sandbox/hangs-up": (UNKNOWN, None, None, "unknown"),
    "sandbox/cut-short": (UNKNOWN, None, None, "unknown"),
    "sandbox/silent": (UNKNOWN, None, None, "unknown"),
    "sandbox/proxy-empty": (UNKNOWN, 502, None, "unknown"),
    **{
        f"sandbox/proxy-{status}": (UNKNOWN, status, None, "unknown")
        for status in (502, 503, 504, 520, 521, 522, 523, 524, 525, 526)
    },
}


@pytest.mark.parametrize(("model", "expected"), ROWS.items(), ids=ROWS)
def test_row(clients: Clients, imagerouter_sandbox: SandboxProcess, model: str, expected: tuple[Any, ...]) -> None:
    client = clients(imagerouter_sandbox.url, key=imagerouter_sandbox.rich_key, read_timeout=3, retry_timeout=0)
    error = client.error(model=model)
    assert (type(error), error.status_code, error.error_type, error.billed) == expected
    report = imagerouter_sandbox.ledger()
    assert len(report["calls"]) == 1
    if error.billed == "no":
        assert report["totals"]["billed_usd"] == 0
    if error.billed == "yes":
        assert report["totals"]["billed_usd"] > 0


def test_a_free_model_without_a_deposit(clients: Clients, imagerouter_sandbox: SandboxProcess) -> None:
    client = clients(imagerouter_sandbox.url, key=imagerouter_sandbox.empty_key)
    error = client.error(model="black-forest-labs/FLUX-1-schnell:free")
    assert (type(error), error.status_code, error.error_type) == (
        errors.ImageRouterAccessError,
        403,
        "access_denied",
    )
    assert len(imagerouter_sandbox.ledger()["calls"]) == 1


@pytest.mark.parametrize("account", ["empty_key", "nearly_empty_key"])
def test_not_enough_credits(clients: Clients, imagerouter_sandbox: SandboxProcess, account: str) -> None:
    client = clients(imagerouter_sandbox.url, key=getattr(imagerouter_sandbox, account))
    error = client.error(model="openai/gpt-image-1")
    assert (type(error), error.status_code, error.error_type, error.billed) == (
        errors.ImageRouterInsufficientCreditsError,
        200,
        "internal_error",
        "no",
    )
    assert len(imagerouter_sandbox.ledger()["calls"]) == 1


@pytest.mark.parametrize("key", ["wrong-".ljust(64, "0"), "short"])
def test_a_wrong_key(clients: Clients, imagerouter_sandbox: SandboxProcess, key: str) -> None:
    error = clients(imagerouter_sandbox.url, key=key).error()
    assert (type(error), error.status_code, error.error_type) == (
        errors.ImageRouterAuthenticationError,
        401,
        "unauthorized",
    )


@pytest.mark.parametrize(
    ("model", "images", "mask"),
    [
        ("openai/dall-e-3", 1, False),
        ("openai/gpt-image-1", 1, True),
        ("black-forest-labs/FLUX-1-schnell", 2, False),
    ],
    ids=["no image", "no mask", "one image only"],
)
def test_a_model_that_does_not_take_it(
    clients: Clients, imagerouter_sandbox: SandboxProcess, model: str, images: int, mask: bool
) -> None:
    client = clients(imagerouter_sandbox.url, key=imagerouter_sandbox.rich_key)
    with pytest.raises(errors.ImageRouterInvalidRequestError) as caught:
        client("edit", [picture()] * images, "Turn it", mask=picture() if mask else None, model=model)
    assert (caught.value.status_code, caught.value.error_type, caught.value.billed) == (200, "internal_error", "no")
    assert imagerouter_sandbox.ledger()["totals"]["billed_usd"] == 0


def test_a_size_the_model_does_not_have(clients: Clients, imagerouter_sandbox: SandboxProcess) -> None:
    client = clients(imagerouter_sandbox.url, key=imagerouter_sandbox.rich_key)
    error = client.error(model="openai/gpt-image-1", size="17x4")
    assert isinstance(error, errors.ImageRouterResponseError)
    assert error.billed == "no"


def test_a_rate_limit_that_passes(clients: Clients, imagerouter_sandbox: SandboxProcess) -> None:
    client = clients(imagerouter_sandbox.url, key=imagerouter_sandbox.rich_key)
    assert client.generate(model="sandbox/rate-limited").pictures
    assert [call["status"] for call in imagerouter_sandbox.ledger()["calls"]] == ["refused", "success"]


def test_a_call_that_was_given_up_is_billed(clients: Clients, imagerouter_sandbox: SandboxProcess) -> None:
    client = clients(imagerouter_sandbox.url, key=imagerouter_sandbox.rich_key)
    assert client.error(model="sandbox/proxy-504").billed == "unknown"
    assert imagerouter_sandbox.ledger()["totals"]["billed_usd"] > 0


@pytest.mark.parametrize(
    ("model", "pictures", "content"),
    [
        ("sandbox/three-pictures", 3, None),
        ("sandbox/base64", 1, True),
        ("sandbox/url", 1, None),
        ("sandbox/svg", 1, None),
        ("sandbox/null-cost", 1, None),
    ],
)
def test_successes(
    clients: Clients, imagerouter_sandbox: SandboxProcess, model: str, pictures: int, content: bool | None
) -> None:
    client = clients(imagerouter_sandbox.url, key=imagerouter_sandbox.rich_key)
    options = {"response_format": "b64_json"} if model == "sandbox/url" else {}
    found = client.generate(model=model, **options)
    assert len(found.pictures) == pictures
    assert bool(found.pictures[0].content) is bool(content)
    assert (found.cost is None) is (model == "sandbox/null-cost")


def test_a_revised_prompt(clients: Clients, imagerouter_sandbox: SandboxProcess) -> None:
    client = clients(imagerouter_sandbox.url, key=imagerouter_sandbox.rich_key)
    assert client.generate(model="sandbox/revises").pictures[0].revised_prompt
