"""``airflow imagerouter generate`` and ``sandbox``: what they say, ask, pay and leave behind."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from PIL import Image
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.__main__ import main

SCHNELL = "black-forest-labs/FLUX-1-schnell"


@pytest.fixture
def generate(imagerouter_connection, capsys, monkeypatch, tmp_path):
    """Run ``generate`` in an empty folder; ``typed`` is what somebody answers."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, typed: str = "", model: str = SCHNELL) -> tuple[str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        ended = ""
        try:
            main(["generate", *arguments, "--model", model])
        except SystemExit as end:
            ended = str(end)
        out, err = capsys.readouterr()
        return out, err + ended

    return run


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_says_the_price_asks_and_stores_the_picture(generate, tmp_path, imagerouter_sandbox):
    out, err = generate("A chair, red", "--output", ".", typed="y\n")
    assert f"{SCHNELL} costs $0.0006 to $0.0070, $0.0013 on average." in err
    assert "Make 'A chair, red'? [y/N]" in err
    assert pictures(tmp_path) == ["a-chair-red.webp"]
    assert Image.open(tmp_path / "a-chair-red.webp").size == (1024, 1024)
    assert str(tmp_path / "a-chair-red.webp") in out
    assert "$0.0013" in out
    assert imagerouter_sandbox.ledger()["totals"]["calls"] == 1


@pytest.mark.parametrize("typed", ["", "\n", "n\n", "what?\n"])
def test_nothing_is_paid_without_a_yes(typed, generate, tmp_path, imagerouter_sandbox):
    _, err = generate("A chair", typed=typed)
    assert err.endswith("Nothing was sent, and nothing is paid; --yes answers the question")
    assert imagerouter_sandbox.ledger()["calls"] == []
    assert pictures(tmp_path) == []


def test_yes_still_says_the_price_and_nothing_is_written_over(generate, tmp_path):
    for _ in range(2):
        _, err = generate("A chair", "--yes")
        assert f"{SCHNELL} costs $0.0006 to $0.0070" in err
        assert "?" not in err
    assert pictures(tmp_path) == ["a-chair-2.webp", "a-chair.webp"]


def test_its_records_for_programs(generate, tmp_path):
    out, _ = generate("A chair", "--yes", "-o", "json", "--size", "512x256", "--output-format", "png")
    (record,) = json.loads(out)
    assert (record["width"], record["height"], record["cost_usd"]) == (512, 256, 0.0013)
    assert Path(record["path"].removeprefix("file://")).read_bytes()[:4] == b"\x89PNG"


def test_a_video(generate, tmp_path):
    _, err = generate("A film", "--yes", model="ir/test-video")
    assert "ir/test-video costs nothing.\n" in err
    assert pictures(tmp_path) == ["a-film.mp4"]


def test_a_typo_has_near_ids_and_costs_nothing(generate, tmp_path, imagerouter_sandbox):
    _, err = generate("A chair", "--yes", model="FLUX-1-schnel")
    assert f"ImageRouter's catalogue has no model 'FLUX-1-schnel'. Near it: {SCHNELL}" in err
    assert "What FLUX-1-schnel costs is not known." in err
    assert "Nothing was billed" in err
    assert imagerouter_sandbox.ledger()["totals"]["billed_usd"] == 0


def test_a_refusal_says_what_it_cost(generate, imagerouter_connection, monkeypatch, imagerouter_sandbox):
    monkeypatch.setenv(
        "AIRFLOW_CONN_IMAGEROUTER_DEFAULT", imagerouter_sandbox.connection_uri(imagerouter_sandbox.nearly_empty_key)
    )
    _, err = generate("A chair", "--yes", model="openai/dall-e-3")
    assert "Insufficient credits" in err
    assert err.endswith("Nothing was billed")


def test_what_cannot_be_stored_is_not_paid(generate, tmp_path, imagerouter_sandbox):
    (tmp_path / "file").touch()
    _, err = generate("A chair", "--yes", "--output", "file")
    assert err.startswith("Error: Cannot write to the folder ")
    assert imagerouter_sandbox.ledger()["calls"] == []


def test_the_connections_budget_holds(generate, monkeypatch, imagerouter_sandbox):
    connection = {**json.loads(imagerouter_sandbox.connection_uri()), "extra": {"max_cost_usd": 0.005}}
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
    _, err = generate("A chair", "--yes")
    assert "max_cost_usd is $0.005, and what black-forest-labs/FLUX-1-schnell costs at most is $0.0070" in err
    assert imagerouter_sandbox.ledger()["calls"] == []


def test_a_price_that_cannot_be_had_is_said_to_be_unknown(generate, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with RawServer(answer("oops", "500 Oops")) as server:
        connection = {"conn_type": "imagerouter", "host": server.url, "password": "k" * 64}
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
        _, err = generate("A chair", typed="n\n")
    assert "The models cannot be listed: " in err
    assert f"What {SCHNELL} costs is not known." in err


def test_a_picture_that_is_gone_before_it_is_stored_is_told_of(generate, monkeypatch, imagerouter_sandbox):
    _, err = generate("A chair", "--yes", model="sandbox/not-a-picture")
    assert "$0.004 were billed; what was made is here: http" in err


def test_the_sandbox(tmp_path):
    command = [sys.executable, "-m", "airflow_provider_imagerouter", "sandbox", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        greeting = process.stdout.readline()
        assert greeting.startswith("ImageRouter sandbox on http://127.0.0.1:")
        assert httpx.get(f"{greeting.split()[-1]}/health").status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert errors == ""
