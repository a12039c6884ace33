"""Where a task instance's ledger is kept: in a worker, in a trigger, and while one hands it to the other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_imagerouter.compat import has_xcoms_in_triggers
from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.files.storing import to_path
from airflow_provider_imagerouter.ledger.document_place import MemoryPlace, TaskStatePlace, XComPlace
from airflow_provider_imagerouter.ledger.file_place import RUN_SUFFIX, LocalPlace, RemotePlace

if TYPE_CHECKING:
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.ledger.place import Place

HIDDEN_FOLDER = ".imagerouter"
"""The folder under a task's ``output_path`` that ledgers are kept in."""


def in_worker(identity: Identity, folder: str | None, task_state_store: Any | None) -> Place:
    """
    Return the place for the ledger of a task that works in a worker.

    1. files (see :func:`in_files`);
    2. Airflow's task state store (Airflow >= 3.3);
    3. memory: a retry pays again.

    :param identity: the task instance
    :param folder: the task's output folder, if it has one
    :param task_state_store: the worker's, if this Airflow has one
    :raises ImageRouterError: if the files cannot be used
    """
    if place := in_files(identity, folder):
        return place
    return MemoryPlace() if task_state_store is None else TaskStatePlace(task_state_store)


async def in_trigger(identity: Identity, folder: str | None) -> Place:
    """
    Return the place for the ledger of a task that works in a triggerer: files, else an XCom, else memory.

    :param identity: the task instance
    :param folder: the task's output folder, if it has one
    :raises ImageRouterStorageError: if it cannot be read: then nobody knows what is paid already
    """
    if place := await asyncio.to_thread(in_files, identity, folder):
        return place
    if not has_xcoms_in_triggers():
        return MemoryPlace()
    xcom = XComPlace(identity, asyncio.get_running_loop())
    try:
        await asyncio.to_thread(xcom.names)
    except Exception as error:  # whatever Airflow's API raises
        raise ImageRouterStorageError(f"Could not read the ledger: {error!r}", billed="no") from error
    return xcom


def hand_to_trigger(identity: Identity, folder: str | None, task_state_store: Any | None) -> Place | None:
    """
    Put what earlier attempts noted where a trigger finds it; it has no task state store, but an XCom.

    :param identity: the task instance
    :param folder: the task's output folder, if it has one
    :param task_state_store: the worker's, if this Airflow has one
    :return: the files, if that is where the ledger is
    """
    if place := in_files(identity, folder):
        return place
    if task_state_store is not None:
        XComPlace(identity).replace_by(TaskStatePlace(task_state_store))
    return None


def take_from_trigger(identity: Identity, folder: str | None, task_state_store: Any | None) -> Place:
    """
    Return where the ledger is after a trigger's work. XComs go to the task state store, since a retry removes them.

    :param identity: the task instance
    :param folder: the task's output folder, if it has one
    :param task_state_store: the worker's, if this Airflow has one
    """
    if place := in_files(identity, folder):
        return place
    xcom = XComPlace(identity)
    if task_state_store is None:
        return xcom
    place = TaskStatePlace(task_state_store)
    if xcom.names():
        place.replace_by(xcom)
        xcom.delete()
    return place


def in_files(identity: Identity, folder: str | None) -> Place | None:
    """
    Return the place for a task instance's ledger in files, the first there is.

    1. the deployment's ``[imagerouter] ledger_path``; deployments that share one tell their tasks apart by
       ``[imagerouter] deployment``;
    2. a hidden folder under the task's own output folder;
    3. None: Airflow has to keep it.

    :param identity: the task instance
    :param folder: the task's output folder, if it has one
    :raises ImageRouterError: if it cannot be used
    """
    if place := _under_ledger_path(identity.file_stem):
        return place
    if folder:
        return _files(folder, HIDDEN_FOLDER, identity.file_stem)
    return None


def for_run(identity: Identity) -> Place | None:
    """
    Return the place that all tasks of a Dag run share, beside their ledgers; None if ``ledger_path`` is not set.

    An output folder is no such place, though tasks may have the same: nothing says that all of them have.

    :param identity: one of the task instances
    :raises ImageRouterError: if it cannot be used
    """
    return _under_ledger_path(f"{identity.run_stem}{RUN_SUFFIX}")


def _under_ledger_path(name: str) -> Place | None:
    root = conf.get("imagerouter", "ledger_path", fallback="")
    deployment = conf.get("imagerouter", "deployment", fallback="")
    return _files(root, *filter(None, [deployment]), name) if root else None


def _files(root: str, *names: str) -> Place:
    path = to_path(root)
    *parents, name = names
    for parent in parents:
        path = path / parent
    try:
        if path.protocol in ("file", "local", ""):
            return LocalPlace(Path(path.path), name)
        return RemotePlace(path, name)
    except OSError as error:
        raise ImageRouterStorageError(f"Cannot write to {path}: {error}", billed="no") from error
