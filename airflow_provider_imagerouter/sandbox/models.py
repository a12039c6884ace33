"""The models the sandbox offers, and the three listings the API makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from airflow_provider_imagerouter.sandbox.behaviours import BEHAVIOURS, LISTED_TIMED, find_behaviour

SANDBOX_PRICE = {"min": 0.004, "average": 0.004, "max": 0.01}
"""What every `sandbox/…` model costs, in USD: the average, after the maximum was taken in advance."""


@dataclass(frozen=True)
class Model:
    """One model.

    :param id: what a call names it by
    :param entry: what `/v1/models` says of it
    :param aliases: its old names
    :param needs_image: the provider fails without an input picture
    :param single_image: takes one input picture only
    :param cuts_out: answers with the input picture's foreground
    :param draws_vectors: answers with an SVG
    """

    id: str
    entry: Mapping[str, Any]
    aliases: tuple[str, ...] = ()
    needs_image: bool = False
    single_image: bool = False
    cuts_out: bool = False
    draws_vectors: bool = False

    @property
    def video(self) -> bool:
        """Whether it makes videos."""
        return "video" in self.entry["output"]

    @property
    def edits(self) -> bool:
        """Whether it takes input pictures."""
        return bool(self.entry["supported_params"]["edit"])

    @property
    def masks(self) -> bool:
        """Whether it takes a mask."""
        return bool(self.entry["supported_params"]["mask"])

    @property
    def sizes(self) -> list[str]:
        """The sizes it draws in, empty if any will do."""
        return list(self.entry.get("sizes", []))

    @property
    def free(self) -> bool:
        """Whether it is one of the free models with a daily limit."""
        return ":free" in self.id

    @property
    def free_of_charge(self) -> bool:
        """Whether one of its providers asks for nothing."""
        return any(provider["pricing"].get("value") == 0 for provider in self.entry["providers"])

    @cached_property
    def price(self) -> dict[str, float]:
        """Lowest, usual and highest price in USD, over all providers; the usual one is the first's."""
        ranges = [_range(provider["pricing"]) for provider in self.entry["providers"]]
        return {
            "min": min(each["min"] for each in ranges),
            "average": ranges[0]["average"],
            "max": max(each["max"] for each in ranges),
        }

    @property
    def highest_price(self) -> float:
        """What is taken before a call, in USD."""
        return _range(self.entry["providers"][0]["pricing"])["max"]

    def price_of(self, quality: str) -> float:
        """Say what a call costs in the end, in USD.

        :param quality: the quality asked for
        """
        which = {"low": "min", "high": "max"}.get(quality, "average")
        return _range(self.entry["providers"][0]["pricing"])[which]

    def length(self, seconds: float | None) -> float:
        """Say how long a video gets, in seconds: a length it does not offer becomes the default.

        :param seconds: the length asked for
        """
        offered: list[float] = self.entry["seconds"]
        return seconds if seconds is not None and seconds in offered else float(self.entry["default_seconds"])

    @property
    def inputs(self) -> dict[str, Any]:
        """What it takes, as `/v2/models` says it."""
        takes = {"image": self.edits, "mask": self.masks, "quality": self.entry["supported_params"]["quality"]}
        takes["size"] = self.sizes or ["custom"]
        return takes | ({"seconds": self.entry["seconds"]} if "seconds" in self.entry else {})

    @property
    def entry_v2(self) -> dict[str, Any]:
        """What `/v2/models` says of it."""
        dated = {"release_date": self.entry["release_date"]} if "release_date" in self.entry else {}
        known = {"id": self.id, "aliases": list(self.aliases)} | dated
        return known | {"inputs": self.inputs, "output": self.entry["output"], "price": self.price}

    @property
    def entry_v3(self) -> dict[str, Any]:
        """What `/v3/models` says of it."""
        takes = {"text": self.entry["supported_params"]["text"], "image": self.edits}
        modalities = {
            "input_modalities": [name for name, taken in takes.items() if taken],
            "output_modalities": self.entry["output"],
        }
        sizes = {"size": self.inputs["size"]}
        return {"id": self.id, "architecture": modalities, "parameters": sizes, "pricing": self.price}

    @property
    def entry_alone(self) -> dict[str, Any]:
        """What `/v1/models/<id>` says of it."""
        kept = {key: value for key, value in self.entry.items() if key not in ("output", "supported_params")}
        return kept | {"inputs": self.inputs, "output": self.entry["output"]}


def _range(pricing: Mapping[str, Any]) -> dict[str, float]:
    if "value" in pricing:
        return dict.fromkeys(("min", "average", "max"), pricing["value"])
    return dict(pricing["range"])


class Catalogue:
    """All models, in the order of the listings."""

    def __init__(self) -> None:
        """Read the models recorded from the API, and add the sandbox's own."""
        recorded = json.loads(resources.files(__package__).joinpath("models.json").read_text("utf-8"))
        self._aliases: dict[str, str] = recorded["aliases"]
        self._models = {
            model_id: _recorded_model(model_id, entry, self._aliases, recorded["traits"].get(model_id, {}))
            for model_id, entry in recorded["models"].items()
        }
        for name in (*BEHAVIOURS, *LISTED_TIMED):
            self._models[name] = _sandbox_model(name)

    def unalias(self, model_id: str) -> str:
        """Replace an alias by the model it stands for."""
        return self._aliases.get(model_id, model_id)

    def resolve(self, model_id: str) -> Model | None:
        """Find a model for a generation: by id, by alias, or one of the unlisted ones that take so many seconds."""
        model = self._models.get(self.unalias(model_id))
        if model is None and find_behaviour(model_id):
            return _sandbox_model(model_id)
        return model

    def get(self, model_id: str) -> Model | None:
        """Find a listed model by its id."""
        return self._models.get(model_id)

    def listed(self) -> list[Model]:
        """All models that the listings show."""
        return list(self._models.values())


def _recorded_model(model_id: str, entry: dict[str, Any], aliases: dict[str, str], traits: dict[str, bool]) -> Model:
    """Describe a model of February 2026 as today's listing does, which has one flag more: whether it heeds a prompt."""
    flags = {"text": not traits.get("cuts_out", False)} | entry["supported_params"]
    old_names = tuple(alias for alias, model in aliases.items() if model == model_id)
    return Model(model_id, entry | {"supported_params": flags}, old_names, **traits)


def _sandbox_model(name: str) -> Model:
    entry = {
        "providers": [
            {"id": "sandbox", "model_name": name, "pricing": {"type": "post_generation", "range": SANDBOX_PRICE}}
        ],
        "release_date": "2026-11-01",
        "output": ["image"],
        "supported_params": {"text": True, "mask": True, "quality": True, "edit": True},
    }
    return Model(name, entry)
