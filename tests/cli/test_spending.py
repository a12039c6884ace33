"""``airflow imagerouter spending``, on the sandbox's books."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from airflow_provider_imagerouter.__main__ import main
from airflow_provider_imagerouter.identity import Identity, read_attempt_name


@pytest.fixture
def spend(imagerouter_sandbox):
    """Make a key of a name, and pay calls with it."""

    def run(name: str, calls: int = 1) -> None:
        def post(path: str, key: str, **body: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {key}"}
            return httpx.post(imagerouter_sandbox.url + path, headers=headers, json=body, trust_env=False)

        key = post("/v1/api-keys", imagerouter_sandbox.management_key, name=name).json()["key"]
        for _ in range(calls):
            assert post("/v1/openai/images/generations", key, model="sandbox/slow-0", prompt="a cat").is_success

    return run


@pytest.fixture
def ask(imagerouter_sandbox, capsys):
    def run(*arguments: str) -> str:
        capsys.readouterr()  # Airflow 3.0 logs to it what was done before
        main(["spending", *arguments])
        return capsys.readouterr().out

    return run


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if "|" in line]


def test_it_sums_up_by_dag_run_and_task(spend, ask):
    spend(Identity("posters", "run 1", "poster", -1).attempt_name("1"))
    for attempt in ("1", "2", "2-2"):
        spend(Identity("catalogue", "run 1", "group.render", 3).attempt_name(attempt))
    spend(Identity("catalogue", "run 2", "group.render", 4).attempt_name("1"), calls=2)
    spend("my laptop")
    assert table(ask()) == [
        ["dag", "run", "task", "keys", "calls", "spent"],
        ["catalogue", "run 1", "group.render", "3", "3", "$0.0120"],
        ["catalogue", "run 2", "group.render", "1", "2", "$0.0080"],
        ["posters", "run 1", "poster", "1", "1", "$0.0040"],
        ["(other keys)", "", "", "1", "1", "$0.0040"],
        ["total", "", "", "6", "7", "$0.0280"],
    ]
    assert table(ask("--dag", "posters"))[1:] == [
        ["posters", "run 1", "poster", "1", "1", "$0.0040"],
        ["total", "", "", "1", "1", "$0.0040"],
    ]
    (row,) = json.loads(ask("--dag", "posters", "--json"))
    assert row == {"dag": "posters", "run": "run 1", "task": "poster", "keys": 1, "calls": 1, "spent": 0.004}


def test_since(spend, ask):
    spend("a/b/c/-1#1")
    today = datetime.now(UTC)
    assert len(json.loads(ask("--since", str(today.date()), "--json"))) == 1
    assert json.loads(ask("--since", (today + timedelta(hours=1)).isoformat(), "--json")) == []
    with pytest.raises(SystemExit, match="--since must be a date"):
        ask("--since", "yesterday")


def test_nothing_was_spent(ask):
    assert table(ask())[1:] == [["total", "", "", "0", "0", "$0.0000"]]


@pytest.mark.parametrize("name", ["", "a", "a/b", "a/b/c", "a/b/c/d#1", "a/b/c/1", "a/b/c/1/2#1", "a//c/1#1", "rich"])
def test_other_names_are_of_no_attempt(name):
    assert read_attempt_name(name) is None


def test_a_name_that_was_cut_tells_as_much_as_is_in_it():
    name = Identity("d" * 250, "r" * 250, "t" * 250, 12).attempt_name("3")
    assert len(name) <= 200
    assert read_attempt_name(name) == Identity("d" * 50, "r" * 50, "t" * 50, 12)
    assert read_attempt_name(Identity("d", "a/b#c", "t", -1).attempt_name("1")) == Identity("d", "a_b_c", "t", -1)
