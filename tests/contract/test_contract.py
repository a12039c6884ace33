"""The contract, with the sandbox: everything fits, for nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from airflow_provider_imagerouter.sandbox.process import SandboxProcess
from contract import checks_account, checks_catalogue, checks_keys, checks_pictures, report
from contract.expectation import Check, Verdict
from contract.server import IMAGES, RESPONSES, TEST_IMAGE, TEST_VIDEO, VIDEOS, Ask, NoAnswerError, Server

TESTS = Path(__file__).parents[1]
INTERVAL = 0.06
"""Seconds between two questions: the sandbox takes 20 a second, as the API does."""

SELDOM = ("heartbeats", *(check.name for check in checks_account.LAST_CHECKS))
"""What need not be seen: it takes long calls, or many of them in a second."""

ALL = (
    *checks_account.CHECKS,
    *checks_catalogue.CHECKS,
    *checks_pictures.CHECKS,
    *checks_keys.CHECKS,
    *checks_account.LAST_CHECKS,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with SandboxProcess() as sandbox:
        server = Server(sandbox.url, sandbox.rich_key, sandbox.management_key, interval=INTERVAL)
        yield server
        server.close()


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.name)
def test_the_sandbox_fits(server: Server, check: Check) -> None:
    seen = check.run(server)
    assert seen.verdict is Verdict.FITS or (check.name in SELDOM and seen.verdict is Verdict.NOT_SEEN), seen


def test_each_line_has_a_name_of_its_own() -> None:
    assert len({check.name for check in ALL}) == len(ALL)


def test_the_command_costs_nothing_and_keeps_the_keys_to_itself(
    imagerouter_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
        "IMAGEROUTER_URL": imagerouter_sandbox.url,
        "IMAGEROUTER_API_KEY": imagerouter_sandbox.rich_key,
        "IMAGEROUTER_MANAGEMENT_KEY": imagerouter_sandbox.management_key,
    }
    command = [sys.executable, "-m", "contract"]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    written = (tmp_path / "contract-report.md").read_text()

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 differ" in ended.stdout
    assert "0 differ" in written
    for check in ALL:
        assert check.name in ended.stdout
    assert_it_was_free(imagerouter_sandbox)
    for key in (imagerouter_sandbox.rich_key, imagerouter_sandbox.management_key):
        assert key not in ended.stdout + ended.stderr + written


def test_an_account_without_a_deposit_is_enough(imagerouter_sandbox: SandboxProcess) -> None:
    server = Server(imagerouter_sandbox.url, imagerouter_sandbox.empty_key)
    found = list(report.look(server, report.checks_for(server)))
    assert report.fits(found), report.markdown(server, found)
    assert_it_was_free(imagerouter_sandbox)


def assert_it_was_free(sandbox: SandboxProcess) -> None:
    ledger = sandbox.ledger()
    ran = [call for call in ledger["calls"] if call["status"] != "refused"]
    assert (ledger["totals"]["billed_calls"], ledger["totals"]["billed_usd"]) == (0, 0)
    assert {call["model"] for call in ran} == {TEST_IMAGE, TEST_VIDEO}
    assert sum(call["path"] == VIDEOS for call in ledger["calls"]) == 1
    refused = {call["http_status"] for call in ledger["calls"] if call["status"] == "refused"}
    assert refused <= {400, 401, 429, 500}


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        (IMAGES, {"json": {"model": "openai/gpt-image-1"}}),
        (IMAGES, {"json": {"prompt": "no model"}}),
        (IMAGES, {"json": {"model": TEST_VIDEO}}),
        (VIDEOS, {"json": {"model": TEST_IMAGE}}),
        (RESPONSES, {"json": {"model": "airflow-provider-imagerouter/no-such-model"}}),
        (IMAGES, {"content": b'{"model": "openai/gpt-image-1"}'}),
    ],
)
def test_what_could_cost_something_cannot_even_be_written(path: str, request_: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="could cost something"):
        Ask("POST", path, **request_)  # type: ignore[arg-type]


def test_a_second_video_is_not_asked_for(imagerouter_sandbox: SandboxProcess) -> None:
    server = Server(imagerouter_sandbox.url, imagerouter_sandbox.rich_key)
    server.ask(Ask("POST", VIDEOS, json={"model": TEST_VIDEO}))
    with pytest.raises(NoAnswerError, match="one video is enough"):
        server.ask(Ask("POST", VIDEOS, json={"model": TEST_VIDEO}))
    assert imagerouter_sandbox.ledger()["totals"]["calls"] == 1


def test_make_asks_for_a_key_and_does_nothing_without() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEROUTER_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), *sys.path])
    command = [sys.executable, "-m", "contract"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "make contract IMAGEROUTER_API_KEY=" in ended.stderr


def test_the_workflow_runs_what_the_docs_say_where_there_is_a_key() -> None:
    workflow = yaml.safe_load((TESTS.parent / ".github" / "workflows" / "contract.yml").read_text())
    steps = workflow["jobs"]["contract"]["steps"]
    without_key = [step["name"] for step in steps if "env.HAS_KEY == 'true'" not in step["if"]]
    assert without_key == ["Say why nothing is done"]
    (look,) = (step for step in steps if step.get("run") == "make contract")
    assert look["env"].keys() == {"IMAGEROUTER_API_KEY", "IMAGEROUTER_MANAGEMENT_KEY"}
    assert workflow[True]["schedule"]  # YAML reads "on" as true
