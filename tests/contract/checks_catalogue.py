"""The listings of models: that they can be read, and what they say."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from airflow_provider_imagerouter.api import listing
from airflow_provider_imagerouter.api.catalogue import Catalogue, Model
from airflow_provider_imagerouter.exceptions import ImageRouterError
from contract.expectation import Check, Expectation, Seen, find, type_of, verdict
from contract.server import TEST_IMAGE, TEST_VIDEO, Ask, Server

V1 = Ask("GET", "/v1/models")
V2 = Ask("GET", "/v2/models")
V3 = Ask("GET", "/v3/models")
LISTINGS = {ask.path: ask for ask in (V1, V2, V3)}

MOST = 0.9
"""How much of the catalogue makes a fact known of it: a few models may lack anything."""


def _read(server: Server, ask: Ask) -> tuple[Catalogue, list[str]]:
    """Return a listing as the package reads it, and its warnings."""

    def find() -> tuple[Catalogue, list[str]]:
        warnings = _Warnings()
        listing.log.addHandler(warnings)
        listing.log.propagate = False
        try:
            return listing.read_listing(server.ask(ask).copy()), warnings.texts
        finally:
            listing.log.removeHandler(warnings)
            listing.log.propagate = True

    return server.once((_read, ask), find)


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _readable(ask: Ask, shape: type, words: str) -> Expectation:
    """Expect a listing in which everything makes sense, and in the shape that it has had; all shapes are read."""

    def look(server: Server) -> Seen:
        models, warnings = _read(server, ask)
        answered = server.ask(ask)
        as_ever = isinstance(answered.payload, shape) and not find(answered.payload, "data")[0]
        text = "; ".join(warnings) or f"{type_of(answered.payload)} of {len(models)} models"
        return verdict(text, bool(models) and not warnings, as_ever=as_ever)

    return Expectation(f"{words} in which every entry and field makes sense", look)


def _known(ask: Ask, what: str, knows: Callable[[Model], Any], share: float = MOST, of: str = "") -> Expectation:
    """
    Expect that a listing says something of its models; where it does not, another one may.

    :param what: it says
    :param knows: whether it does of one
    :param share: of the models, at least; 0 for one of them
    :param of: what these models make; all of them if empty
    """

    def count(models: Catalogue) -> tuple[str, bool]:
        each = [bool(knows(model)) for model in models.values() if of in model.output or not of]
        return f"{sum(each)} of {len(each)}", sum(each) > 0 and sum(each) >= share * len(each)

    def look(server: Server) -> Seen:
        text, is_known = count(_read(server, ask)[0])
        return verdict(text, is_known or count(_together(server, of))[1], as_ever=is_known)

    return Expectation(f"{what}: {f'{share:.0%} of the' if share else 'of some'} {of} models".replace("  ", " "), look)


def _together(server: Server, output: str) -> Catalogue:
    """Return what the package makes of all listings."""
    listings = listing.Listings(output="text") if output == "text" else listing.Listings()
    for call in listings:
        try:
            listings.add(_read(server, LISTINGS[call.path])[0])
        except ImageRouterError as error:
            listings.add(error)
    return listings.catalogue()


def _dummy(ask: Ask, model_id: str, output: str) -> Expectation:
    def look(server: Server) -> Seen:
        model = _read(server, ask)[0].get(model_id)
        if model is None:
            return verdict("not listed", fits=False)
        text = f"{', '.join(model.output) or 'unknown'} for {model.max_price}"
        return verdict(text, output in model.output and model.max_price == 0)

    return Expectation(f"{output} for $0", look)


def _has_price(model: Model) -> bool:
    return model.max_price is not None


_PRICES = "`max_cost_usd` refuses models as of unknown price; `airflow imagerouter models` and `estimate` have no price"
_ABILITIES = "`validate_model=True` lets through what the model does not take, and so does the check before a batch"
_FALLS_BACK = "; the other listings stand in as far as they can"

CHECKS = (
    Check(
        "GET /v1/models", _readable(V1, dict, "an object"), f"Models are left out, or known in part only{_FALLS_BACK}"
    ),
    Check("v1: what models make", _known(V1, "`output`", lambda model: model.output), _ABILITIES),
    Check("v1: prices of pictures", _known(V1, "highest price", _has_price, of="image"), _PRICES),
    Check("v1: prices of videos", _known(V1, "highest price", _has_price, of="video"), _PRICES),
    Check("v1: input pictures", _known(V1, "`edit`", lambda model: model.takes_image is not None), _ABILITIES),
    Check("v1: masks", _known(V1, "`mask`", lambda model: model.takes_mask is not None), _ABILITIES),
    Check("v1: qualities", _known(V1, "`quality`", lambda model: model.takes_quality is not None), _ABILITIES),
    Check("v1: sizes", _known(V1, "`sizes`", lambda model: model.sizes, share=0), _ABILITIES),
    Check("v1: seconds", _known(V1, "`seconds`", lambda model: model.seconds, share=0, of="video"), _ABILITIES),
    Check(f"v1: {TEST_IMAGE}", _dummy(V1, TEST_IMAGE, "image"), "The free test model cannot be used with a budget"),
    Check(f"v1: {TEST_VIDEO}", _dummy(V1, TEST_VIDEO, "video"), "The free test model cannot be used with a budget"),
    Check("GET /v2/models", _readable(V2, list, "an array"), f"Aliases are not known{_FALLS_BACK}"),
    Check(
        "v2: aliases",
        _known(V2, "`aliases`", lambda model: model.aliases, share=0),
        "Old names of models are refused by budgets as of unknown price",
    ),
    Check("v2: prices", _known(V2, "highest price", _has_price), _PRICES),
    Check("GET /v3/models", _readable(V3, list, "an array"), "`airflow imagerouter models --output text` fails"),
    Check(
        "v3: prices of text models",
        _known(V3, "price of a token", lambda model: model.token_prices, of="text"),
        "`airflow imagerouter models --output text` has no prices",
    ),
)
