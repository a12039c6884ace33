"""The account, and the errors that are told apart by their status."""

from __future__ import annotations

from airflow_provider_imagerouter.api.credits import read_credits
from airflow_provider_imagerouter.engine.fallback import may_ask_another
from airflow_provider_imagerouter.exceptions import (
    ImageRouterAuthenticationError,
    ImageRouterRateLimitError,
    ImageRouterServerError,
)
from contract.expectation import (
    USD,
    Check,
    Expectation,
    Seen,
    Verdict,
    describe,
    field,
    find,
    refusal,
    refused,
    verdict,
)
from contract.server import CHAT, IMAGES, NO_MODEL, RESPONSES, TEST_IMAGE, Answered, Ask, Server

BURST = 40
"""How many calls at once bring about a 429: twice of what one client may send in a second."""

NO_429 = Seen(f"no 429 to {BURST} calls at once", Verdict.NOT_SEEN)

LONGEST_WAIT = 60
"""Seconds that a limit may ask to wait for and be no daily one."""

PICTURE = {"model": TEST_IMAGE, "prompt": "contract"}

CREDITS = Ask("GET", "/v1/credits")
WRONG_KEY = Ask("POST", IMAGES, key="wrong", json=PICTURE)
SHORT_KEY = Ask("POST", IMAGES, key="short", json=PICTURE)
NO_KEY = Ask("POST", IMAGES, key="none", json=PICTURE)
CREDITS_WITH_WRONG_KEY = Ask("GET", "/v1/credits", key="wrong")
WORDS_WITH_WRONG_KEY = {
    path: Ask("POST", path, key="wrong", json={"model": NO_MODEL, "messages": [], "input": ""})
    for path in (CHAT, RESPONSES)
}
UNKNOWN_MODEL = Ask("POST", IMAGES, json={"model": NO_MODEL, "prompt": "contract"})
UNKNOWN_ROUTE = Ask("GET", "/v1/openai/no-such-route")
BROKEN_JSON = Ask("POST", IMAGES, content=b'{"model": ')


def _credits_can_be_read(server: Server) -> Seen:
    read_credits(server.ask(CREDITS).copy())
    return verdict("so it is", fits=True)


def _unknown_model(server: Server) -> Seen:
    answered = server.ask(UNKNOWN_MODEL)
    error = refused(answered)
    fits = error is not None and may_ask_another(error) and NO_MODEL in str(error)
    as_ever = answered.status_code == 400 and "is not available" in str(error)
    return verdict(describe(answered), fits, as_ever=as_ever)


def _unknown_route(server: Server) -> Seen:
    answered = server.ask(UNKNOWN_ROUTE)
    error = refused(answered)
    has_error, _ = find(answered.payload, "error")
    fits = error is not None and "check the connection's Base URL" in str(error)
    return verdict(describe(answered), fits, as_ever=not has_error)


def _too_many(server: Server) -> Answered | None:
    """Return the first 429 of many calls that are sent at once."""
    answers = server.once("burst", lambda: server.burst(CREDITS, BURST))
    return next((answered for answered in answers if answered.status_code == 429), None)


def _retry_after(server: Server) -> Seen:
    too_many = _too_many(server)
    if too_many is None:
        return NO_429
    error = refused(too_many)
    asked = too_many.header("Retry-After")
    fits = isinstance(error, ImageRouterRateLimitError) and asked is not None and error.retry_after <= LONGEST_WAIT
    return verdict("a 429 without it" if asked is None else f"`Retry-After`: {asked}", fits)


def _too_many_says_so(server: Server) -> Seen:
    too_many = _too_many(server)
    if too_many is None:
        return NO_429
    has_error, _ = find(too_many.payload, "error")
    return verdict(describe(too_many), has_error)


_AUTHENTICATION = (
    "A wrong key is not told from other errors: tasks are retried in vain, and do not name the connection to look at"
)
_CREDITS = "The credits sensor, `airflow imagerouter credits` and the hooks' `get_credits` fail"

CHECKS = (
    Check("credits: what is left", field(CREDITS, "remaining_credits", USD), _CREDITS),
    Check("credits: what was spent", field(CREDITS, "credit_usage", USD), _CREDITS),
    Check("credits: what was paid in", field(CREDITS, "total_deposits", USD), _CREDITS),
    Check("credits: for this package", Expectation("can be read", _credits_can_be_read), _CREDITS),
    Check("a wrong key", refusal(WRONG_KEY, 401, "unauthorized", kind=ImageRouterAuthenticationError), _AUTHENTICATION),
    Check(
        "a key of the wrong length",
        refusal(SHORT_KEY, 401, "unauthorized", kind=ImageRouterAuthenticationError),
        _AUTHENTICATION,
    ),
    Check("no key", refusal(NO_KEY, 401, "unauthorized", kind=ImageRouterAuthenticationError), _AUTHENTICATION),
    Check(
        "credits with a wrong key",
        refusal(CREDITS_WITH_WRONG_KEY, 401, "unauthorized", kind=ImageRouterAuthenticationError),
        _AUTHENTICATION,
    ),
    *(
        Check(
            f"{path} with a wrong key",
            refusal(ask, 401, "unauthorized", kind=ImageRouterAuthenticationError),
            "Text models cannot be reached where common-ai's tasks look for them",
        )
        for path, ask in WORDS_WITH_WRONG_KEY.items()
    ),
    Check(
        "a model that there is not",
        Expectation("400, with the model and 'is not available' in `error.message`", _unknown_model),
        "`fallback_models` are not asked where a model is gone, and a mistyped id gets no ids near it",
    ),
    Check(
        "a route that there is not",
        Expectation("404 without `error`", _unknown_route),
        "A wrong Base URL is taken for a refusal of the API's: the error does not say to check the connection",
    ),
    Check(
        "JSON that cannot be read",
        refusal(BROKEN_JSON, 500, "internal_error", kind=ImageRouterServerError),
        "The API's own 500 is not told from a proxy's: a call that never ran counts as perhaps billed, and budgets and "
        "`on_orphaned_intent` treat it so",
    ),
)

LAST_CHECKS = (
    Check(
        "too many calls: how long to wait",
        Expectation("`Retry-After`: seconds", _retry_after),
        "A limit that passes in a second is taken for the daily one: tasks fail at once, batches stop",
    ),
    Check(
        "too many calls: the refusal",
        Expectation("429 with `error`", _too_many_says_so),
        "Tasks that are refused for the daily limit are retried in vain",
    ),
)
