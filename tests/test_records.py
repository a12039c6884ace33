from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from airflow_provider_imagerouter.api.answer import Answer, Picture
from airflow_provider_imagerouter.api.request import ImageRequest
from airflow_provider_imagerouter.records import Record, records_of, share_cost, total_cost

REQUEST = ImageRequest(model="test/test", prompt="a cat")
COSTS = [Decimal(units) / 10_000 for units in (*range(300), 3001, 9_999, 10_000, 29_999, 123_456, 9_999_999_999)]


@pytest.mark.parametrize("number", range(1, 20))
def test_shares_add_up_exactly(number: int) -> None:
    for cost in [*COSTS, Decimal("0.000000001"), Decimal("123456.789012345")]:
        shares = share_cost(cost, number)
        assert sum(map(Fraction, shares)) == Fraction(cost)
        assert min(shares) >= 0
        assert max(shares) - min(shares) < Decimal("0.0001") * number


def answer(cost: Decimal | None, number: int) -> Answer:
    pictures = tuple(Picture(f"https://pictures.invalid/{index}.png", None, None) for index in range(number))
    return Answer(pictures, cost, 6942, datetime(2026, 11, 22, 13, 30, tzinfo=UTC))


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_shares_add_up_after_json(number: int) -> None:
    """XCom is JSON: binary floating point numbers, which do not add up by themselves."""
    for cost in COSTS:
        records = json.loads(json.dumps(records_of(REQUEST, answer(cost, number))))
        assert total_cost(records) == float(cost)
        assert sum(Decimal(str(record["cost_usd"])) for record in records) == cost


def test_an_unknown_cost() -> None:
    records = records_of(REQUEST, answer(None, 2))
    assert [record["cost_usd"] for record in records] == [None, None]
    assert total_cost(records) is None
    assert total_cost([*records, *records_of(REQUEST, answer(Decimal(1), 1))]) is None


def test_no_pictures_cost_nothing() -> None:
    assert total_cost([]) == 0


def test_a_record_has_every_key() -> None:
    [record] = records_of(REQUEST, answer(Decimal("0.004"), 1))
    assert record == {
        "uri": "https://pictures.invalid/0.png",
        "url": "https://pictures.invalid/0.png",
        "path": None,
        "duration_seconds": None,
        "content_type": None,
        "width": None,
        "height": None,
        "size_bytes": None,
        "sha256": None,
        "model": "test/test",
        "prompt": "a cat",
        "revised_prompt": None,
        "cost_usd": 0.004,
        "unchanged": None,
        "inputs": [],
        "metadata": None,
        "latency_ms": 6942,
        "created_at": "2026-11-22T13:30:00Z",
    }
    assert set(record) == set(Record.__annotations__)


def test_an_answer_that_does_not_say_when() -> None:
    """Then it is now, in UTC."""
    before = datetime.now(UTC)
    [record] = records_of(REQUEST, Answer((Picture("https://pictures.invalid/a", None, None),), None, None, None))
    assert before <= datetime.fromisoformat(record["created_at"]) <= datetime.now(UTC)
    assert record["created_at"].endswith("Z")
