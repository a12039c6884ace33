"""The sdist and the wheel, as they would be uploaded."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from airflow_provider_imagerouter import __version__

REPOSITORY = Path(__file__).parents[2]
PACKAGE = "airflow_provider_imagerouter"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(REPOSITORY)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_one_sdist_and_one_wheel_are_built(dist):
    assert {file.name for file in dist.iterdir()} == {
        f"{PACKAGE}-{__version__}.tar.gz",
        f"{PACKAGE}-{__version__}-py3-none-any.whl",
    }


def test_twine_finds_nothing_to_complain_about(dist):
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir())]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_description_has_no_links_that_lead_nowhere(dist):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        metadata = wheel.read(f"{PACKAGE}-{__version__}.dist-info/METADATA").decode()
    description = metadata.partition("\n\n")[2]
    targets = re.findall(r"\]\(([^)]*)\)", description)
    assert len(targets) >= 3
    assert [target for target in targets if not target.startswith("https://")] == []
    assert "starts a local ImageRouter, runs the Dag below" in " ".join(description.split())
    assert "Documentation, https://docs.imagerouter.io" in metadata


def test_the_wheel_holds_the_whole_package_and_nothing_else(dist):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        files = {name for name in wheel.namelist() if not name.startswith(f"{PACKAGE}-{__version__}.dist-info/")}
    assert files == {
        str(PurePosixPath(file.relative_to(REPOSITORY)))
        for file in (REPOSITORY / PACKAGE).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert f"{PACKAGE}/py.typed" in files


def test_the_sdist_holds_what_is_needed_to_test_it(dist):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        names = {PurePosixPath(name).parts[1] for name in sdist.getnames()}
    assert names >= {PACKAGE, "Makefile", "README.md", "CHANGELOG.md", "LICENSE", "example_dags", "scripts", "tests"}
