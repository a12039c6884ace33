"""Whose key a request has, and whether that key may send more just now."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_imagerouter.sandbox.accounts import ApiKey
from airflow_provider_imagerouter.sandbox.limits import CLIENT_LIMIT, GENERAL_LIMIT, limit_for_key
from airflow_provider_imagerouter.sandbox.wire.answers import error_answer
from airflow_provider_imagerouter.sandbox.world import World


class RefusedError(Exception):
    """A request is turned down before anything ran."""

    def __init__(self, answer: Response) -> None:
        """Keep the answer for the client."""
        super().__init__()
        self.answer = answer


def greet(request: Request, world: World, client: str) -> None:
    """Let a request in, wherever it goes.

    :param client: its IP address
    :raises RefusedError: with a 429
    """
    request.state.verdict = world.clients.hit(client, GENERAL_LIMIT)
    if request.state.verdict.exceeded:
        raise RefusedError(_too_many("Too many requests, please try again later."))


def authenticate(request: Request, world: World, management: bool = False) -> ApiKey:
    """Find a request's key.

    :param management: ask for a key that makes other keys; they do nothing else
    :raises RefusedError: with a 401
    """
    header = request.headers.get("authorization", "")
    if not header.startswith("Bearer "):
        raise _unauthorized("Authorization header must be provided as Bearer token")
    secret = header.removeprefix("Bearer ").strip()
    if len(secret) >= 100:
        raise _unauthorized("Invalid or expired JWT token")
    if len(secret) != 64:
        raise _unauthorized(f"Invalid authorization token length: {len(secret)}")
    key = world.keys.get(secret)
    if key is None or key.management != management or key.expired:
        raise _unauthorized("Invalid API key")
    return key


def _unauthorized(message: str) -> RefusedError:
    return RefusedError(error_answer(401, message, "unauthorized"))


def admit(request: Request, world: World, client: str, video: bool) -> ApiKey:
    """Let a request, whatever its method, through to the routes that cost money.

    :param client: its IP address
    :param video: on the video endpoint, which has a limit of its own
    :raises RefusedError: with a 401 or a 429
    """
    request.state.verdict = world.paying_clients.hit(client, CLIENT_LIMIT)
    if request.state.verdict.exceeded:
        raise RefusedError(_too_many("Too many image generation requests, please try again later."))
    key = authenticate(request, world)
    limiter = world.video_keys if video else world.image_keys
    request.state.verdict = limiter.hit(key.account.name, limit_for_key(key.account.balance_usd, video))
    if request.state.verdict.exceeded:
        raise RefusedError(_too_many("API key rate limit exceeded, please try again later."))
    return key


def _too_many(message: str) -> Response:
    return error_answer(429, message, "rate_limit_error")
