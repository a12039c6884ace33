from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.attempts import Attempts

from airflow_provider_imagerouter.sandbox.process import SandboxProcess


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is not asked for through a proxy that this machine may have."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def attempts(tmp_path: Path, imagerouter_connection: SandboxProcess) -> Attempts:
    """Attempts whose pictures and ledger are in a folder of the test's own."""
    return Attempts(tmp_path / "pictures", imagerouter_connection)


@pytest.fixture
def set_extra(monkeypatch: pytest.MonkeyPatch, imagerouter_connection: SandboxProcess) -> Callable[..., None]:
    """Set the connection's extra fields."""

    def set_extra(**fields: Any) -> None:
        connection = json.loads(imagerouter_connection.connection_uri())
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps({**connection, "extra": fields}))

    return set_extra


class SmallDisk:
    """A disk of 1 MiB (a tmpfs, in pages of 4 KiB)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"
        folder.mkdir()
        self._as_root("mount", "-t", "tmpfs", "-o", "size=1m,mode=0777", "tmpfs", str(folder))

    def fill(self, free: int) -> None:
        """Leave so many bytes free."""
        self._filler.unlink(missing_ok=True)
        with self._filler.open("wb") as file:
            file.write(bytes(shutil.disk_usage(self.folder).free - free))

    def empty(self) -> None:
        """Make room again."""
        self._filler.unlink()

    def make_read_only(self, read_only: bool = True) -> None:
        self._as_root("mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(self.folder))

    def make_larger(self) -> None:
        """Make room for all that tests store."""
        self._as_root("mount", "-o", "remount,size=64m", str(self.folder))

    def unmount(self) -> None:
        self._as_root("umount", str(self.folder))

    def _as_root(self, *command: str) -> None:
        subprocess.run(["sudo", "-n", *command] if shutil.which("sudo") else command, check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of the test's own; needs root, or sudo without a password."""
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.unmount()
