"""Makes up words, and values that fit a JSON schema; the same seed always gives the same ones."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Mapping
from itertools import cycle, product
from typing import Any

DEFAULT_ITEMS = 3
DEEPEST = 8

_VIEWS = ("at dawn", "in the rain", "in soft light", "by night", "from far away", "in late summer", "after the storm")
_MANNERS = ("wide angle", "muted colours", "fine detail", "calm mood", "warm tones", "sharp contrast", "film grain")
_DATES = {"date": "2026-11-24", "date-time": "2026-11-24T12:00:00Z", "time": "12:00:00", "duration": "PT12H"}
_LINKS = {"uri": "https://example.org/", "email": "someone@example.org", "uuid": "00000000-0000-4000-8000-000000000000"}


class Inventor:
    """Makes things up about one subject.

    :param subject: any text; its first words return in what is made up
    :param seed: any text
    """

    def __init__(self, subject: str, seed: str) -> None:
        """Start from the seed."""
        self._words = " ".join(re.findall(r"[^\W_]+(?:['’-]\w+)*", subject)[:12]) or "Nothing"
        self._chance = random.Random(hashlib.sha256(seed.encode("utf-8", "replace")).digest())  # noqa: S311
        endings = list(product(_VIEWS, _MANNERS))
        self._endings = cycle(self._chance.sample(endings, len(endings)))

    def phrase(self) -> str:
        """Say something about the subject that would do as a prompt for a picture; something else each time."""
        return ", ".join((self._words, *next(self._endings)))

    def value(self, schema: Mapping[str, Any]) -> Any:
        """Make up a value that fits a schema; an empty schema gives an object with a text."""
        if not schema:
            return {"text": self.phrase()}
        return self._value(schema, schema, 0)

    def _value(self, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
        schema = _resolve(schema, root)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._chance.choice(schema["enum"])
        match _type(schema):
            case "object":
                return self._object(schema, root, depth)
            case "array":
                return self._array(schema, root, depth)
            case "integer":
                return self._multiple(schema, schema.get("multipleOf", 1))
            case "number":
                step = schema.get("multipleOf")
                return self._number(schema) if step is None else round(self._multiple(schema, step), 9)
            case "boolean":
                return self._chance.random() < 0.5
            case "null":
                return None
            case _:
                return self._string(schema)

    def _object(self, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
        wanted = schema.get("properties", {})
        if depth >= DEEPEST:
            wanted = {name: wanted[name] for name in schema.get("required", []) if name in wanted}
        return {name: self._value(each, root, depth + 1) for name, each in wanted.items()}

    def _array(self, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self._value(each, root, depth + 1) for each in schema["prefixItems"]]
        least = schema.get("minItems", 0)
        count = min(max(least, 0 if depth >= DEEPEST else DEFAULT_ITEMS), schema.get("maxItems", math.inf))
        return [self._value(schema.get("items", {}), root, depth + 1) for _ in range(int(count))]

    def _multiple(self, schema: Mapping[str, Any], step: float) -> float:
        low, high = _bounds(schema, step)
        least, most = math.ceil(round(low / step, 6)), math.floor(round(high / step, 6))
        return self._chance.randint(least, max(least, most)) * step

    def _number(self, schema: Mapping[str, Any]) -> float:
        low, high = _bounds(schema, 1e-9)
        exact = self._chance.uniform(low, high)
        short = round(exact, 2)
        return short if low <= short <= high else exact

    def _string(self, schema: Mapping[str, Any]) -> str:
        kind = schema.get("format", "")
        text = (_DATES | _LINKS).get(kind) or self.phrase()
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references, and take the first choice that is something."""
    for _ in range(DEEPEST):
        if "$ref" in schema:
            found: Any = root
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        elif choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            schema = next((each for each in choices if each.get("type") != "null"), choices[0])
    return schema


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        return next((str(each) for each in kind if each != "null"), "null")
    return str(kind)


def _bounds(schema: Mapping[str, Any], least_step: float) -> tuple[float, float]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf) + least_step)
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf) - least_step)
    if math.isinf(low):
        low = 0 if high > 0 else high - 10
    return low, low + 10 * max(1, least_step) if math.isinf(high) else high


def compact_json(value: object) -> str:
    """Write JSON as models do."""
    return json.dumps(value, ensure_ascii=False)
