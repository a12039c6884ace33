"""Delays and failures on request: the models whose id starts with `sandbox/`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

DEFAULT_SECONDS = 0.05


class Delivery(Enum):
    """How the answer to a call that ran reaches the client."""

    WHOLE = auto()
    HANGS_UP = auto()
    CUT_SHORT = auto()
    SILENT = auto()
    ENDLESS = auto()
    PROXY = auto()


class Shape(Enum):
    """What a finished call answers with."""

    AS_ASKED = auto()
    BASE64 = auto()
    URL = auto()
    NO_DATA = auto()
    NULL_URL = auto()
    NULL_COST = auto()
    THREE_PICTURES = auto()
    REVISED = auto()
    SVG = auto()
    WRONG_TYPES = auto()
    BILLED_ERROR = auto()
    UNBOOKED = auto()
    ECHO = auto()
    ONE_OF_TWO = auto()
    BASE64_LINES = auto()
    DATA_URI = auto()
    RELATIVE_URL = auto()


class Link(Enum):
    """What fetching the picture's link gives."""

    GOOD = auto()
    BROKEN = auto()
    SLOW = auto()
    FLAKY = auto()
    NOT_A_PICTURE = auto()
    TRUNCATED = auto()
    EXPIRING = auto()


@dataclass(frozen=True)
class Refusal:
    """An answer given before anything ran, so that nothing is billed.

    :param body: JSON, or HTML as text
    """

    status: int
    body: dict[str, Any] | str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Behaviour:
    """What a `sandbox/…` model does.

    :param seconds: how long the call runs
    :param refusal: answered instead of running
    :param failure: the body the provider fails with; the money is given back
    :param proxy_status: the status a proxy answers with although the call ran
    :param first_calls: does it this many times for each prompt, then works; 0 means always
    """

    seconds: float = DEFAULT_SECONDS
    refusal: Refusal | None = None
    failure: dict[str, Any] | None = None
    delivery: Delivery = Delivery.WHOLE
    proxy_status: int = 0
    shape: Shape = Shape.AS_ASKED
    link: Link = Link.GOOD
    first_calls: int = 0


WELL_BEHAVED = Behaviour()


def error_body(message: str, kind: str) -> dict[str, Any]:
    """Build the body of an error.

    :param message: for people
    :param kind: the API's `type`
    """
    return {"error": {"message": message, "type": kind}}


def proxy_page(status: int) -> str:
    """Write the page a proxy answers with.

    :param status: its HTTP status
    """
    return f"<html>\n<head><title>{status}</title></head>\n<body><center><h1>{status}</h1></center></body>\n</html>\n"


_PROVIDER_ERROR = error_body("The provider failed to generate the picture.", "provider_error")
WORDS_FAILED = error_body("The provider failed to answer.", "provider_error")
RATE_LIMITED = Refusal(
    429,
    error_body("API key rate limit exceeded, please try again later.", "rate_limit_error"),
    (("Retry-After", "1"),),
)
_DAILY_LIMIT = Refusal(
    429,
    error_body(
        "Daily limit of 50 free requests reached. There is no limit on paid models, so you can continue by "
        'removing ":free" from the model name.',
        "rate_limit_error",
    ),
)
_REFUSED_CONTENT = error_body(
    "Your request was rejected by the content moderation system: the prompt was flagged as unsafe (content policy).",
    "provider_error",
)

BEHAVIOURS: dict[str, Behaviour] = {
    "sandbox/slow": Behaviour(seconds=8),
    "sandbox/fails": Behaviour(failure=_PROVIDER_ERROR),
    "sandbox/times-out": Behaviour(failure=error_body("The provider timed out after 10 minutes.", "timeout_error")),
    "sandbox/fails-with-status": Behaviour(
        failure={
            "status": 400,
            "statusText": "Bad Request",
            "error": {"message": "The provider did not accept the request.", "type": "invalid_request_error"},
        }
    ),
    "sandbox/fails-without-error": Behaviour(failure={"detail": "Not authenticated"}),
    "sandbox/fails-with-empty-error": Behaviour(failure={"error": {}}),
    "sandbox/fails-and-bills": Behaviour(shape=Shape.BILLED_ERROR),
    "sandbox/unbooked": Behaviour(shape=Shape.UNBOOKED),
    "sandbox/unbooked-lost": Behaviour(shape=Shape.UNBOOKED, link=Link.BROKEN),
    "sandbox/refuses": Behaviour(failure=_REFUSED_CONTENT),
    "sandbox/flaky": Behaviour(failure=_PROVIDER_ERROR, first_calls=1),
    "sandbox/no-data": Behaviour(shape=Shape.NO_DATA),
    "sandbox/null-url": Behaviour(shape=Shape.NULL_URL),
    "sandbox/null-cost": Behaviour(shape=Shape.NULL_COST),
    "sandbox/three-pictures": Behaviour(shape=Shape.THREE_PICTURES),
    "sandbox/one-of-two": Behaviour(shape=Shape.ONE_OF_TWO),
    "sandbox/echo": Behaviour(shape=Shape.ECHO),
    "sandbox/base64": Behaviour(shape=Shape.BASE64),
    "sandbox/base64-lines": Behaviour(shape=Shape.BASE64_LINES),
    "sandbox/base64-data-uri": Behaviour(shape=Shape.DATA_URI),
    "sandbox/relative-url": Behaviour(shape=Shape.RELATIVE_URL),
    "sandbox/url": Behaviour(shape=Shape.URL),
    "sandbox/revises": Behaviour(shape=Shape.REVISED),
    "sandbox/svg": Behaviour(shape=Shape.SVG),
    "sandbox/wrong-types": Behaviour(shape=Shape.WRONG_TYPES),
    "sandbox/broken-link": Behaviour(link=Link.BROKEN),
    "sandbox/slow-link": Behaviour(link=Link.SLOW),
    "sandbox/flaky-link": Behaviour(link=Link.FLAKY),
    "sandbox/expiring-link": Behaviour(link=Link.EXPIRING),
    "sandbox/not-a-picture": Behaviour(link=Link.NOT_A_PICTURE),
    "sandbox/truncated-picture": Behaviour(link=Link.TRUNCATED),
    "sandbox/rate-limited": Behaviour(refusal=RATE_LIMITED, first_calls=1),
    "sandbox/always-rate-limited": Behaviour(refusal=RATE_LIMITED),
    "sandbox/daily-limit": Behaviour(refusal=_DAILY_LIMIT),
    "sandbox/blocked": Behaviour(refusal=Refusal(403, error_body("Access denied", "access_denied"))),
    "sandbox/server-error": Behaviour(refusal=Refusal(500, error_body("Internal server error", "internal_error"))),
    "sandbox/not-json": Behaviour(refusal=Refusal(200, "<html><body>Back soon.</body></html>\n")),
    "sandbox/redirect": Behaviour(refusal=Refusal(302, "", (("Location", "{elsewhere}"),))),
    "sandbox/hangs-up": Behaviour(delivery=Delivery.HANGS_UP),
    "sandbox/cut-short": Behaviour(delivery=Delivery.CUT_SHORT),
    "sandbox/silent": Behaviour(delivery=Delivery.SILENT),
    "sandbox/huge": Behaviour(delivery=Delivery.ENDLESS),
    "sandbox/proxy-empty": Behaviour(refusal=Refusal(502, "")),
    # Proxies that gave up on a call that had started: it runs to its end, and is billed.
    **{
        f"sandbox/proxy-{status}": Behaviour(delivery=Delivery.PROXY, proxy_status=status)
        for status in (502, 504, 520, 524)
    },
    # Proxies that could not pass the call on.
    **{
        f"sandbox/proxy-{status}": Behaviour(refusal=Refusal(status, proxy_page(status)))
        for status in (503, 521, 522, 523, 525, 526)
    },
}
"""All of them, by model id."""

LISTED_TIMED = ("sandbox/slow-0.5", "sandbox/slow-4", "sandbox/flaky-0.5", "sandbox/flaky-4")
"""Examples of `sandbox/slow-<seconds>` and `sandbox/flaky-<seconds>` for the listings; any other number works too."""

_TIMED = re.compile(r"sandbox/(slow|flaky)-(\d+(?:\.\d+)?)")


def find_behaviour(model_id: str) -> Behaviour | None:
    """Find what a model does, None for a model that is not one of these.

    :param model_id: id of any model
    """
    if not (timed := _TIMED.fullmatch(model_id)):
        return BEHAVIOURS.get(model_id)
    behaviour = BEHAVIOURS["sandbox/flaky"] if timed[1] == "flaky" else WELL_BEHAVED
    return replace(behaviour, seconds=float(timed[2]))
