"""Putting files where ``output_path`` says: a local folder, or a folder of any fsspec file system."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from os.path import commonprefix
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError
from airflow_provider_imagerouter.media.formats import EXTENSIONS

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

LOCAL = frozenset({"", "file", "local"})
"""File systems that are this machine's own."""

OBJECT_STORES = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "oss", "obs"})
"""File systems without folders, where an object appears whole or not at all."""

EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(("abfs", "abfss", "adl", "az"), "azure"),
}
"""Which extra of this package brings what a file system needs."""


FEW = 100
"""Names that are looked for one by one; for more of them a folder is listed."""


def to_path(location: str | os.PathLike[str]) -> ObjectStoragePath:
    """
    Return the path a location names; nothing is opened.

    :param location: a local path, a URI (``s3://conn@bucket/key``, ``file:///…``) or an ObjectStoragePath
    :raises ImageRouterInputError: if no file system is known for it
    """
    from airflow.sdk import ObjectStoragePath

    if isinstance(location, ObjectStoragePath):
        return location
    text = os.fspath(location)
    if "://" not in text:
        text = f"file://{Path(text).expanduser().absolute()}"
    try:
        path = ObjectStoragePath(text)
        _ = path.fs
    except Exception as error:  # whatever the file system's own library raises
        raise ImageRouterInputError(f"{text} cannot be used: {error}{_remedy(text, error)}") from error
    return path


def _remedy(text: str, error: Exception) -> str:
    """Say what to install, if a file system's library or its Airflow provider is not there."""
    extra = EXTRAS.get(text.partition("://")[0])
    if extra is None or not (isinstance(error, ImportError) or "No filesystem registered" in str(error)):
        return ""
    return f". Install what it needs: pip install 'airflow-provider-imagerouter[{extra}]'"


def prepare_folder(location: str | os.PathLike[str]) -> ObjectStoragePath:
    """
    Return a folder that files can be stored in, made if need be; called before anything is paid.

    :param location: as for :func:`to_path`
    :raises ImageRouterInputError: if no file system is known for it
    :raises ImageRouterStorageError: if it could not be made, or written to
    """
    folder = to_path(location)
    try:
        if folder.protocol not in OBJECT_STORES:
            folder.fs.makedirs(folder.path, exist_ok=True)
        _try_writing(folder)
    except Exception as error:  # whatever the file system's own library raises
        raise ImageRouterStorageError(
            f"Cannot write to the folder {folder}: {type(error).__name__}: {error}", billed="no"
        ) from error
    return folder


def store(
    content: bytes, folder: ObjectStoragePath, name: str, content_type: str | None = None, *, replace: bool = True
) -> ObjectStoragePath:
    """
    Write a file whole or not at all. A local one is on its disk when this returns.

    :param content: the file's bytes
    :param folder: where, from :func:`prepare_folder`
    :param name: the file's name
    :param content_type: media type, which S3, Google Cloud Storage and Azure keep with an object
    :param replace: whether it may take the place of one of the same name. If not, local files and S3 see to it that
        of two writers only one succeeds; on others the other one is seen unless it writes in the same moment
    :raises FileExistsError: if it may not, and there is one
    :raises ImageRouterStorageError: if it could not be written
    """
    path = folder / name
    try:
        if not replace and folder.protocol not in LOCAL:
            _check_free(path)
        if folder.protocol in LOCAL:
            _write_and_sync(content, Path(path.path), replace=replace)
        elif folder.protocol in OBJECT_STORES:
            exclusive = {} if replace or EXTRAS.get(folder.protocol) != "s3" else {"mode": "create"}
            folder.fs.pipe_file(path.path, content, **exclusive, **_described(folder.protocol, content_type))
        else:
            _write_and_rename(content, folder, path)
    except FileExistsError:
        if replace:  # a folder, for example
            raise ImageRouterStorageError(f"Could not store {path}: it is there, and cannot be replaced") from None
        raise
    except Exception as error:  # whatever the file system's own library raises
        raise ImageRouterStorageError(f"Could not store {path}: {type(error).__name__}: {error}") from error
    return path


def names_in(folder: ObjectStoragePath, prefix: str = "") -> set[str]:
    """
    Return the names of the files in a folder, as they are now.

    :param folder: from :func:`prepare_folder`
    :param prefix: only those that begin with this; an object store is asked for no others
    :raises ImageRouterStorageError: if the file system does not tell
    """
    fs, path = folder.fs, folder.path.rstrip("/")
    try:
        fs.invalidate_cache()
        if prefix and folder.protocol in OBJECT_STORES:
            found = fs.find(path, prefix=prefix)
        else:
            found = fs.ls(path, detail=False)
    except FileNotFoundError:
        return set()
    except Exception as error:  # whatever the file system's own library raises
        raise ImageRouterStorageError(
            f"Could not look into {folder}: {type(error).__name__}: {error}", billed="no"
        ) from error
    names = (str(name).strip("/").removeprefix(f"{path.strip('/')}/") for name in found)
    return {name for name in names if name.startswith(prefix) and "/" not in name}


def find_pictures(folder: ObjectStoragePath, stems: Sequence[str]) -> dict[str, str]:
    """
    Return the files that have one of some names, with the extension of any picture or video.

    :param folder: from :func:`prepare_folder`
    :param stems: names without extension
    :return: a file's name by its stem; the first one, if several have the same
    :raises ImageRouterStorageError: if the file system does not tell
    """
    extensions = set(EXTENSIONS.values())
    wanted = set(stems)
    if folder.protocol in LOCAL and len(wanted) <= FEW:
        possible = (f"{stem}.{extension}" for stem in wanted for extension in extensions)
        names = {name for name in possible if Path(folder.path, name).exists()}
    else:
        names = names_in(folder, commonprefix(list(wanted)))  # noqa: RUF071  # no folders are meant
    found: dict[str, str] = {}
    for name in sorted(names):
        stem, _, extension = name.rpartition(".")
        if stem in wanted and extension in extensions:
            found.setdefault(stem, name)
    return found


def is_there(location: str | None, size: int | None) -> bool:
    """
    Return whether a stored file is where it should be, and as large; one question to the file system.

    :param location: its URI; None for what was never stored, and is taken for granted
    :param size: bytes; None for any
    :raises ImageRouterStorageError: if the file system does not tell
    """
    if location is None:
        return True
    path = to_path(location)
    try:
        if path.protocol in LOCAL:
            found: Any = Path(path.path).stat().st_size
        else:
            path.fs.invalidate_cache(path.path)
            found = path.fs.info(path.path)["size"]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    except Exception as error:  # whatever the file system's own library raises
        raise ImageRouterStorageError(f"Could not look for {path}: {type(error).__name__}: {error}") from error
    return size is None or bool(found == size)


def _described(protocol: str, content_type: str | None) -> dict[str, Any]:
    """
    Return how a file system's library takes an object's media type, if it does.

    Source: s3fs, gcsfs 2026.10.1 and adlfs 2026.8.0; only the first is tested.
    """
    if content_type is None:
        return {}
    match EXTRAS.get(protocol):
        case "s3":
            return {"ContentType": content_type}
        case "gcs":
            return {"content_type": content_type}
        case "azure":
            from azure.storage.blob import ContentSettings  # type: ignore[import-not-found, unused-ignore]

            return {"content_settings": ContentSettings(content_type=content_type)}
    return {}


def _try_writing(folder: ObjectStoragePath) -> None:
    """Write an empty file and remove it; its name is fixed, so that those who may not remove it leave only one."""
    probe = folder / ".imagerouter-write-test"
    probe.fs.pipe_file(probe.path, b"")
    with suppress(Exception):
        probe.fs.rm_file(probe.path)


def _write_and_sync(content: bytes, path: Path, *, replace: bool) -> None:
    """Write a local file beside its place and rename it; put both on the disk, so that they outlive a power cut."""
    partial = path.with_name(f".{uuid4().hex}.part")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not replace:
            _claim(partial, path)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # also when it is the same file as its place by then: renaming leaves both
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_free(path: ObjectStoragePath) -> None:
    """
    Look whether a name is free.

    :raises FileExistsError: if a file has it
    """
    path.fs.invalidate_cache()
    if path.fs.exists(path.path):
        raise FileExistsError(str(path))


def _claim(partial: Path, path: Path) -> None:
    """
    Take a name that no file has.

    :raises FileExistsError: if one has it
    """
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError:  # a mount without hard links: for a moment the file is empty
        path.open("x").close()


def _write_and_rename(content: bytes, folder: ObjectStoragePath, path: ObjectStoragePath) -> None:
    partial = folder / f".{uuid4().hex}.part"
    try:
        with partial.fs.open(partial.path, "wb") as file:
            file.write(content)
        partial.fs.mv(partial.path, path.path)
    except BaseException:
        if partial.fs.exists(partial.path):
            partial.fs.rm_file(partial.path)
        raise
