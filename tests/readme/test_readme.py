"""The README keeps its word: its commands run as they are written, its code is that of the example Dags."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import venv
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from support.waiting import wait_for

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()
KEY = "your-api-key"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if line and not line.startswith("#")]


def outside_environment() -> dict[str, str]:
    """Return the environment of someone who just opened a terminal, whatever make and the tests added to it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "MAKE", "MFLAGS"))}


def shell(command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-ec", command],
        cwd=cwd,
        env={**outside_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what git knows of the repository, and what it would add, to where nothing is installed yet."""
    copy = tmp_path_factory.mktemp("checkout")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (REPOSITORY / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, copy / name)
    return copy


def state_of(url: str) -> str:
    with urlopen(url) as answer:
        return str(json.load(answer)["state"])


def test_no_command_is_left_untested():
    assert set(COMMANDS) == {
        "make demo",
        f"make demo IMAGEROUTER_API_KEY={KEY}",
        "make ui",
        "make test",
        "pip install .",
        "pip wheel --no-deps --wheel-dir dist .",
        "pip install dist/*.whl",
        "pip install '.[sandbox]'",
        f"""export AIRFLOW_CONN_IMAGEROUTER_DEFAULT='{{"conn_type": "imagerouter", "password": "{KEY}"}}'""",
        f"export AIRFLOW_CONN_IMAGEROUTER_DEFAULT='imagerouter://:{KEY}@'",
        "python -m airflow_provider_imagerouter.sandbox",
    }


def test_make_demo(checkout):
    ran = shell("make demo", checkout)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    pictures = re.findall(r"^  (\w+) +(\d+)x(\d+) +image/webp +\$0\.0013 +(demo-output/\S+)$", ran.stdout, re.MULTILINE)
    assert [name for name, *_ in pictures] == ["poster", "autumn"]
    for _, width, height, file in pictures:
        assert Image.open(checkout / file).size == (int(width), int(height))
    assert "2 pictures for $0.0026" in ran.stdout
    assert Image.open(checkout / "demo-output" / "contact-sheet.png").format == "PNG"


def test_make_demo_says_what_went_wrong_and_never_the_key(checkout):
    ran = shell("make demo IMAGEROUTER_API_KEY='no key has spaces'", checkout)

    assert ran.returncode != 0
    assert "The Dag failed" in ran.stderr
    assert "poster: ImageRouterInputError" in ran.stderr
    written = [file.read_bytes() for file in (checkout / ".airflow").rglob("*") if file.is_file()]
    assert not any(b"no key has spaces" in text for text in [ran.stdout.encode(), ran.stderr.encode(), *written])


def test_make_demo_gives_the_key_to_the_connection_to_the_real_api(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    monkeypatch.setenv("IMAGEROUTER_API_KEY", KEY)
    import demo

    with demo.connection() as (title, environment):
        assert title == "the real ImageRouter"
        assert json.loads(environment["AIRFLOW_CONN_IMAGEROUTER_DEFAULT"]) == {
            "conn_type": "imagerouter",
            "password": KEY,
        }


def test_make_demo_again_leaves_no_more_than_the_first_time(checkout):
    shell("make demo", checkout)
    files = [file.suffix for file in (checkout / "demo-output").iterdir() if not file.name.startswith(".")]
    assert sorted(files) == [".png", ".webp", ".webp"]


def test_make_ui_opens_on_the_quickstart_and_stops_all_of_it(checkout):
    command = ["make", "ui"]
    with subprocess.Popen(
        command, cwd=checkout, env=outside_environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout
            url = next(line.strip() for line in process.stdout if line.startswith("  http://"))
            base = url.partition("/dags/")[0]
            run = Request(
                f"{base}/api/v2/dags/example_imagerouter_quickstart/dagRuns",
                json.dumps({"logical_date": None}).encode(),
                {"Content-Type": "application/json"},
            )
            with urlopen(run) as answer:
                run_url = f"{run.full_url}/{quote(json.load(answer)['dag_run_id'])}"
            wait_for("the quickstart", lambda: state_of(run_url) in {"success", "failed"}, 180)
            assert state_of(run_url) == "success"
            gallery = run_url.replace("/api/v2/dags/", "/imagerouter/dags/").replace("/dagRuns/", "/runs/")
            with urlopen(f"{gallery}/tasks/poster/-1/files/0") as picture:
                assert picture.headers["content-type"] == "image/webp"
            os.killpg(process.pid, signal.SIGINT)
            assert "Stopped." in process.stdout.read()
        except BaseException:
            os.killpg(process.pid, signal.SIGINT)  # or the test would wait for it for ever
            raise
    with pytest.raises(URLError):
        urlopen(base)


def test_make_test_is_what_ci_runs():
    assert (REPOSITORY / ".ci" / "run").read_text().splitlines()[-1] == "make test"


@pytest.mark.parametrize("script", [block for block in blocks("bash") if block.startswith("pip ")])
def test_pip_installs(script, checkout, tmp_path):
    """Without what it needs, which the tests' own Airflow has."""
    venv.create(tmp_path / "venv", with_pip=True)
    lines = [line for line in script.splitlines() if line.startswith("pip ")]
    pip = "\n".join(line.replace("pip install", "pip install --no-deps") for line in lines)

    ran = shell(f". {tmp_path}/venv/bin/activate\n{pip}\npip show airflow-provider-imagerouter", checkout)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Name: airflow-provider-imagerouter" in ran.stdout


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("export")])
def test_a_connection_by_environment_variable(command, tmp_path):
    code = (
        "from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterHook\n"
        "settings = ImageRouterHook().settings\n"
        "print(settings.base_url, settings.api_key)"
    )
    home = str(tmp_path)
    ran = shell(f"{command}\n{sys.executable} -c '{code}'", tmp_path, AIRFLOW_HOME=home)

    assert ran.stdout.splitlines()[-1] == f"https://api.imagerouter.io {KEY}", ran.stderr


def test_the_sandbox_starts(tmp_path):
    """On a free port: somebody may have started it as the README says."""
    command = [
        "bash",
        "-c",
        f"PATH={Path(sys.executable).parent}:$PATH exec python -m airflow_provider_imagerouter.sandbox --port 0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=outside_environment()) as sandbox:
        assert sandbox.stdout
        assert "http://127.0.0.1:" in sandbox.stdout.readline()
        sandbox.terminate()


@pytest.mark.parametrize("code", blocks("python"))
def test_the_code_is_that_of_an_example_which_runs(code):
    examples = [file.read_text() for file in (REPOSITORY / "example_dags").glob("*.py")]
    assert any(code in example or textwrap.indent(code, "    ") in example for example in examples)


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_a_link_into_the_repository_leads_somewhere(target):
    assert (REPOSITORY / target).exists()
