"""Files that were fetched and checked, on the API server's disk: shared by its workers, as many as fit."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

MAX_BYTES = 1024 * 1024 * 1024
"""How much of the disk is taken; for moments, files that just come on top of it."""

_PARTIAL = ".part"
_PARTIAL_SECONDS = 3600


class NoRoomError(Exception):
    """The disk of the API server takes no more."""


class Kept:
    """
    A file that is being written.

    :param path: where, under a name that nobody looks for
    :param file: to write to
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file

    def as_name(self, name: str) -> Path:
        """
        Give the file, whole now, the name it is found by.

        :param name: see :func:`key_of`
        """
        self.file.close()
        return self.path.replace(self.path.with_name(name))


def key_of(*what: str | None) -> str:
    """
    Return the name of what is kept of something.

    :param what: what tells it from all else
    """
    return hashlib.sha256("\0".join(part or "" for part in what).encode("utf-8", "surrogatepass")).hexdigest()


def find(name: str, seconds: float) -> Path | None:
    """
    Return a file that is kept, if it is not older than this.

    :param name: see :func:`key_of`
    :param seconds: how old it may be
    """
    path = _folder() / name
    with suppress(FileNotFoundError):
        written = path.stat().st_mtime
        if 0 <= time.time() - written <= seconds:
            os.utime(path, (time.time(), written))  # which files were used last is what decides who has to go
            return path
    return None


def write(file: BinaryIO, content: bytes) -> None:
    """
    Write to a file that is to be kept.

    :param file: of :class:`Kept`
    :param content: what comes next
    :raises NoRoomError: if the disk takes no more
    """
    try:
        file.write(content)
        file.flush()
    except OSError as error:
        raise NoRoomError(str(error)) from error


@contextmanager
def keep() -> Iterator[Kept]:
    """
    Hand out a file to be written; it is gone afterwards, unless it was given a name.

    :raises NoRoomError: if the disk takes no more
    """
    try:
        folder = _folder()
        folder.mkdir(mode=0o700, exist_ok=True)  # whoever cleans up temporary files may have taken it
        partial = folder / f"{uuid4().hex}{_PARTIAL}"
        with partial.open("xb") as file:
            try:
                yield Kept(partial, file)
            finally:
                partial.unlink(missing_ok=True)
                _make_room(folder)
    except OSError as error:
        raise NoRoomError(str(error)) from error


def _make_room(folder: Path) -> None:
    """Remove what was not used for longest, until the rest fits."""
    kept = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            if entry.name.endswith(_PARTIAL):
                if time.time() - status.st_mtime > _PARTIAL_SECONDS:  # of a process that was killed
                    Path(entry.path).unlink()
            else:
                kept.append((status.st_atime, status.st_size, entry.path))
    size = sum(size for _, size, _ in kept)
    for _, of_file, path in sorted(kept):
        if size <= MAX_BYTES:
            break
        Path(path).unlink(missing_ok=True)
        size -= of_file


@cache
def _folder() -> Path:
    """Return the folder of this user's API servers; one of this process alone, if somebody else has taken the name."""
    folder = Path(tempfile.gettempdir(), f"airflow-imagerouter-gallery-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return folder if is_own and not status.st_mode & 0o077 else Path(tempfile.mkdtemp(prefix="airflow-imagerouter-"))
