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
import yaml
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
    refused = "Error: ImageRouter answered 401: Invalid authorization token length: 3"
    assert result.error == f"{refused} (the connection is 'imagerouter_default')"


def test_models_as_a_table(ask):
    header, *rows = ask("models", "--provider", "black-forest-labs").table
    assert header == ["model", "makes", "takes", "sizes", "seconds", "average", "price"]
    assert [SCHNELL, "image", "image, mask, quality", "any", "", "$0.0013", "$0.0006 to $0.0070"] in rows
    assert [f"{SCHNELL}:free", "image", "quality", "any", "", "$0.0000", "nothing"] in rows
    assert all(model.startswith("black-forest-labs/") for model, *_ in rows)


def test_models_with_sizes_and_lengths(ask):
    _, veo = ask("models", "--name", "veo-3.1").table
    assert veo[3:5] == ["1280x720, 720x1280, 1920x1080 and 1 more", "4, 6, 8"]


def test_models_come_cheapest_first(ask):
    found = ask("models", "--json").json
    order = [model["average_price"] for model in found]
    assert order == sorted(order)
    assert order[0] == 0
    (schnell,) = [model for model in found if model["id"] == SCHNELL]
    assert (schnell["min_price"], schnell["max_price"]) == (0.0006, 0.007)
    assert schnell["sizes"] == ["custom"]


def test_models_are_sorted_as_asked(ask):
    names = [model["id"].lower() for model in ask("models", "-o", "json", "--sort", "name").json]
    dates = [model["release_date"] for model in ask("models", "-o", "json", "--sort", "date").json]
    assert names == sorted(names)
    assert dates == sorted(dates, reverse=True)
    assert len(set(names)) == len(dates) > len(set(dates)) > 1


def test_the_sandboxs_own_models_are_there_if_asked_for(ask):
    def chosen(*options: str) -> list[str]:
        return [model["id"] for model in ask("models", "-o", "json", *options).json]

    assert not [model for model in chosen() if model.startswith("sandbox/")]
    assert chosen("--provider", "sandbox")
    assert chosen("--provider", "sandbox") == chosen("--name", "sandbox/")


def test_near_ids_for_a_mistyped_name(ask):
    result = ask("models", "--name", "flux-1-schnel-")
    assert result.out.strip() == "No data found"
    assert result.err.startswith(f"No such model. Near it: {SCHNELL}")
    assert SCHNELL in ask("estimate", "--model", "flux-1-schnel").error


@pytest.mark.parametrize(
    ("options", "read"),
    [
        (["-o", "json"], json.loads),
        (["--output", "json"], json.loads),
        (["--json"], json.loads),
        (["-o", "yaml"], yaml.safe_load),
    ],
    ids=["-o json", "--output json", "--json", "-o yaml"],
)
def test_output_for_programs(options, read, ask):
    found = ask("credits", *options)
    assert read(found.out) == {"remaining": 100, "used": 0, "deposited": 100}


def test_output_as_plain_as_airflows(ask):
    header, row = ask("models", "--name", "veo-3.1", "-o", "plain").out.splitlines()
    assert header.split() == ["model", "makes", "takes", "sizes", "seconds", "average", "price"]
    assert row.startswith("google/veo-3.1-fast  video  ")


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
    assert header[0] == "model"
    assert rows == [
        ["wordsmith/novel-2", "text", "image", "", "", "", "prompt $10.00, completion $30.00 a million tokens"]
    ]


def test_text_models_by_what_their_tokens_cost(ask, connect, monkeypatch):
    def model(name, prompt, completion):
        priced = {"prompt": prompt, "completion": completion}
        return {"id": f"a/{name}", "architecture": {"output_modalities": ["text"]}, "pricing": priced}

    monkeypatch.setenv("NO_PROXY", "*")
    listing = [model("dear", "1e-6", "9.5e-6"), model("cheap", "0.075e-6", "3e-7"), model("free", "0", "0")]
    with RawServer(answer(json.dumps(listing))) as server:
        connect("words", host=server.url, password="k" * 64)
        _, *rows = ask("models", "--output", "text", "--conn-id", "words").table
        missing = ask("models", "--output", "text", "--name", "a/chaep", "--conn-id", "words")
    assert [(row[0], row[-1].removesuffix(" a million tokens")) for row in rows] == [
        ("a/free", "prompt $0.00, completion $0.00"),
        ("a/cheap", "prompt $0.075, completion $0.30"),
        ("a/dear", "prompt $1.00, completion $9.50"),
    ]
    assert missing.err.startswith("No such model. Near it: a/cheap")


@pytest.mark.parametrize("shape", sorted(path.stem for path in CATALOGUES.glob("*.json")))
def test_every_shape_of_the_catalogue_will_do(shape, ask, connect, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with RawServer(answer((CATALOGUES / f"{shape}.json").read_text())) as server:
        connect("any", host=server.url, password="k" * 64)
        (waves,) = ask("models", "--video", "--json", "--conn-id", "any").json
        estimate = ask("estimate", "--model", "acme/painter", "--n", "2", "--json", "--conn-id", "any").json
    assert (waves["id"], waves["max_price"]) == ("studio/waves", 1.4)
    prices = {"min": 0.02, "average": 0.04, "max": 0.1}
    assert estimate == {**prices, "models": [{"model": "acme/painter", "n": 2, **prices}]}


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


def test_an_estimate_counts_every_picture_and_says_which_model_it_priced(ask):
    assert ask("estimate", "--model", SCHNELL, "--n", "5000").table == [
        ["model", "n", "min", "average", "max"],
        [SCHNELL, "5000", "$3.0000", "$6.5000", "$35.0000"],
    ]
    found = ask("estimate", "--model", SCHNELL, "--size", "512x512", "--quality", "high", "--json").json
    assert (found["min"], found["average"], found["max"]) == (0.0006, 0.0013, 0.007)


REQUESTS = [{"prompt": "a chair", "n": 3}, {"prompt": 'a "table", round', "model": "openai/dall-e-3"}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("requests.json", json.dumps(REQUESTS)),
        ("requests.jsonl", "\n".join(map(json.dumps, REQUESTS)) + "\n"),
        ("requests.csv", 'prompt,model,n\na chair,,3\n"a ""table"", round",openai/dall-e-3,\n'),
    ],
)
def test_an_estimate_of_a_file_of_requests(name, content, ask, tmp_path):
    (tmp_path / name).write_text(content)
    assert ask("estimate", str(tmp_path / name), "--model", SCHNELL).table[1:] == [
        [SCHNELL, "3", "$0.0018", "$0.0039", "$0.0210"],
        ["openai/dall-e-3", "1", "$0.0400", "$0.0400", "$0.1200"],
        ["total", "4", "$0.0418", "$0.0439", "$0.1410"],
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("requests.json", '["a", {"prompt": "b", "modell": "x"}]', "requests[1]: unknown parameters ['modell']"),
        ("requests.json", '[{"prompt": "b", "model": "no/such"}]', "requests[0]: ImageRouter's catalogue has no model"),
        ("requests.jsonl", "[", "requests.jsonl cannot be read: "),
        ("requests.json", "{}", "requests.json must be a list of requests"),
        ("requests.json", "[7]", "requests[0] must be a prompt or an object, not 7"),
        ("requests.txt", "a chair", "requests.txt must end in .json, .jsonl or .csv"),
    ],
)
def test_a_file_of_requests_that_makes_no_sense(name, content, message, ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(content)
    assert ask("estimate", name, "--model", SCHNELL).error.startswith(f"Error: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "google/veo-3.1-fast", "--seconds", "7"], "google/veo-3.1-fast makes videos of 4, 6, 8 seconds"),
        (["--model", SCHNELL, "--seconds", "7"], f"{SCHNELL} makes pictures, which have no seconds"),
        (["--model", "openai/dall-e-3", "--size", "1x1"], "openai/dall-e-3 takes size 1024x1024, "),
        (["--model", SCHNELL, "--quality", "best"], "quality must be one of auto, low, medium, high, not 'best'"),
    ],
)
def test_an_estimate_of_what_the_model_does_not_take(arguments, message, ask):
    assert ask("estimate", *arguments).error.startswith(f"Error: {message}")


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
        (["estimate", "--model", SCHNELL, "--n", "many"], "n must be a whole number from 1 upwards"),
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
