"""Which files the gallery may show, and reading them: checked, and kept on the API server's disk for a while."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow.providers.common.compat.sdk import conf

from airflow_provider_imagerouter.files.storing import LOCAL, OBJECT_STORES, to_path
from airflow_provider_imagerouter.media.formats import EXTENSIONS, PictureInfo, UnreadablePictureError
from airflow_provider_imagerouter.plugins.gallery.batches import is_of
from airflow_provider_imagerouter.plugins.gallery.cache import NoRoomError, find, keep, key_of, write

if TYPE_CHECKING:
    from airflow_provider_imagerouter.identity import Identity

log = logging.getLogger(__name__)

MAX_BYTES = 100 * 1024 * 1024
"""The largest picture, video or results file that is read."""

FRESH_SECONDS = 3600
"""For how long a checked file is taken from the API server's disk, even if it is deleted where it was stored."""

FRESH_RESULTS_SECONDS = 10
"""For how long a results file is."""

_CHUNK = 1024 * 1024
_SHA256 = re.compile("[0-9a-f]{64}")
_CONTENT_TYPES = {extension: content_type for content_type, extension in EXTENSIONS.items()}


class NotShownError(Exception):
    """
    A file cannot be shown.

    :param message: why, as a sentence that the person who looks at the page can do something with
    :param status_code: of HTTP
    """

    def __init__(self, message: str, status_code: int = 404) -> None:
        super().__init__(message)
        self.status_code = status_code


@dataclass(frozen=True)
class Stored:
    """
    A file that may be shown.

    :param path: its bytes, on this machine's disk
    :param content_type: found from the bytes
    """

    path: Path
    content_type: str


@dataclass(frozen=True)
class Places:
    """
    Where files may be shown from: all object stores and nothing else, or only what is named.

    :param roots: local folders and URIs; empty for all object stores
    """

    roots: tuple[str, ...] = ()

    @classmethod
    def configured(cls) -> Places:
        """Return what ``[imagerouter] gallery_roots`` says, as it is now."""
        named = conf.get("imagerouter", "gallery_roots", fallback="") or ""
        return cls(tuple(root for part in named.split(",") if (root := part.strip())))

    def why_hidden(self, location: str | None, sha256: str | None, size: float | None) -> str | None:
        """
        Return why a file is not shown, as far as its record tells; None if it is.

        :param location: where it was stored
        :param sha256: of its bytes, hexadecimal
        :param size: bytes
        """
        try:
            self.check(location)
        except NotShownError as error:
            return str(error)
        if not _SHA256.fullmatch(sha256 or ""):
            return (
                "The record does not have the SHA-256 of the file, so nothing tells whether the file is still the same."
            )
        return _TOO_LARGE if size is not None and size > MAX_BYTES else None

    def check(self, location: str | None) -> str:
        """
        Return where a file really is: a URI, or for a local one a path without symbolic links.

        :param location: where it was stored
        :raises NotShownError: if files from there are not shown
        """
        if not location:
            raise NotShownError("It was not stored, and its record has no link to it.")
        scheme, separator, rest = location.partition("://")
        scheme = scheme.lower()
        if location[:5].lower() == "data:":
            raise NotShownError("It was given as data, not as a file.")
        if scheme in ("http", "https"):
            raise NotShownError("Airflow does not fetch links.")
        if not separator or scheme in LOCAL:
            return self._check_local(rest if separator else location)
        parts = rest.split("/")
        if "::" in location or ".." in parts or not location.isprintable() or not parts[0]:
            raise NotShownError("It is at no place that can be looked into.", 403)
        if self.roots:
            if not any(_is_below(scheme, parts, root) for root in self.roots):
                raise NotShownError(_NOT_BELOW, 403)
        elif scheme not in OBJECT_STORES:
            raise NotShownError(f"Files from {scheme}:// are shown only from places that {_OPTION} names.", 403)
        return location

    def _check_local(self, path: str) -> str:
        if not path.startswith("/") or "\0" in path:
            raise NotShownError("It is at no place that can be looked into.", 403)
        folders = [root for root in (_local_root(root) for root in self.roots) if root]
        if not folders and not self.roots:
            raise NotShownError(
                f"It is a local file of the machine that stored it. {_OPTION} names none of its folders, "
                "and without that no local files are shown.",
                403,
            )
        real = os.path.realpath(path)
        if not any(os.path.commonpath((real, folder)) == folder for folder in folders):
            raise NotShownError(_NOT_BELOW, 403)
        return real


_OPTION = "[imagerouter] gallery_roots"
_NOT_BELOW = f"It is in none of the places that {_OPTION} names."
_TOO_LARGE = f"It is too large: more than {MAX_BYTES // 1024 // 1024} MiB."


def _local_root(root: str) -> str | None:
    """Return the real path of a folder that is named as one to show files from; None for a URI of elsewhere."""
    scheme, separator, rest = root.partition("://")
    if separator and scheme.lower() not in LOCAL:
        return None
    path = rest if separator else root
    return os.path.realpath(Path(path).expanduser()) if path.startswith(("/", "~")) else None


def _is_below(scheme: str, parts: list[str], root: str) -> bool:
    """Return whether a URI is below another one, which leaves the connection open if it names none."""
    of_root, separator, rest = root.partition("://")
    wanted = rest.rstrip("/").split("/")
    if not separator or of_root.lower() != scheme or not wanted[0]:
        return False
    host = parts[0] if "@" in wanted[0] else parts[0].rpartition("@")[2]
    return [host, *parts[1 : len(wanted)]] == wanted and len(parts) > len(wanted)


def look_up(places: Places, location: str | None, sha256: str | None) -> tuple[str, str]:
    """
    Return where a picture or video really is, and what the cache calls what is kept of it.

    :param places: where files may be shown from
    :param location: where it was stored
    :param sha256: of its bytes, hexadecimal
    :raises NotShownError: if it is not shown
    """
    real = places.check(location)
    if hidden := places.why_hidden(location, sha256, None):
        raise NotShownError(hidden, 403)
    return real, key_of(real, sha256)


def find_stored(places: Places, location: str | None, sha256: str | None) -> Stored | None:
    """
    Return a picture or video that is at hand; see :func:`fetch`.

    :param places: where files may be shown from
    :param location: where it was stored
    :param sha256: of its bytes, hexadecimal
    :raises NotShownError: if it is not shown
    """
    _, key = look_up(places, location, sha256)
    for extension, content_type in _CONTENT_TYPES.items():
        if path := find(f"{key}.{extension}", FRESH_SECONDS):
            return Stored(path, content_type)
    return None


def fetch(places: Places, location: str | None, sha256: str | None) -> Stored:
    """
    Return a picture or video whose bytes are those that its record tells of; slow, if it is not at hand.

    :param places: where files may be shown from
    :param location: where it was stored
    :param sha256: of its bytes, hexadecimal
    :raises NotShownError: if it is not shown
    """
    if found := find_stored(places, location, sha256):
        return found
    real, key = look_up(places, location, sha256)
    digest = hashlib.sha256()
    with keep() as kept:
        _copy(real, kept.file, digest)
        if digest.hexdigest() != sha256:
            raise NotShownError("The file is not the one that its record tells of: it has changed since.", 409)
        info = _inspect(kept.path)
        return Stored(kept.as_name(f"{key}.{info.extension}"), info.content_type)


def file_name(location: str, stored: Stored) -> str:
    """
    Return the name that a file is saved with: no other characters than all systems take, and its type's extension.

    :param location: where it was stored
    :param stored: the file
    """
    stem = re.sub(r"[^\w.-]+", "_", location.rpartition("/")[2].rpartition(".")[0]).strip("._")[:100] or "picture"
    return f"{stem}.{EXTENSIONS[stored.content_type]}"


def fetch_results(places: Places, location: str, identity: Identity) -> Path:
    """
    Return a results file; slow, if it is not at hand.

    :param places: where files may be shown from
    :param location: where it was stored
    :param identity: the task instance whose results they have to be, whatever its XCom says
    :raises NotShownError: if it is not shown
    """
    real = places.check(location)
    if not real.endswith(".jsonl"):
        raise NotShownError("It is no results file.", 403)
    name = f"{key_of(real, identity.digest)}.jsonl"
    if path := find(name, FRESH_RESULTS_SECONDS):
        return path
    with keep() as kept:
        _copy(real, kept.file, hashlib.sha256())
        if not is_of(kept.path, identity):
            raise NotShownError("They are the results of another task.", 403)
        return kept.as_name(name)


def _inspect(path: Path) -> PictureInfo:
    from airflow_provider_imagerouter.media.images import inspect
    from airflow_provider_imagerouter.media.videos import inspect_video, is_video

    content = path.read_bytes()
    try:
        return inspect_video(content) if is_video(content) else inspect(content)
    except UnreadablePictureError:
        raise NotShownError("The file is no picture or video that can be read.", 415) from None


def _copy(real: str, target: BinaryIO, digest: Any) -> None:
    """
    Copy a file here.

    :raises NotShownError: if it is not there, too large, or storage does not give it
    """
    try:
        size = 0
        with _opened(real) as source:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                _check_size(size)
                digest.update(chunk)
                write(target, chunk)
    except (NotShownError, NoRoomError):
        raise
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotShownError("It is not there any more.") from None
    except Exception as error:  # whatever the file system's own library raises
        # What it says may tell of what the person who looks must not know: it goes into the server's log.
        log.warning("The gallery cannot read %s: %s: %s", real, type(error).__name__, error)
        raise NotShownError(
            f"Storage did not give it to the API server ({type(error).__name__}; its log has more).", 502
        ) from None


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise NotShownError(_TOO_LARGE, 413)


@contextmanager
def _opened(real: str) -> Iterator[Any]:
    if real.startswith("/"):
        # Not waiting for the other end of a pipe, and following no link that was put there since.
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotShownError("It is no file.", 403)
            _check_size(status.st_size)
            yield file
        return
    path = to_path(real)
    try:
        path.fs.invalidate_cache()
        _check_size(path.fs.info(path.path)["size"])
        with path.fs.open(path.path, "rb") as file:
            yield file
    except (NotShownError, FileNotFoundError):
        raise
    except Exception:
        _forget_connection(real)
        raise


def _forget_connection(uri: str) -> None:
    """Have the connection of a URI read again: Airflow keeps it as long as the process lives."""
    from airflow.sdk.io import attach

    protocol, _, rest = uri.partition("://")
    conn_id = rest.partition("/")[0].rpartition("@")[0] or None
    vars(attach(protocol, conn_id=conn_id)).pop("fs", None)
