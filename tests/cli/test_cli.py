"""``airflow imagerouter …`` and ``python -m airflow_provider_imagerouter …``, run as people run them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.__main__ import main

PROGRAMS = pytest.mark.parametrize(
    "program",
    [
        ["-m", "airflow_provider_imagerouter"],
        pytest.param(["-m", "airflow", "imagerouter"], marks=pytest.mark.needs_airflow("3.2")),
    ],
    ids=" ".join,
)
CATALOGUES = Path(__file__).parents[1] / "api" / "catalogues"
SCHNELL = "black-forest-labs/FLUX-1-schnell"


@dataclass
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)

    @property
    def table(self) -> list[list[str]]:
        assert (self.code, self.err) == (0, "")
        return [[cell.strip() for cell in line.split("|")] for line in self.out.splitlines() if "|" in line]

    @property
    def error(self) -> str:
        assert self.code == 1
        assert self.out == ""
        (line,) = self.err.splitlines()
        return line


def start(program: list[str], *arguments: str, connection: str = "") -> Result:
    """Run a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        env={**os.environ, "AIRFLOW_CONN_IMAGEROUTER_DEFAULT": connection},
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def ask(imagerouter_connection, capsys):
    """Run a command in this process, with the sandbox's rich account."""

    def run(*arguments: str) -> Result:
        code, message = 0, ""
        try:
            main(arguments)
        except SystemExit as end:
            code, message = 1, f"{end}\n"  # as Python ends a process
        out, err = capsys.readouterr()
        return Result(code, out, err + message)

    return run


@pytest.fixture
def connect(monkeypatch):
    """Define a connection."""

    def define(conn_id: str, **fields) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": "imagerouter", **fields}))

    return define


@PROGRAMS
def test_it_runs_from_a_shell(program, imagerouter_sandbox):
    connection = imagerouter_sandbox.connection_uri()
    assert start(program, "credits", connection=connection).table == [
        ["remaining", "used", "deposited"],
        ["$100.0000", "$0.0000", "$100.0000"],
    ]
    found = start(program, "models", "--name", SCHNELL, "--edit", "--json", connection=connection).json
    assert [model["id"] for model in found] == [SCHNELL]


@PROGRAMS
def test_a_bad_key_is_one_line_without_the_key_and_an_exit_code(program, imagerouter_sandbox):
    """Of a key so short Airflow logs a warning to standard output, which must not get into the JSON either."""
    result = start(program, "credits", "--json", connection=imagerouter_sandbox.connection_uri("%&!"))
    assert result.error == "Error: ImageRouter answered 401: Invalid authorization token length: 3"


def test_models_as_a_table(ask):
    header, *rows = ask("models", "--provider", "black-forest-labs").table
    assert header == ["model", "makes", "takes", "price"]
    assert [SCHNELL, "image", "image, mask, quality", "$0.0006 to $0.0070"] in rows
    assert [f"{SCHNELL}:free", "image", "quality", "free"] in rows
    assert all(model.startswith("black-forest-labs/") for model, *_ in rows)


def test_models_come_pictures_first_cheapest_first(ask):
    found = ask("models", "--json").json
    order = [(model["output"], model["average_price"]) for model in found]
    assert order == sorted(order)
    assert order[0] == (["image"], 0)
    assert order[-1][0] == ["video"]
    (schnell,) = [model for model in found if model["id"] == SCHNELL]
    assert (schnell["min_price"], schnell["max_price"]) == (0.0006, 0.007)
    assert schnell["sizes"] == ["custom"]


def test_models_are_chosen_by_what_they_do_and_cost(ask):
    everything = {model["id"]: model for model in ask("models", "--json").json}

    def chosen(*options: str) -> set[str]:
        return {model["id"] for model in ask("models", "--json", *options).json}

    def those(condition) -> set[str]:
        found = {model_id for model_id, model in everything.items() if condition(model)}
        assert 0 < len(found) < len(everything)
        return found

    assert chosen("--edit") == those(lambda model: model["takes_image"])
    assert chosen("--mask") == those(lambda model: model["takes_mask"])
    assert chosen("--video") == those(lambda model: model["output"] == ["video"])
    assert chosen("--max-price", "0.007") == those(lambda model: model["max_price"] <= 0.007)
    assert chosen("--name", "flux") == those(lambda model: "flux" in model["id"].lower())
    assert chosen("--edit", "--mask", "--max-price", "0.007", "--name", "schnell") == {SCHNELL}
    assert chosen("--name", "no such model") == set()


def test_text_models_with_prices_of_a_million_tokens(ask, connect, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with RawServer(answer((CATALOGUES / "v3_array.json").read_text())) as server:
        connect("today", host=server.url, password="k" * 64)
        header, *rows = ask("models", "--output", "text", "--conn-id", "today").table
    assert header == ["model", "makes", "takes", "price"]
    assert rows == [["wordsmith/novel-2", "text", "image", "prompt $10.00, completion $30.00 a million tokens"]]


@pytest.mark.parametrize("shape", sorted(path.stem for path in CATALOGUES.glob("*.json")))
def test_every_shape_of_the_catalogue_will_do(shape, ask, connect, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with RawServer(answer((CATALOGUES / f"{shape}.json").read_text())) as server:
        connect("any", host=server.url, password="k" * 64)
        (waves,) = ask("models", "--video", "--json", "--conn-id", "any").json
        estimate = ask("estimate", "--model", "acme/painter", "--n", "2", "--json", "--conn-id", "any").json
    assert (waves["id"], waves["max_price"]) == ("studio/waves", 1.4)
    assert estimate == {"min": 0.02, "average": 0.04, "max": 0.1}


def test_a_model_whose_price_is_not_known_is_listed(ask, connect, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    listing = '{"acme/new": {"output": ["image"]}, "acme/old": {"output": ["image"], "price": {"value": 0.04}}}'
    with RawServer(answer(listing)) as server:
        connect("any", host=server.url, password="k" * 64)
        _, *rows = ask("models", "--conn-id", "any").table
        found = ask("models", "--max-price", "1", "--json", "--conn-id", "any").json
        refused = ask("estimate", "--model", "acme/new", "--conn-id", "any").error
    assert [(row[0], row[-1]) for row in rows] == [("acme/old", "$0.0400"), ("acme/new", "not known")]
    assert [model["id"] for model in found] == ["acme/old"]
    assert refused == "Error: ImageRouter's catalogue does not say what acme/new costs"


def test_an_estimate_counts_every_picture(ask):
    assert ask("estimate", "--model", SCHNELL, "--n", "5").table == [
        ["min", "average", "max"],
        ["$0.0030", "$0.0065", "$0.0350"],
    ]
    assert ask("estimate", "--model", SCHNELL, "--json").json == {"min": 0.0006, "average": 0.0013, "max": 0.007}


def test_an_estimate_without_a_model_takes_the_connections(ask, connect, imagerouter_sandbox):
    assert ask("estimate").error == "Error: No model: name one, or give the connection a default model"
    account = {"host": imagerouter_sandbox.url, "password": imagerouter_sandbox.rich_key}
    connect("shop", **account, extra={"default_model": SCHNELL})
    assert ask("estimate", "--json", "--conn-id", "shop").json["average"] == 0.0013


@PROGRAMS
def test_a_connection_can_be_in_airflows_database(program, airflow_db, imagerouter_sandbox):
    conn_id = f"stored_{len(program)}"
    stored = imagerouter_sandbox.connection_uri(imagerouter_sandbox.nearly_empty_key)
    command = [sys.executable, "-m", "airflow", "connections", "add", conn_id, "--conn-json", stored]
    subprocess.run(command, check=True, capture_output=True)
    found = start(program, "credits", "--json", "--conn-id", conn_id).json
    assert found == {"remaining": 0.001, "used": 0, "deposited": 0.001}


def test_a_missing_connection_is_one_line_and_an_exit_code(ask):
    assert ask("models", "--conn-id", "nope").error == "Error: The conn_id `nope` isn't defined"


def test_no_network_is_one_line_and_is_not_tried_for_a_minute(ask, connect):
    connect("lost", host="http://127.0.0.1:1", password="k" * 64, extra={"retry_timeout": 100_000})
    assert ask("credits", "--conn-id", "lost").error.startswith("Error: Could not connect to http://127.0.0.1:1: ")


def test_logging_goes_on_afterwards(ask, caplog):
    ask("credits", "--conn-id", "nope")
    logging.getLogger("afterwards").warning("still here")
    assert "still here" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "--max-price", "lots"], "--max-price must be an amount in USD, 0 or more, not 'lots'"),
        (["estimate", "--model", SCHNELL, "--n", "many"], "n must be a whole number from 1 to "),
        (["estimate", "--model", "no/such"], "ImageRouter's catalogue has no model 'no/such'"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense_are_one_line(arguments, message, ask):
    assert ask(*arguments).error.startswith(f"Error: {message}")


def test_airflow_imports_nothing_for_the_definition_of_the_commands():
    code = (
        "import airflow_provider_imagerouter.cli.definition as d, sys; "
        "print([m for m in sys.modules if m.split('.')[0] in ('airflow', 'requests', 'httpx', 'tenacity')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
