"""Putting files where ``output_path`` says: a local folder, or a folder of any fsspec file system."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

OBJECT_STORES = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "oss", "obs"})
"""File systems without folders, where an object appears whole or not at all."""


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
        raise ImageRouterInputError(f"{text} cannot be used: {error}") from error
    return path


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


def store(content: bytes, folder: ObjectStoragePath, name: str) -> ObjectStoragePath:
    """
    Write a file whole or not at all, in place of one of the same name.

    :param content: the file's bytes
    :param folder: where, from :func:`prepare_folder`
    :param name: the file's name
    :raises ImageRouterStorageError: if it could not be written
    """
    path = folder / name
    try:
        if folder.protocol in OBJECT_STORES:
            folder.fs.pipe_file(path.path, content)
        else:
            _write_and_rename(content, folder, path)
    except Exception as error:  # whatever the file system's own library raises
        raise ImageRouterStorageError(f"Could not store {path}: {type(error).__name__}: {error}") from error
    return path


def _try_writing(folder: ObjectStoragePath) -> None:
    """Write an empty file and remove it; its name is fixed, so that those who may not remove it leave only one."""
    probe = folder / ".imagerouter-write-test"
    probe.fs.pipe_file(probe.path, b"")
    with suppress(Exception):
        probe.fs.rm_file(probe.path)


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
