"""Whatever an API sends: our own errors and no others, and no success without a picture that can be used."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_imagerouter.api.answer import read_answer
from airflow_provider_imagerouter.api.books import read_books
from airflow_provider_imagerouter.api.call import Call, Reply
from airflow_provider_imagerouter.api.catalogue import Catalogue
from airflow_provider_imagerouter.api.credits import read_credits
from airflow_provider_imagerouter.api.keys import read_made_key
from airflow_provider_imagerouter.api.listing import read_listing
from airflow_provider_imagerouter.api.parsing import LARGE_BYTES, decode_base64, parse_json
from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.records import share_cost

LINKS = st.sampled_from(
    ["https://pictures.invalid/a.png", "/a.png", "data:image/png;base64,aGk=", "file:///a", "//", "http://[", "\0", ""]
)
ENCODED = st.sampled_from(["aGk=", "aGk", "a Gk\n=", "-_-_", "====", "a", "data:;base64,aGk=", "data:,a", ""])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | LINKS
    | ENCODED
    | st.sampled_from(["internal_error", "Failed to postlog usage for a/b 1", "image", "auto", "10.0e-6"])
)
ANSWER_KEYS = st.sampled_from(
    ["data", "error", "url", "b64_json", "cost", "created", "latency", "revised_prompt", "message", "type", "status"]
)
LISTING_KEYS = st.sampled_from(
    [
        *("id", "aliases", "output", "inputs", "image", "size", "seconds", "sizes", "price", "pricing", "providers"),
        *("min", "average", "max", "value", "range", "supported_params", "edit", "mask", "architecture", "parameters"),
        *("input_modalities", "output_modalities", "release_date", "data", "a/b", "prompt"),
    ]
)


def values(keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any JSON, but made of the API's own words as often as not."""
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=6),
        max_leaves=25,
    )


def reply(body: bytes, status: int = 200) -> Reply:
    return Reply(status, {"Retry-After": "1"}, body, "https://api.invalid/gateway")


def check_error(error: ImageRouterError) -> None:
    assert error.billed in ("yes", "no", "unknown")
    assert len(str(error)) < 1000
    str(error).encode()


ANSWERS = st.one_of(
    values(ANSWER_KEYS),
    st.fixed_dictionaries({"data": values(ANSWER_KEYS)}, optional={"cost": SCALARS, "error": values(ANSWER_KEYS)}),
    st.fixed_dictionaries({"data": st.lists(st.dictionaries(ANSWER_KEYS, SCALARS), max_size=4)}),
).map(lambda value: json.dumps(value).encode())


@given(ANSWERS | st.binary(), st.sampled_from([200, 200, 200, 201, 204, 400, 401, 429, 500, 502, 302, 999]))
@example(b'{"data": [{"url": "a"}], "cost": 1e400}', 200)
@example(b'{"data": [{"b64_json": "\\ud83d"}]}', 200)
def test_an_answer_is_a_picture_or_an_error_of_ours(body: bytes, status: int) -> None:
    try:
        found = Call("POST", "/v1/openai/images/generations", read_answer).result(reply(body, status))
    except ImageRouterError as error:
        check_error(error)
        return
    assert 200 <= status < 300
    assert found.pictures
    for picture in found.pictures:
        if picture.content is None:
            assert picture.url.startswith(("http://", "https://"))
        else:
            assert picture.content
            assert picture.url is None
    assert found.cost is None or 0 <= found.cost < 10**6
    shares = share_cost(found.cost, len(found.pictures))
    assert found.cost is None or sum(shares, Decimal(0)) == found.cost


LISTINGS = st.one_of(
    values(LISTING_KEYS),
    st.dictionaries(st.sampled_from(["a/b", "a/c", "c/d"]), values(LISTING_KEYS), min_size=1),
    st.lists(st.dictionaries(LISTING_KEYS, values(LISTING_KEYS)), min_size=1, max_size=4),
    st.fixed_dictionaries({"data": st.lists(st.dictionaries(LISTING_KEYS, values(LISTING_KEYS)), max_size=4)}),
).map(lambda value: json.dumps(value).encode())


@given(LISTINGS | st.binary(), LISTINGS)
def test_a_listing_is_a_catalogue_or_an_error_of_ours(body: bytes, other: bytes) -> None:
    found = []
    for listing in (body, other):
        try:
            found.append(Call("GET", "/v1/models", read_listing).result(reply(listing)))
        except ImageRouterError as error:
            check_error(error)
    for catalogue in (*found, *(one.completed_by(two) for one in found for two in found)):
        check(catalogue)


def check(catalogue: Catalogue) -> None:
    for name, model in catalogue.items():
        assert model.id == name
        for price in (model.min_price, model.average_price, model.max_price, *model.token_prices.values()):
            assert price is None or 0 <= price < 10**6
        assert all(catalogue[alias] for alias in model.aliases)
        assert all(isinstance(text, str) for text in (*model.output, *model.sizes, *model.aliases))
        assert model.takes_image in (True, False, None)
    catalogue.near("a/b")
    catalogue.select(output="image", name="a", provider="b", free=True)


@given(values(st.sampled_from(["remaining_credits", "credit_usage", "total_deposits"])))
def test_credits_are_amounts_or_an_error_of_ours(value: Any) -> None:
    try:
        found = Call("GET", "/v1/credits", read_credits).result(reply(json.dumps(value).encode()))
    except ImageRouterError:
        return
    assert isinstance(found.remaining, Decimal)


BOOKS_KEYS = st.sampled_from(
    [
        *("usage_by_api_key", "credit_usage", "api_key_id", "api_key_name", "total_requests", "created_at"),
        *("key", "api_key", "id", "data", "name"),
    ]
)


@given(values(BOOKS_KEYS), values(BOOKS_KEYS))
def test_books_are_amounts_or_unknown_or_an_error_of_ours(value: Any, rows: Any) -> None:
    for body in (value, {"usage_by_api_key": rows, "credit_usage": value}):
        try:
            found = Call("GET", "/v1/credits", read_books).result(reply(json.dumps(body).encode()))
        except ImageRouterError as error:
            check_error(error)
            continue
        for key in (*found.keys, found.of("a", None), found.of("a", "a")):
            assert key.spent is None or key.spent >= 0
            assert key.requests is None or key.requests >= 0
        assert found.hidden >= 0


@given(values(BOOKS_KEYS), st.sampled_from([200, 201, 204, 400, 401, 500, 502]))
def test_a_made_key_is_a_key_or_an_error_of_ours(value: Any, status: int) -> None:
    try:
        found = Call("POST", "/v1/api-keys", read_made_key, free=True).result(reply(json.dumps(value).encode(), status))
    except ImageRouterError as error:
        check_error(error)
        return
    assert len(found.key) == 64
    assert found.key not in repr(found)


@given(
    st.binary(min_size=1), st.sampled_from(["", "\n", " \r\n", "\t"]), st.integers(1, 80), st.booleans(), st.booleans()
)
def test_base64_is_read_however_it_is_written(
    content: bytes, space: str, width: int, padded: bool, urlsafe: bool
) -> None:
    encoded = (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(content).decode()
    encoded = encoded if padded else encoded.rstrip("=")
    written = space.join(encoded[start : start + width] for start in range(0, len(encoded), width))
    assert decode_base64(written) == content
    assert decode_base64(f"data:image/webp;base64,{written}") == content


@given(st.lists(st.tuples(st.binary(max_size=300), st.sampled_from(["", "\\n", "\\/"])), max_size=4), values(st.text()))
def test_the_pictures_of_a_large_body_are_read_as_those_of_a_small_one(
    contents: list[tuple[bytes, str]], other: Any
) -> None:
    """Those of a large one stay in the body, unless there are escaped characters in them."""
    encoded = [base64.b64encode(content).decode() for content, _ in contents]
    pictures = ", ".join(
        f'{{"b64_json" : "{text}{escaped}", "revised_prompt": "\\"b64_json\\": \\"x"}}'
        for text, (_, escaped) in zip(encoded, contents, strict=True)
    )
    small = f'{{"data": [{pictures}], "other": {json.dumps(other)}, "cost": 0.004}}'.encode()
    large = small + b" " * LARGE_BYTES
    found = parse_json(large)
    assert [isinstance(item["b64_json"], memoryview) for item in found["data"]] == [not e for _, e in contents]
    for item in found["data"]:
        if isinstance(item["b64_json"], memoryview):
            item["b64_json"] = bytes(item["b64_json"]).decode()
    assert found == parse_json(small)


@given(st.integers(1, 200))
def test_a_large_body_that_is_cut_short_is_none(missing: int) -> None:
    body = b" " * LARGE_BYTES + b'{"data": [{"b64_json": "' + b"QUJD" * 40 + b'"}], "cost": 0.004}'
    assert parse_json(body)["cost"]
    assert parse_json(body[:-missing]) is None
