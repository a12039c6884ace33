"""Answers in the format of OpenAI's chat completions, whole or as server-sent events."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_imagerouter.sandbox.words.speech import Speech


@dataclass(frozen=True)
class Bill:
    """What an exchange comes to.

    :param exact: USD
    :param charged: USD, rounded up to 1/10000
    """

    prompt_tokens: int
    completion_tokens: int
    exact: float
    charged: float


def pieces(text: str) -> list[str]:
    """Cut a text into the words that a stream brings one by one."""
    return re.findall(r"\s*\S+\s*", text)


def completion(call_id: str, model_id: str, speech: Speech, bill: Bill) -> dict[str, Any]:
    """Build a whole answer."""
    choice = {"index": 0, "message": _message(call_id, speech), "finish_reason": _finish(speech)}
    head = _head(call_id, model_id, "chat.completion")
    return head | {"choices": [choice], "usage": _usage(speech, bill), "cost": bill.charged}


def chunks(call_id: str, model_id: str, speech: Speech, bill: Bill) -> Iterator[dict[str, Any]]:
    """Build an answer's events; the last one has usage and cost."""
    head = _head(call_id, model_id, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    if speech.tool:
        named = {"name": speech.tool.name, "arguments": ""}
        call = {"index": 0, "id": f"call_{call_id}", "type": "function", "function": named}
        yield chunk({"role": "assistant", "content": None, "tool_calls": [call]})
        for piece in pieces(speech.text):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    else:
        yield chunk({"role": "assistant", "content": ""})
        for piece in pieces(speech.text):
            yield chunk({"content": piece})
    yield chunk({}, _finish(speech))
    yield head | {"choices": [], "usage": _usage(speech, bill), "cost": bill.charged}


def _head(call_id: str, model_id: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{call_id}", "object": kind, "created": int(time.time()), "model": model_id}


def _message(call_id: str, speech: Speech) -> dict[str, Any]:
    if not speech.tool:
        return {"role": "assistant", "content": speech.text, "refusal": None}
    function = {"name": speech.tool.name, "arguments": speech.text}
    call = {"id": f"call_{call_id}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}


def _finish(speech: Speech) -> str:
    if speech.cut:
        return "length"
    return "tool_calls" if speech.tool else "stop"


def _usage(speech: Speech, bill: Bill) -> dict[str, Any]:
    thought = {"completion_tokens_details": {"reasoning_tokens": speech.thinking_tokens}}
    return {
        "prompt_tokens": bill.prompt_tokens,
        "completion_tokens": bill.completion_tokens,
        "total_tokens": bill.prompt_tokens + bill.completion_tokens,
        "cost": bill.exact,
    } | (thought if speech.thinking_tokens else {})
