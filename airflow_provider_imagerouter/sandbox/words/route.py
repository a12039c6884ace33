"""The two endpoints of text models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_imagerouter.sandbox.acceptance import (
    declined,
    enter_in_books,
    invalid,
    misbehave,
    run_and_answer,
)
from airflow_provider_imagerouter.sandbox.accounts import CREDITS_PER_USD, ApiKey, Entry, credits_for
from airflow_provider_imagerouter.sandbox.behaviours import Behaviour, error_body
from airflow_provider_imagerouter.sandbox.books import Call
from airflow_provider_imagerouter.sandbox.gate import RefusedError
from airflow_provider_imagerouter.sandbox.validation import InvalidParameterError
from airflow_provider_imagerouter.sandbox.wire.answers import to_json
from airflow_provider_imagerouter.sandbox.words import chat_format, responses_format
from airflow_provider_imagerouter.sandbox.words.asking import Asked, read_chat, read_response
from airflow_provider_imagerouter.sandbox.words.chat_format import Bill
from airflow_provider_imagerouter.sandbox.words.speech import Speech, speak
from airflow_provider_imagerouter.sandbox.words.text_models import TEXT_MODELS, TextModel
from airflow_provider_imagerouter.sandbox.world import World

DEFAULT_MAX_TOKENS = 4_096
"""How long an answer may get for which no limit was asked: what is reserved for it."""

log = logging.getLogger(__name__)


async def chat_completions(request: Request) -> Response:
    """Answer `POST /v1/openai/chat/completions`."""
    return _take_call(request, read_chat, _write_chat)


async def responses(request: Request) -> Response:
    """Answer `POST /v1/openai/responses`."""
    return _take_call(request, read_response, _write_response)


Writer = Callable[["Exchange", Speech, Bill], bytes]


@dataclass(frozen=True)
class Exchange:
    """A call that was accepted and charged.

    :param entry: in the books of the key that pays
    :param write: puts the answer into its format
    """

    world: World
    call: Call
    entry: Entry
    asked: Asked
    model: TextModel
    behaviour: Behaviour
    write: Writer

    async def run(self) -> bytes:
        """Find words, settle the bill, and return the answer's body."""
        await asyncio.sleep(self.behaviour.seconds)
        if self.behaviour.failure:
            return self._fail(self.behaviour.failure)
        try:
            speech = speak(self.asked, self.model)
        except Exception as error:
            log.exception("The sandbox itself failed")
            return self._fail(error_body(str(error), "internal_error"))
        exact = self.model.price(self.asked.prompt_tokens, speech.tokens)
        cost = credits_for(exact)
        self.entry.correct(cost)
        self.world.ledger.bill(self.call, cost, succeeded=True)
        return self.write(self, speech, Bill(self.asked.prompt_tokens, speech.tokens, exact, cost / CREDITS_PER_USD))

    def _fail(self, body: dict[str, Any]) -> bytes:
        self.entry.correct(0)
        self.world.ledger.fail(self.call)
        return b"data: " + to_json(body) + b"\n\n" if self.asked.stream else to_json(body)


def _write_chat(exchange: Exchange, speech: Speech, bill: Bill) -> bytes:
    named = exchange.call.id, exchange.model.id
    if not exchange.asked.stream:
        return to_json(chat_format.completion(*named, speech, bill))
    lines = [b"data: " + to_json(chunk) for chunk in chat_format.chunks(*named, speech, bill)]
    return b"\n\n".join([*lines, b"data: [DONE]", b""])


def _write_response(exchange: Exchange, speech: Speech, bill: Bill) -> bytes:
    named = exchange.call.id, exchange.model.id
    if not exchange.asked.stream:
        return to_json(responses_format.response(*named, speech, bill))
    events = responses_format.events(*named, speech, bill)
    lines = [b"event: " + event["type"].encode() + b"\ndata: " + to_json(event) for event in events]
    return b"\n\n".join([*lines, b""])


def _take_call(request: Request, read: Callable[[object], Asked], write: Writer) -> Response:
    world: World = request.app.state.world
    call = world.ledger.open(request.url.path)
    try:
        exchange = _accept(request, read, write, world, call)
    except RefusedError as refused:
        world.ledger.refuse(call, refused.answer.status_code)
        return refused.answer
    return run_and_answer(request, call, exchange.run(), exchange.behaviour, events=exchange.asked.stream)


def _accept(request: Request, read: Callable[[object], Asked], write: Writer, world: World, call: Call) -> Exchange:
    key: ApiKey = request.state.key
    call.account, call.api_key = key.account.name, key.name
    call.note(request.state.json)
    try:
        asked = read(request.state.json)
    except InvalidParameterError as error:
        raise invalid(str(error)) from error
    except (AttributeError, KeyError, TypeError) as error:
        raise invalid(f"The request makes no sense: {error}") from error
    call.prompt, call.images = asked.question, asked.pictures
    model = TEXT_MODELS.get(asked.model_id)
    if model is None:
        raise invalid(f"model '{asked.model_id}' is not available")
    behaviour = world.behave(model.behaviour, model.id, asked.question)
    if behaviour.refusal:
        raise misbehave(request, behaviour.refusal)
    highest = model.price(asked.prompt_tokens, asked.max_tokens or DEFAULT_MAX_TOKENS)
    entry = enter_in_books(key, call, highest, world)
    if asked.pictures and not model.sees:
        entry.correct(0)
        call.cost = 0.0
        raise declined("This model does not support image inputs")
    return Exchange(world, call, entry, asked, model, behaviour, write)
