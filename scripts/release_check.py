"""
``make release-check``: whether what would be uploaded is whole, and works with each Airflow that it names.

Builds the sdist and the wheel into dist/, looks into them, and runs the demo from the wheel in a clean environment of
each minor version of Airflow, all in a temporary folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_imagerouter import __version__

REPOSITORY = Path(__file__).resolve().parent.parent
DIST = REPOSITORY / "dist"
PACKAGE = "airflow_provider_imagerouter"
UV = Path(sys.executable).with_name("uv")


@dataclass(frozen=True)
class Airflow:
    """
    A version of Airflow to install the wheel beside.

    :param version: None for the newest
    :param date: up to when packages are taken: an old Airflow runs with those of its time only
    :param more: what else it needs
    """

    version: str | None
    date: str | None = None
    more: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in what is printed."""
        return self.version or "newest"


AIRFLOWS = (
    Airflow("3.0.6", "2025-10-01", ("universal-pathlib<0.3",)),
    Airflow("3.1.8", "2026-03-20"),
    Airflow("3.2.2", "2026-06-05"),
    Airflow(None),
)


class CheckError(Exception):
    """Something is not as it must be for a release."""


def main() -> None:
    """Run all checks, print a line for each, and fail if one does."""
    named = sys.argv[1:]
    chosen = [airflow for airflow in AIRFLOWS if not named or airflow.name in named]
    checks: list[tuple[str, Callable[[], None]]] = [
        ("sdist and wheel can be built", build),
        ("the index takes them (twine check)", check_description),
        ("the wheel is pure, typed, licensed, and without tests", check_wheel),
        (f"the changelog tells of {__version__}", check_changelog),
        *((f"Airflow {airflow.name}: providers list, and the demo", in_airflow(airflow)) for airflow in chosen),
    ]
    failed = [title for title, check in checks if not passes(title, check)]
    sys.exit(1 if failed else 0)


def passes(title: str, check: Callable[[], None]) -> bool:
    """Run a check, and print what came of it."""
    try:
        check()
    except CheckError as error:
        print(f"FAILS  {title}\n       {error}", flush=True)
        return False
    print(f"fine   {title}", flush=True)
    return True


def run(*command: str | Path, cwd: Path = REPOSITORY, **environment: str) -> str:
    """
    Run a command and return what it prints.

    :raises CheckError: with the end of what it printed, if it failed
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CheckError(f"{command[0]} failed: …{(done.stdout + done.stderr).strip()[-1500:]}")
    return done.stdout


def build() -> None:
    """Build both, from nothing."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)


def wheel() -> Path:
    """Return the wheel that was built."""
    try:
        return next(DIST.glob("*.whl"))
    except StopIteration:
        raise CheckError("there is no wheel") from None


def check_description() -> None:
    """Have the index's own tool look at them."""
    run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir())


def check_wheel() -> None:
    """Look into the wheel."""
    with zipfile.ZipFile(wheel()) as opened:
        names = opened.namelist()
    if not wheel().name.endswith("-py3-none-any.whl"):
        raise CheckError(f"{wheel().name} is not for every Python 3 and platform")
    for needed in (f"{PACKAGE}/py.typed", f"{PACKAGE}-{__version__}.dist-info/licenses/LICENSE"):
        if needed not in names:
            raise CheckError(f"{needed} is missing")
    if strange := [name for name in names if not name.startswith((f"{PACKAGE}/", f"{PACKAGE}-{__version__}."))]:
        raise CheckError(f"it holds what is not the package's: {strange[:5]}")


def check_changelog() -> None:
    """Look for the version's own entry."""
    if not re.search(rf"^## \[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d$", read("CHANGELOG.md"), re.MULTILINE):
        raise CheckError(f"CHANGELOG.md has no line '## [{__version__}] - YEAR-MONTH-DAY'")


def read(name: str) -> str:
    """Return a file of the repository."""
    return (REPOSITORY / name).read_text()


def in_airflow(airflow: Airflow) -> Callable[[], None]:
    """Return the check of the wheel in a clean environment with an Airflow."""

    def check() -> None:
        with tempfile.TemporaryDirectory(prefix="release-check-") as folder:
            home = Path(folder)
            python = install(airflow, home / "venv")
            listed = run(python, "-m", "airflow", "providers", "list", "-o", "json", AIRFLOW_HOME=str(home / "airflow"))
            found = {one["package_name"]: one["version"] for one in json.loads(listed[listed.index("[{") :])}
            if found.get("airflow-provider-imagerouter") != __version__:
                raise CheckError("`airflow providers list` does not list it")
            for name in ("scripts", "example_dags"):
                shutil.copytree(REPOSITORY / name, home / name)
            try:
                printed = run(python, home / "scripts" / "demo.py", cwd=home)
            except CheckError as error:
                raise CheckError(f"{error}\n{(home / '.airflow' / 'demo.log').read_text()[-1500:]}") from None
            if "2 pictures for $" not in printed:
                raise CheckError(f"the demo printed: {printed[-1500:]}")

    return check


def install(airflow: Airflow, folder: Path) -> Path:
    """Install the wheel beside an Airflow, and return its Python."""
    run(UV, "venv", "--quiet", "--python", ">=3.11,<3.13", folder)
    of_its_time = ("--exclude-newer", airflow.date) if airflow.date else ()
    compat = ("--exclude-newer-package", "apache-airflow-providers-common-compat=2026-11-01") if airflow.date else ()
    wanted = f"apache-airflow=={airflow.version}" if airflow.version else "apache-airflow"
    package = f"{wheel()}[sandbox]"
    command = (UV, "pip", "install", "--quiet", *of_its_time, *compat, wanted, *airflow.more, package)
    run(*command, VIRTUAL_ENV=str(folder))
    return folder / "bin" / "python"


if __name__ == "__main__":
    main()
