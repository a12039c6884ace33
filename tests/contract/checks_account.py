"""The account, and the errors that are told apart by their status."""

from __future__ import annotations

from airflow_provider_imagerouter.api.credits import read_credits
from contract.expectation import USD, Check, Expectation, Seen, describe, field, refusal
from contract.server import CHAT, IMAGES, NO_MODEL, RESPONSES, TEST_IMAGE, Answered, Ask, Server

BURST = 40
"""How many calls at once bring about a 429: twice of what one client may send in a second."""

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
    return Seen("so it is", True)


def _unknown_route(server: Server) -> Seen:
    answered = server.ask(UNKNOWN_ROUTE)
    payload = answered.payload
    return Seen(
        describe(answered), answered.status_code == 404 and not (isinstance(payload, dict) and "error" in payload)
    )


def _too_many(server: Server) -> Answered | None:
    """Return the first 429 of many calls that are sent at once."""
    answers = server.once("burst", lambda: server.burst(CREDITS, BURST))
    return next((answered for answered in answers if answered.status_code == 429), None)


def _retry_after(server: Server) -> Seen:
    refused = _too_many(server)
    if refused is None:
        return Seen(f"no 429 to {BURST} calls at once", None)
    retry_after = refused.header("Retry-After")
    seconds = float(retry_after) if retry_after else -1
    return Seen(f"`Retry-After`: {retry_after}" if retry_after else "a 429 without it", 0 <= seconds <= 60)


def _too_many_says_so(server: Server) -> Seen:
    refused = _too_many(server)
    if refused is None:
        return Seen(f"no 429 to {BURST} calls at once", None)
    payload = refused.payload
    return Seen(describe(refused), isinstance(payload, dict) and "error" in payload)


_AUTHENTICATION = (
    "A wrong key is not told from other errors: tasks are retried in vain, and do not name the connection to look at"
)
_CREDITS = "The credits sensor, `airflow imagerouter credits` and the hooks' `get_credits` fail"

CHECKS = (
    Check("credits: what is left", field(CREDITS, "remaining_credits", USD), _CREDITS),
    Check("credits: what was spent", field(CREDITS, "credit_usage", USD), _CREDITS),
    Check("credits: what was paid in", field(CREDITS, "total_deposits", USD), _CREDITS),
    Check("credits: for this package", Expectation("can be read", _credits_can_be_read), _CREDITS),
    Check("a wrong key", refusal(WRONG_KEY, 401, "unauthorized"), _AUTHENTICATION),
    Check("a key of the wrong length", refusal(SHORT_KEY, 401, "unauthorized"), _AUTHENTICATION),
    Check("no key", refusal(NO_KEY, 401, "unauthorized"), _AUTHENTICATION),
    Check("credits with a wrong key", refusal(CREDITS_WITH_WRONG_KEY, 401, "unauthorized"), _AUTHENTICATION),
    *(
        Check(
            f"{path} with a wrong key",
            refusal(ask, 401, "unauthorized"),
            "Text models cannot be reached where common-ai's tasks look for them",
        )
        for path, ask in WORDS_WITH_WRONG_KEY.items()
    ),
    Check(
        "a model that there is not",
        refusal(UNKNOWN_MODEL, 400, "invalid_request_error", NO_MODEL, "is not available"),
        "`fallback_models` are not asked where a model is gone, and a mistyped id gets no ids near it",
    ),
    Check(
        "a route that there is not",
        Expectation("404 without `error`", _unknown_route),
        "A wrong Base URL is taken for a refusal of the API's: the error does not say to check the connection",
    ),
    Check(
        "JSON that cannot be read",
        refusal(BROKEN_JSON, 500, "internal_error"),
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
