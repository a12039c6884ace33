"""What a text model is asked, read from either of OpenAI's formats."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_imagerouter.sandbox.validation import InvalidParameterError

TOKENS_A_PICTURE = 256


@dataclass(frozen=True)
class Tool:
    """A function the model may call.

    :param parameters: their JSON schema
    """

    name: str
    parameters: Mapping[str, Any]


@dataclass
class Asked:
    """One exchange with a text model.

    :param texts: everything that was said up to now
    :param question: what the user said last
    :param pictures: SHA-256 of each picture, or of its link
    :param tools_called: names of the functions called up to now
    :param tool_choice: `auto`, `none`, `required`, or the name of the function to call
    :param schema: JSON schema of the answer; None for plain words
    :param max_tokens: of the answer, None for no limit
    """

    model_id: str
    stream: bool
    texts: list[str] = field(default_factory=list)
    question: str = ""
    pictures: list[str] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    tools_called: list[str] = field(default_factory=list)
    tool_choice: str = "auto"
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None

    @property
    def prompt_tokens(self) -> int:
        """How many tokens all of it is: one for four characters."""
        return sum(len(text) // 4 + 1 for text in self.texts) + TOKENS_A_PICTURE * len(self.pictures)

    @property
    def seed(self) -> str:
        """A text that is the same for the same exchange."""
        return "\n".join([self.model_id, *self.texts, *self.pictures])


def read_chat(body: object) -> Asked:
    """Read the body of `/v1/openai/chat/completions`.

    :raises InvalidParameterError: about the first thing that is wrong
    """
    fields = _fields(body)
    asked = Asked(_model(fields), fields.get("stream") is True)
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidParameterError("'messages' is a required parameter")
    for message in messages:
        if not isinstance(message, dict):
            raise InvalidParameterError("'messages' must be objects")
        _hear(asked, message.get("role"), message.get("content"))
        for call in message.get("tool_calls") or []:
            asked.tools_called.append(call["function"]["name"])
    _read_tools(asked, fields, [tool.get("function", {}) for tool in _objects(fields.get("tools"))])
    form = fields.get("response_format")
    if isinstance(form, dict) and form.get("type") in ("json_schema", "json_object"):
        asked.schema = (form.get("json_schema") or {}).get("schema") or _schema_in(asked.texts)
    asked.max_tokens = _number(fields.get("max_completion_tokens", fields.get("max_tokens")))
    return asked


def read_response(body: object) -> Asked:
    """Read the body of `/v1/openai/responses`.

    :raises InvalidParameterError: about the first thing that is wrong
    """
    fields = _fields(body)
    asked = Asked(_model(fields), fields.get("stream") is True)
    _hear(asked, "system", fields.get("instructions"))
    items = fields.get("input")
    if not items or not isinstance(items, str | list):
        raise InvalidParameterError("'input' is a required parameter")
    for item in [{"role": "user", "content": items}] if isinstance(items, str) else _objects(items):
        match item.get("type", "message"):
            case "message":
                _hear(asked, item.get("role"), item.get("content"))
            case "function_call":
                asked.tools_called.append(str(item.get("name")))
            case "function_call_output":
                _hear(asked, "tool", item.get("output"))
    _read_tools(asked, fields, [tool for tool in _objects(fields.get("tools")) if tool.get("type") == "function"])
    form = (fields.get("text") or {}).get("format") or {}
    if form.get("type") in ("json_schema", "json_object"):
        asked.schema = form.get("schema") or _schema_in(asked.texts)
    asked.max_tokens = _number(fields.get("max_output_tokens"))
    return asked


def _schema_in(texts: list[str]) -> Mapping[str, Any]:
    """Find the schema that a model is told in words where JSON, but none of a kind, is asked for; empty if none is."""
    for text in texts:
        with suppress(ValueError, RecursionError):
            found, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
            if isinstance(found.get("properties"), dict):
                return dict(found)
    return {}


def _fields(body: object) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise InvalidParameterError("Expected object, received array")
    return body


def _model(fields: Mapping[str, Any]) -> str:
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidParameterError("'model' is a required parameter")
    return model


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _hear(asked: Asked, role: object, content: object) -> None:
    parts = [{"text": content}] if isinstance(content, str) else _objects(content)
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    asked.texts += texts
    if role == "user" and texts:
        asked.question = " ".join(texts)
    asked.pictures += _pictures(part["image_url"] for part in parts if part.get("image_url"))


def _pictures(named: Iterable[Any]) -> list[str]:
    links = [each.get("url", "") if isinstance(each, dict) else each for each in named]
    return [hashlib.sha256(_bytes(link)).hexdigest() for link in links if isinstance(link, str)]


def _bytes(link: str) -> bytes:
    """Give the bytes of a data URI; of a link, itself: the sandbox does not look at it."""
    head, _, data = link.partition(";base64,")
    if not head.startswith("data:"):
        return link.encode()
    try:
        return base64.b64decode(data)
    except binascii.Error as error:
        raise InvalidParameterError("'image_url' is no valid data URI") from error


def _read_tools(asked: Asked, fields: Mapping[str, Any], functions: Iterable[Mapping[str, Any]]) -> None:
    asked.tools = [Tool(function.get("name", ""), function.get("parameters") or {}) for function in functions]
    choice = fields.get("tool_choice") or "auto"
    if isinstance(choice, dict):
        choice = choice.get("name") or (choice.get("function") or {}).get("name") or "auto"
    asked.tool_choice = str(choice)
