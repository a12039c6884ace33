"""The catalogue in every shape there is or was, and what no shape can break."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.api.catalogue import Catalogue, Model, estimate_cost
from airflow_provider_imagerouter.api.listing import Listings, read_listing
from airflow_provider_imagerouter.api.preflight import check_model
from airflow_provider_imagerouter.api.request import ImageRequest, VideoRequest
from airflow_provider_imagerouter.exceptions import (
    ImageRouterConnectionError,
    ImageRouterError,
    ImageRouterInputError,
    ImageRouterInvalidRequestError,
    ImageRouterServerError,
)

FOLDER = Path(__file__).parent / "catalogues"
SHAPES = sorted(path.stem for path in FOLDER.glob("*.json"))
PRICES = {
    "acme/painter": ("0.01", "0.02", "0.05"),
    "acme/sketch:free": ("0", "0", "0"),
    "acme/upscale": ("0.0006", "0.0006", "0.0006"),
    "studio/waves": ("0.35", "0.7", "1.4"),
}


def recorded(shape: str) -> Any:
    return json.loads((FOLDER / f"{shape}.json").read_text())


def read(listing: Any) -> Catalogue:
    return read_listing(Reply(200, {}, json.dumps(listing).encode()))


def one(**entry: Any) -> Model:
    """What becomes of one entry of a listing."""
    return read({"a/b": {"output": ["image"], **entry}})["a/b"]


def test_all_shapes_are_recorded() -> None:
    assert SHAPES == ["v1_february", "v1_october", "v2_array", "v2_envelope", "v2_object", "v3_array"]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_says_the_same(shape: str, caplog: pytest.LogCaptureFixture) -> None:
    models = read(recorded(shape))
    assert [name for name in models if models[name].output != ("text",)] == list(PRICES)
    for name, prices in PRICES.items():
        model = models[name]
        assert model.id == name
        assert (model.min_price, model.average_price, model.max_price) == tuple(map(Decimal, prices))
        assert model.output == (("video",) if name == "studio/waves" else ("image",))
        assert model.takes_image is (name != "acme/sketch:free")
    assert models["acme/painter"].sizes == ("auto", "1024x1024", "1536x1024")
    assert models["studio/waves"].seconds == (Decimal("1.2"), 5, 10)
    assert caplog.records == []


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "v3_array"])
def test_masks_and_qualities(shape: str) -> None:
    models = read(recorded(shape))
    assert [name for name in models if models[name].takes_mask] == ["acme/painter"]
    assert [name for name in models if models[name].takes_quality] == ["acme/painter"]
    assert models["acme/upscale"].takes_mask is False


def test_what_a_listing_does_not_say_is_not_known() -> None:
    painter = read(recorded("v3_array"))["acme/painter"]
    assert (painter.takes_mask, painter.takes_quality, painter.release_date) == (None, None, None)


@pytest.mark.parametrize("shape", ["v2_array", "v2_envelope"])
def test_aliases_count_as_their_model(shape: str) -> None:
    models = read(recorded(shape))
    assert models["acme/paint"] is models["acme/painter"]
    assert "studio/waves-1" in models
    assert "acme/paint" not in list(models)
    assert len(models) == 4
    estimate = estimate_cost(models, [{"model": "acme/paint", "n": 2}], str)
    assert (estimate.min, estimate.max) == (Decimal("0.02"), Decimal("0.10"))


def test_text_models_have_prices_of_tokens() -> None:
    novel = read(recorded("v3_array"))["wordsmith/novel-2"]
    assert novel.output == ("text",)
    assert novel.token_prices == {"prompt": Decimal("0.00001"), "completion": Decimal("0.00003")}
    assert novel.max_price is None


# What a listing may say besides, tomorrow.

PRICES_AS_SAID = [
    ({"price": {"min": "0.01", "average": "0.02", "max": "1e-1"}}, ("0.01", "0.02", "0.1")),
    ({"price": 0.04}, ("0.04",) * 3),
    ({"price": "0.04"}, ("0.04",) * 3),
    ({"price": {"value": 0.04}}, ("0.04",) * 3),
    ({"price": {"max": 0.04}}, (None, None, "0.04")),
    ({"price": {"min": 0.01, "max": None}}, ("0.01", None, None)),
    ({"pricing": {"type": "fixed", "value": 0.04}}, ("0.04",) * 3),
    ({"pricing": {"range": {"min": 0.01, "average": 0.02, "max": 0.03}}}, ("0.01", "0.02", "0.03")),
    ({"price": None, "pricing": {"min": 0, "average": 0, "max": 0}}, ("0",) * 3),
    ({"price": {}}, (None,) * 3),
    ({"price": {"min": 0.0084, "average": 0.0042, "max": 0.0026}}, ("0.0084", "0.0042", "0.0084")),
    ({}, (None,) * 3),
    ({"providers": []}, (None,) * 3),
    ({"providers": [{"pricing": {"value": 0.02}}, {"pricing": {"type": "negotiable"}}]}, ("0.02", "0.02", None)),
    ({"providers": [{"id": "one"}, {"pricing": {"value": 0.02}}]}, ("0.02", None, None)),
]


@pytest.mark.parametrize(("said", "prices"), PRICES_AS_SAID, ids=str)
def test_prices(said: dict[str, Any], prices: tuple[str | None, ...], caplog: pytest.LogCaptureFixture) -> None:
    model = one(**said)
    expected = tuple(None if price is None else Decimal(price) for price in prices)
    assert (model.min_price, model.average_price, model.max_price) == expected
    assert caplog.records == []


ODD_FIELDS: list[tuple[str, Any]] = [
    *(("price", odd) for odd in (-1, True, "much", "NaN", "Infinity", [], 1e9, {"max": "x"})),
    *(("providers", odd) for odd in ({}, [None], "x", [{"pricing": {"value": "much"}}], [{"pricing": 5e9}])),
    ("sizes", [{"width": 5}]),
    ("sizes", 5),
    ("seconds", ["short"]),
    ("seconds", {"min": 1}),
    ("aliases", [5]),
    ("aliases", {"x": 1}),
    ("inputs", {"image": "yes"}),
    ("supported_params", {"mask": "no"}),
    ("release_date", 20250423),
]


@pytest.mark.parametrize(("field", "odd"), ODD_FIELDS, ids=str)
def test_a_field_that_makes_no_sense_is_left_out_and_named_once(
    field: str, odd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    listing = recorded("v1_february")
    models = read({**listing, "a/b": {"output": ["image"], field: odd}})
    assert models["a/b"].output == ("image",)
    assert models["a/b"].max_price is None
    assert [name for name in models if name != "a/b"] == list(PRICES)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert field in record.getMessage()
    assert "a/b" in record.getMessage()


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, {"output": 5}, {"id": "a/b"}, {"price": "much"}], ids=repr)
def test_an_entry_that_makes_no_sense_is_left_out_and_named_once(odd: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert list(read({"a/b": odd, **recorded("v2_object")})) == list(PRICES)
    (record,) = caplog.records
    assert "a/b" in record.getMessage()


def test_an_item_without_an_id_is_named_by_its_number(caplog: pytest.LogCaptureFixture) -> None:
    listing = [*recorded("v2_array"), {"output": ["image"]}, None, {"id": 5, "output": ["image"]}]
    assert list(read(listing)) == list(PRICES)
    (record,) = caplog.records
    assert all(f"entry {number}" in record.getMessage() for number in (5, 6, 7))


def test_a_listing_full_of_nonsense_is_told_of_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    read({**recorded("v2_object"), **{f"a/{number}": "x" * 5000 for number in range(500)}})
    (record,) = caplog.records
    assert "and 490 more" in record.getMessage()
    assert len(record.getMessage()) < 2000


def test_unknown_keys_are_news_and_no_faults(caplog: pytest.LogCaptureFixture) -> None:
    model = one(price=0.04, licence="open", inputs={"image": True, "audio": {"seconds": 5}, "size": "auto"})
    assert (model.max_price, model.takes_image, model.sizes) == (Decimal("0.04"), True, ("auto",))
    assert caplog.records == []


@pytest.mark.parametrize("listing", [{"a/b": 5}, [5], {"data": [{}]}, "a/b", 5, None])
def test_a_listing_of_nothing_but_nonsense_is_none(listing: Any) -> None:
    with pytest.raises(ImageRouterServerError, match="makes no sense"):
        read(listing)


@pytest.mark.parametrize("listing", [{"error": {"message": "broke"}}, {"error": None}, {"error": "x", "data": []}])
def test_an_error_is_no_listing(listing: Any) -> None:
    with pytest.raises(ImageRouterError):
        read(listing)


# What is asked for, and what the answers say together.


def asked(outcomes: dict[str, Any], **filters: Any) -> tuple[list[str], Catalogue]:
    """Play an API whose listings are these (or errors), and return what was asked and what came of it."""
    listings, paths = Listings(**filters), []
    for call in listings:
        paths.append(call.path)
        outcome = outcomes.get(call.path, ImageRouterInvalidRequestError("404"))
        listings.add(outcome if isinstance(outcome, ImageRouterError) else read(outcome))
    return paths, listings.catalogue()


V1, V2, V3 = "/v1/models", "/v2/models", "/v3/models"


def test_today() -> None:
    """V1 has been stable; v2 knows aliases."""
    paths, models = asked({V1: recorded("v1_october"), V2: recorded("v2_array"), V3: recorded("v3_array")})
    assert paths == [V1, V2]
    assert models["acme/paint"].takes_mask is True
    assert list(models) == list(PRICES)


def test_february() -> None:
    paths, models = asked({V1: recorded("v1_february"), V2: recorded("v2_object")})
    assert paths == [V1, V2]
    assert list(models) == list(PRICES)


@pytest.mark.parametrize("gone", [[V1], [V2], [V1, V2]], ids=str)
def test_one_listing_is_enough(gone: list[str]) -> None:
    listings = {V1: recorded("v1_october"), V2: recorded("v2_array"), V3: recorded("v3_array")}
    _, models = asked({path: listing for path, listing in listings.items() if path not in gone})
    assert list(models) == list(PRICES)


def test_an_empty_listing_is_not_believed() -> None:
    paths, models = asked({V1: {}, V2: [], V3: recorded("v3_array")})
    assert paths == [V1, V2, V3]
    assert list(models) == list(PRICES)


def test_one_listing_completes_the_other() -> None:
    first = {"a/b": {"output": ["image"], "providers": [{"pricing": {"new": "shape"}}]}}
    second = [{"id": "a/b", "price": 0.04, "output": ["video"]}, {"id": "a/new", "price": 0.05}]
    _, models = asked({V1: first, V2: second})
    assert (models["a/b"].output, models["a/b"].max_price) == (("image",), Decimal("0.04"))
    assert models["a/new"].max_price == Decimal("0.05")


def test_an_api_that_is_away_is_asked_once() -> None:
    listings = Listings()
    calls = iter(listings)
    next(calls)
    listings.add(ImageRouterConnectionError("away"))
    assert list(calls) == []
    with pytest.raises(ImageRouterConnectionError, match="away"):
        listings.catalogue()


def test_the_first_error_is_the_one_to_tell() -> None:
    with pytest.raises(ImageRouterInvalidRequestError, match="first"):
        asked({V1: ImageRouterInvalidRequestError("first"), V2: ImageRouterServerError("second")})


def test_text_models_are_in_the_newest_listing() -> None:
    paths, models = asked({V3: recorded("v3_array")}, output="text")
    assert (paths, list(models)) == ([V3], ["wordsmith/novel-2"])


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"output": "video"}, ["studio/waves"]),
        ({"output": "image", "free": False}, ["acme/painter", "acme/upscale"]),
        ({"free": True}, ["acme/sketch:free"]),
        ({"provider": "ACME"}, ["acme/painter", "acme/sketch:free", "acme/upscale"]),
        ({"name": "Painter-2025"}, ["acme/painter"]),
        ({"name": "waves", "provider": "acme"}, []),
    ],
    ids=str,
)
def test_filters(filters: dict[str, Any], names: list[str]) -> None:
    assert list(asked({V1: recorded("v1_october"), V2: recorded("v2_array")}, **filters)[1]) == names


# A name that is none, and a request that a model does not take.

TODAY = asked({V1: recorded("v1_october"), V2: recorded("v2_array")})[1]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("acme/paintr", "ImageRouter's catalogue has no model 'acme/paintr'. Near it: acme/painter, acme/paint"),
        ("ACME/Painter", "Near it: acme/painter"),
        ("zzz", "^ImageRouter's catalogue has no model 'zzz'$"),
    ],
)
def test_a_name_that_is_none_leads_to_those_near_it(name: str, said: str) -> None:
    for use in (TODAY.find, lambda name: estimate_cost(TODAY, [{"model": name}], str)):
        with pytest.raises(ImageRouterInputError, match=said):
            use(name)


def test_a_price_that_is_not_known_is_not_estimated() -> None:
    with pytest.raises(ImageRouterInputError, match="does not say what a/b costs"):
        estimate_cost(Catalogue([Model(id="a/b", output=("image",))]), [{"model": "a/b"}], str)


def test_what_is_not_known_is_taken_for_possible() -> None:
    catalogue = Catalogue([Model(id="a/b", max_price=Decimal(1))])
    check_model(catalogue, ImageRequest(model="a/b", size="5x5"), has_images=True, has_mask=True)
    check_model(catalogue, VideoRequest(model="a/b", seconds=7), has_images=True, has_mask=False)


def test_an_alias_is_checked_as_its_model() -> None:
    with pytest.raises(ImageRouterInputError, match=r"acme/painter takes size auto, 1024x1024, 1536x1024; not 5x5"):
        check_model(TODAY, ImageRequest(model="acme/paint", size="5x5"), has_images=False, has_mask=False)
