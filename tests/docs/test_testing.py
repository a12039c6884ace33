"""The example of docs/testing.md, word for word, in an empty project with an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.code_blocks import REPOSITORY, blocks

PAGE = REPOSITORY / "docs" / "testing.md"
FILE_NAMES = re.compile(r"`((?:dags|tests)/\w+\.py)`:\n\n```python")


def run(*command: str, folder: Path, **environment: str) -> str:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "COVERAGE", "PYTEST"))
    }
    kept.pop("PYTHONPATH", None)
    ran = subprocess.run(command, cwd=folder, env={**kept, **environment}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Write the files of the page; install Airflow, this package's wheel and pytest."""
    folder = tmp_path_factory.mktemp("project")
    codes = [block.code for block in blocks(PAGE, "python")]
    names = FILE_NAMES.findall(PAGE.read_text())
    assert names == ["dags/posters.py", "tests/test_posters.py"]
    for name, code in zip(names, codes, strict=False):
        (folder / name).parent.mkdir()
        (folder / name).write_text(code)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(REPOSITORY), folder=folder)
    install, _ = blocks(PAGE, "bash")
    assert install.code == "pip install 'airflow-provider-imagerouter[sandbox]' pytest\n"
    (wheel,) = (folder / "dist").glob("*.whl")
    uv = str(Path(sys.executable).with_name("uv"))
    run(uv, "venv", "--quiet", "--python", sys.executable, "venv", folder=folder)
    install_into_it = [uv, "pip", "install", "--quiet", "--python", str(folder / "venv/bin/python")]
    # Airflow comes first, as in the Makefile: together with the rest, an older one may be chosen.
    run(*install_into_it, "apache-airflow", folder=folder)
    run(*install_into_it, f"{wheel}[sandbox]", "pytest", folder=folder)
    return folder


def test_it_passes_and_leaves_the_users_airflow_alone(project, tmp_path):
    _, command = blocks(PAGE, "bash")
    home = {"HOME": str(tmp_path), "PATH": f"{project}/venv/bin:{os.environ['PATH']}"}
    printed = run("bash", "-ec", command.code, folder=project, **home)
    assert "3 passed" in printed
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in {".db", ".cfg"}] == []


def test_a_project_without_it_pays_nothing_for_it(project):
    """pytest loads the plugin everywhere: it brings neither Airflow nor the sandbox."""
    code = "import sys, airflow_provider_imagerouter.testing.pytest_plugin; print(*sys.modules)"
    loaded = run(str(project / "venv/bin/python"), "-c", code, folder=project).split()
    assert "airflow_provider_imagerouter.testing.pytest_plugin" in loaded
    assert not {"airflow", "fastapi", "airflow_provider_imagerouter.sandbox"} & set(loaded)
