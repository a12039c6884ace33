"""What the operators share: checking at construction, and running the engine in a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowTaskTimeout
from airflow.sdk import BaseOperator

from airflow_provider_imagerouter.compat import is_resolved_later
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from airflow_provider_imagerouter.identity import Identity

T = TypeVar("T")

TEMPLATE_EXT = (".prompt",)

MAX_FILENAME_BYTES = 180
"""What file systems take, less room for map index, number and extension."""


class ImageRouterBaseOperator(BaseOperator):
    """
    An operator that talks to ImageRouter and can store pictures.

    :param output_path: the folder to store pictures in: local, or any fsspec URI such as ``s3://conn@bucket/folder``
    :param filename: name of the stored picture without extension, which follows from its bytes; a mapped task's index
        is added to it. None for a name that no other task instance has
    :param imagerouter_conn_id: connection of type ``imagerouter``
    """

    template_ext = TEMPLATE_EXT
    ui_color = "#e8e4f8"

    def __init__(
        self,
        *,
        output_path: str | None = None,
        filename: str | None = None,
        imagerouter_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_path = output_path
        self.filename = filename
        self.imagerouter_conn_id = imagerouter_conn_id
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        if is_final(filename):
            check_filename(filename)

    def on_kill(self) -> None:
        """Stop what is running; a call in flight is given up, though the API goes on with it and bills it."""
        if self._running:
            loop, task = self._running
            loop.call_soon_threadsafe(task.cancel)

    def _stem(self, identity: Identity) -> str:
        """Return the name of this task instance's pictures, without extension."""
        check_filename(self.filename)
        return f"{self.filename}{identity.map_suffix}" if self.filename else identity.file_stem

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in an event loop of its own, so that on_kill can stop it."""
        seconds = self.execution_timeout.total_seconds() if self.execution_timeout else None

        async def main() -> T:
            task = asyncio.ensure_future(coroutine)
            self._running = asyncio.get_running_loop(), task
            try:
                # Airflow's own timeout is a signal, and asyncio may swallow the exception that its handler raises.
                async with asyncio.timeout(seconds) as timeout:
                    return await task
            except TimeoutError:
                if timeout.expired():
                    raise AirflowTaskTimeout(f"Timed out after {self.execution_timeout}") from None
                raise
            finally:
                self._running = None

        return asyncio.run(main())


def is_final(value: Any) -> bool:
    """
    Return whether a value is known when the Dag is parsed: no template, no file, nothing that Airflow resolves later.

    :param value: an operator's argument; of a list or dict all that is in it must be known
    """
    if isinstance(value, str):
        return not (value.endswith(TEMPLATE_EXT) or any(mark in value for mark in ("{{", "{%", "{#")))
    if isinstance(value, Mapping):
        return all(map(is_final, value.values()))
    if isinstance(value, list | tuple | set):
        return all(map(is_final, value))
    return not is_resolved_later(value)


def check_filename(filename: Any) -> None:
    """
    Check a file name.

    :raises ImageRouterInputError: if it is more than a name
    """
    if filename is None:
        return
    if not isinstance(filename, str) or not filename.strip(". ") or any(mark in filename for mark in "/\\?#%\0"):
        raise ImageRouterInputError(
            f"filename must be a name without folder and extension, like 'summer-poster', not {filename!r}"
        )
    if len(filename.encode()) > MAX_FILENAME_BYTES:
        raise ImageRouterInputError(f"filename is longer than {MAX_FILENAME_BYTES} bytes: {filename!r}")
