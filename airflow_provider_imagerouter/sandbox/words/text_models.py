"""The text models the sandbox offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_imagerouter.sandbox.behaviours import RATE_LIMITED, WELL_BEHAVED, WORDS_FAILED, Behaviour

THINKING_TOKENS = 2_000
"""What a model that thinks uses up before its first word."""


@dataclass(frozen=True)
class TextModel:
    """One text model.

    :param prompt_price: USD a token that goes in, as the listing writes it
    :param completion_price: USD a token that comes out
    :param sees: takes pictures
    :param thinks: uses up two thousand tokens before it answers
    :param behaviour: what goes wrong with it
    """

    id: str
    prompt_price: str
    completion_price: str
    sees: bool = True
    thinks: bool = False
    behaviour: Behaviour = WELL_BEHAVED

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Say what an exchange costs, in USD."""
        price = prompt_tokens * float(self.prompt_price) + completion_tokens * float(self.completion_price)
        return round(price, 12)

    @property
    def entry_v3(self) -> dict[str, Any]:
        """What `/v3/models` says of it."""
        return {
            "id": self.id,
            "architecture": {"input_modalities": ["text", "image"][: 1 + self.sees], "output_modalities": ["text"]},
            "pricing": {"prompt": self.prompt_price, "completion": self.completion_price},
        }


def _sandbox_model(name: str, **more: Any) -> TextModel:
    return TextModel(name, "1.0e-6", "10.0e-6", **more)


TEXT_MODELS: dict[str, TextModel] = {
    model.id: model
    for model in (
        TextModel("openai/gpt-5-mini", "0.25e-6", "2.0e-6"),
        TextModel("google/gemini-3-flash", "0.5e-6", "3.0e-6"),
        TextModel("anthropic/claude-haiku-4.5", "1.0e-6", "5.0e-6"),
        TextModel("deepseek/deepseek-v3.2", "0.28e-6", "0.42e-6", sees=False),
        _sandbox_model("sandbox/words"),
        _sandbox_model("sandbox/words-blind", sees=False),
        _sandbox_model("sandbox/words-thinks", thinks=True),
        _sandbox_model("sandbox/words-slow", behaviour=Behaviour(seconds=8)),
        _sandbox_model("sandbox/words-fails", behaviour=Behaviour(failure=WORDS_FAILED)),
        _sandbox_model("sandbox/words-flaky", behaviour=Behaviour(failure=WORDS_FAILED, first_calls=1)),
        _sandbox_model("sandbox/words-rate-limited", behaviour=Behaviour(refusal=RATE_LIMITED, first_calls=1)),
    )
}
"""All of them, by id; prices are made up."""
