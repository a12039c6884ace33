"""Answers in the format of OpenAI's responses, whole or as server-sent events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

from airflow_provider_imagerouter.sandbox.words.chat_format import Bill, pieces
from airflow_provider_imagerouter.sandbox.words.speech import Speech


def response(call_id: str, model_id: str, speech: Speech, bill: Bill) -> dict[str, Any]:
    """Build a whole answer."""
    output = [_reasoning(call_id)] * bool(speech.thinking_tokens) + _said(call_id, speech)
    status = "incomplete" if speech.cut else "completed"
    return _head(call_id, model_id, status) | {
        "incomplete_details": {"reason": "max_output_tokens"} if speech.cut else None,
        "output": output,
        "usage": _usage(speech, bill),
        "cost": bill.charged,
    }


def events(call_id: str, model_id: str, speech: Speech, bill: Bill) -> Iterator[dict[str, Any]]:
    """Build an answer's events; the last one has the whole answer."""
    numbers = count()
    whole = response(call_id, model_id, speech, bill)

    def event(kind: str, **more: Any) -> dict[str, Any]:
        return {"type": f"response.{kind}", "sequence_number": next(numbers)} | more

    begun = _head(call_id, model_id, "in_progress") | {"incomplete_details": None, "output": [], "usage": None}
    yield event("created", response=begun)
    yield event("in_progress", response=begun)
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        match item["type"]:
            case "message":
                yield event(
                    "output_item.added", output_index=index, item=item | {"content": [], "status": "in_progress"}
                )
                place |= {"content_index": 0}
                yield event("content_part.added", **place, part=_text(""))
                for piece in pieces(speech.text):
                    yield event("output_text.delta", **place, delta=piece, logprobs=[])
                yield event("output_text.done", **place, text=speech.text, logprobs=[])
                yield event("content_part.done", **place, part=_text(speech.text))
            case "function_call":
                yield event(
                    "output_item.added", output_index=index, item=item | {"arguments": "", "status": "in_progress"}
                )
                for piece in pieces(speech.text):
                    yield event("function_call_arguments.delta", **place, delta=piece)
                yield event("function_call_arguments.done", **place, arguments=speech.text, name=item["name"])
            case _:
                yield event("output_item.added", output_index=index, item=item)
        yield event("output_item.done", output_index=index, item=item)
    yield event(whole["status"], response=whole)


def _head(call_id: str, model_id: str, status: str) -> dict[str, Any]:
    return {
        "id": f"resp_{call_id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "instructions": None,
        "metadata": {},
        "model": model_id,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def _reasoning(call_id: str) -> dict[str, Any]:
    return {"id": f"rs_{call_id}", "type": "reasoning", "summary": []}


def _said(call_id: str, speech: Speech) -> list[dict[str, Any]]:
    if speech.tool:
        called = {"call_id": f"call_{call_id}", "name": speech.tool.name, "arguments": speech.text}
        return [{"id": f"fc_{call_id}", "type": "function_call", "status": "completed"} | called]
    if not speech.text:
        return []
    head = {"id": f"msg_{call_id}", "type": "message", "status": "completed", "role": "assistant"}
    return [head | {"content": [_text(speech.text)]}]


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(speech: Speech, bill: Bill) -> dict[str, Any]:
    return {
        "input_tokens": bill.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": bill.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": speech.thinking_tokens},
        "total_tokens": bill.prompt_tokens + bill.completion_tokens,
        "cost": bill.exact,
    }
