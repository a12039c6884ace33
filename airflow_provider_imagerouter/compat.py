"""What differs between Airflow versions, or is not public in all of them: looked up by what is there, here alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

PROMPT_FILES = (".prompt",)
"""What the names of files beside the Dag end with that Airflow replaces by their content."""


def is_final(value: Any) -> bool:
    """
    Return whether a value is known when the Dag is parsed: no template, no file, nothing that Airflow resolves later.

    :param value: an operator's argument; of a list or dict all that is in it must be known
    """
    if isinstance(value, str):
        return not (value.endswith(PROMPT_FILES) or any(mark in value for mark in ("{{", "{%", "{#")))
    if isinstance(value, Mapping):
        return all(map(is_final, value.values()))
    if isinstance(value, list | tuple | set):
        return all(map(is_final, value))
    return not is_resolved_later(value)


def is_resolved_later(value: Any) -> bool:
    """
    Return whether Airflow replaces a value before the task runs.

    So it does with whatever it can resolve (outputs of tasks, their ``map``, ``zip`` and ``concat``, arguments of a
    mapped task group, parameters of a Dag, literals), and from 3.2 on with functions.

    :param value: an operator's argument, as it is when the Dag is parsed
    """
    # By what the value can do: the class of all that is resolved (ResolveMixin) is not public.
    return hasattr(value, "iter_references") or callable(value)


async def get_connection(conn_id: str) -> Any:
    """
    Read a connection without blocking the event loop.

    :param conn_id: of the connection
    """
    from airflow.providers.common.compat.sdk import BaseHook

    if hasattr(BaseHook, "aget_connection"):
        return await BaseHook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async  # whose threads lead back to the triggerer's loop, which Airflow 3.0 needs

    return await sync_to_async(BaseHook.get_connection)(conn_id)


async def mask_secret(secret: str) -> None:
    """
    Have Airflow mask a secret in whatever is logged.

    :param secret: the secret
    """
    from airflow.sdk import log

    if hasattr(log, "amask_secret"):
        await log.amask_secret(secret)
    else:
        from airflow.providers.common.compat.sdk import mask_secret as mask

        mask(secret)


def has_xcoms_in_triggers() -> bool:
    """Return whether this Airflow lets triggers use XComs: from 3.3 on, and in ``airflow dags test``."""
    return has_async_xcoms() or type(_comms()).__name__ == "InProcessSupervisorComms"


def is_in_triggerer() -> bool:
    """Return whether a trigger runs in a triggerer of its own: not in ``airflow dags test``, nor without Airflow."""
    return _comms() is not None and type(_comms()).__name__ != "InProcessSupervisorComms"


def has_async_xcoms() -> bool:
    """Return whether XComs can be used asynchronously: not in ``airflow dags test``, nor before Airflow 3.3."""
    from airflow.sdk.bases.xcom import BaseXCom

    return hasattr(BaseXCom, "aget_one") and hasattr(_comms(), "asend")


def task_state_store(context: Context) -> Any | None:
    """
    Return the task state store (Airflow >= 3.3, in workers), None where there is none.

    :param context: of the running task
    """
    return context.get("task_state_store")


def has_pages_of_plugins() -> bool:
    """
    Return whether this Airflow shows a plugin's pages as tabs, to users who are logged in: from 3.1.1 on.

    3.1.0 has the tabs, but does not let a page in a frame know who asks for it. Nothing but the version tells.
    """
    from airflow import __version__
    from packaging.version import Version

    return Version(__version__) >= Version("3.1.1")


@cache
def stats() -> Any:
    """
    Return Airflow's metrics: something with ``incr`` and ``timing``.

    Airflow 3.3 has two of them. This is the one of tasks, which its serde sets up wherever it is imported: also where
    triggers run.
    """
    from airflow.providers.common.compat.sdk import Stats

    return Stats


@cache
def legacy_names_of_metrics() -> bool:
    """Return whether metrics are also sent under names with the values of their tags (an option of Airflow 3.2)."""
    from airflow.providers.common.compat.sdk import conf

    return bool(conf.getboolean("metrics", "legacy_names_on", fallback=True))


def _comms() -> Any:
    """Return this process's line to Airflow, if it has one."""
    from airflow.sdk.execution_time import task_runner

    return getattr(task_runner, "SUPERVISOR_COMMS", None)
