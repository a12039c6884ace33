"""What a text model says: words, JSON, or a call of one of the user's functions."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_imagerouter.sandbox.words.asking import Asked, Tool
from airflow_provider_imagerouter.sandbox.words.invention import Inventor, compact_json
from airflow_provider_imagerouter.sandbox.words.text_models import THINKING_TOKENS, TextModel


@dataclass(frozen=True)
class Speech:
    """An answer.

    :param text: the words; empty if there are none
    :param tool: the function that is called instead
    :param thinking_tokens: used up before the first word
    :param cut: whether it ends because its tokens were used up
    """

    text: str
    tool: Tool | None = None
    thinking_tokens: int = 0
    cut: bool = False

    @property
    def tokens(self) -> int:
        """How many tokens it is, thinking included."""
        return self.thinking_tokens + (len(self.text) // 4 + 1 if self.text else 0)


def speak(asked: Asked, model: TextModel) -> Speech:
    """Answer; the same exchange always gives the same words."""
    room = asked.max_tokens
    thinking = THINKING_TOKENS if model.thinks else 0
    if room is not None and room <= thinking:
        return Speech("", thinking_tokens=room, cut=True)
    inventor = Inventor(asked.question, asked.seed)
    tool = _tool_to_call(asked)
    if tool:
        return Speech(compact_json(inventor.value(tool.parameters or {"type": "object"})), tool, thinking)
    text = inventor.phrase() if asked.schema is None else compact_json(inventor.value(asked.schema))
    longest = None if room is None else 4 * (room - thinking) - 1
    return Speech(text[:longest], thinking_tokens=thinking, cut=longest is not None and len(text) > longest)


def _tool_to_call(asked: Asked) -> Tool | None:
    """Choose a function: the one that was asked for, else each once, those that end the exchange last."""
    named = [tool for tool in asked.tools if tool.name == asked.tool_choice]
    if named or asked.tool_choice == "none" or not asked.tools:
        return named[0] if named else None
    new = [tool for tool in asked.tools if tool.name not in asked.tools_called]
    if new:
        return min(new, key=lambda tool: tool.name.startswith("final_result"))
    return asked.tools[-1] if asked.tool_choice == "required" else None
