"""The ledger in one document that Airflow keeps: the task state store or an XCom; in memory, where there is none."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from typing_extensions import override

from airflow_provider_imagerouter.compat import has_async_xcoms
from airflow_provider_imagerouter.ledger.place import Appender, Place

if TYPE_CHECKING:
    from airflow_provider_imagerouter.identity import Identity

T = TypeVar("T")

XCOM_TIMEOUT = 60.0
"""Seconds to wait for an XCom; the first one in a fresh triggerer takes 6 (measured on Airflow 3.3.2)."""


class DocumentPlace(Place):
    """
    Files in one document that is read and written whole.

    Nothing compares and sets it: two attempts that overlap to the millisecond may both create a file. Within a process
    one thread at a time uses it, since ``airflow dags test`` has no supervisor for a second one (measured on Airflow
    3.3.2).
    """

    _lock = threading.RLock()

    @abstractmethod
    def _load(self) -> dict[str, str]:
        """Return the document."""

    @abstractmethod
    def _save(self, document: dict[str, str]) -> None:
        """Write the document."""

    @property
    @override
    def leases(self) -> DocumentPlace:
        return self

    @property
    @override
    def key(self) -> str:
        return f"{type(self).__name__} {id(self)}"

    @override
    def names(self) -> set[str]:
        with self._lock:
            return set(self._load())

    @override
    def create(self, name: str, content: bytes) -> bool:
        with self._lock:
            document = self._load()
            if name in document:
                return False
            self._save({**document, name: content.decode()})
            return True

    @override
    def write(self, name: str, content: bytes) -> None:
        with self._lock:
            self._save({**self._load(), name: content.decode()})

    @override
    def read(self, name: str) -> bytes | None:
        with self._lock:
            text = self._load().get(name)
        return None if text is None else text.encode()

    @override
    def remove(self, names: Iterable[str]) -> None:
        gone = set(names)
        with self._lock, suppress(Exception):  # whatever Airflow's API raises
            document = self._load()
            kept = {name: text for name, text in document.items() if name not in gone}
            if kept != document:
                self._save(kept)

    @override
    def _remove(self, name: str) -> None:
        self.remove([name])

    @override
    def remove_finished_before(self, then: float) -> None:
        """There is no other ledger beside this one."""

    @override
    def begin_journal(self, name: str) -> Appender:
        return _DocumentAppender(self, name)

    @override
    def read_journal(self, name: str) -> Iterator[bytes]:
        yield from (self.read(name) or b"").splitlines()

    def replace_by(self, other: DocumentPlace) -> None:
        """
        Take over the document of another place.

        :param other: the other place
        """
        with self._lock:
            self._save(other._load())


class _DocumentAppender(Appender):
    def __init__(self, place: DocumentPlace, name: str) -> None:
        self._place = place
        self._name = name

    @override
    def append(self, lines: bytes, room: int) -> None:
        with self._place._lock:
            self._place.write(self._name, (self._place.read(self._name) or b"") + lines)

    @override
    def close(self) -> None:
        """Nothing was kept."""


class TaskStatePlace(DocumentPlace):
    """
    Airflow's task state store (Airflow >= 3.3, in workers), under one key that never expires.

    :param store: ``context["task_state_store"]``
    """

    KEY = "imagerouter"

    def __init__(self, store: Any) -> None:
        self._store = store

    @override
    def _load(self) -> dict[str, str]:
        return dict(self._store.get(self.KEY) or {})

    @override
    def _save(self, document: dict[str, str]) -> None:
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        self._store.set(self.KEY, document, retention=NEVER_EXPIRE)


class XComPlace(DocumentPlace):
    """
    An XCom of the task: for triggers, which have no task state store.

    It survives a triggerer that is killed or restarted; Airflow removes it before a retry and when a task is cleared.
    Each write takes Airflow some 40 ms, one after the other for all tasks of a triggerer.

    :param identity: the task instance
    :param loop: the triggerer's event loop, which alone may talk to Airflow there; None in a worker
    """

    KEY = "imagerouter_ledger"

    def __init__(self, identity: Identity, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._where = identity._asdict()
        self._loop = loop if loop and has_async_xcoms() else None
        if self._loop:  # where many tasks share a process, none waits for the others
            self._lock = threading.RLock()

    @override
    def _load(self) -> dict[str, str]:
        from airflow.sdk.bases.xcom import BaseXCom

        read = {"key": self.KEY, **self._where}
        if self._loop:
            return dict(_wait(BaseXCom.aget_one(**read), self._loop) or {})
        return dict(BaseXCom.get_one(**read) or {})

    @override
    def _save(self, document: dict[str, str]) -> None:
        from airflow.sdk.bases.xcom import BaseXCom

        written = {"key": self.KEY, "value": document, **self._where}
        if self._loop:
            _wait(BaseXCom.aset(**written), self._loop)
        else:
            BaseXCom.set(**written)

    def delete(self) -> None:
        """Remove the document."""
        from airflow.sdk.bases.xcom import BaseXCom

        BaseXCom.delete(key=self.KEY, **self._where)


class MemoryPlace(DocumentPlace):
    """What ends with the process: for a task that has nowhere to keep its ledger."""

    lasting: ClassVar[bool] = False

    def __init__(self) -> None:
        self._document: dict[str, str] = {}

    @override
    def _load(self) -> dict[str, str]:
        return self._document

    @override
    def _save(self, document: dict[str, str]) -> None:
        self._document = document


def _wait(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Wait in a thread for the loop; not for ever, since Airflow no longer answers a triggerer that shuts down."""
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(XCOM_TIMEOUT)
