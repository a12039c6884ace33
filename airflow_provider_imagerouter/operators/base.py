"""What the operators share: checking at construction, and running the engine in a worker."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, conf
from airflow.sdk import BaseOperator, XComArg

from airflow_provider_imagerouter.api.request import check_bytes_have_a_place, check_n, check_parameter
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID
from airflow_provider_imagerouter.money import to_usd

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_imagerouter.engine import OrphanPolicy
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.notes import Notes
    from airflow_provider_imagerouter.records import Record
    from airflow_provider_imagerouter.work import Work

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


class ImageRouterPayingOperator(ImageRouterBaseOperator):
    """
    An operator that makes pictures, and pays for them.

    What is paid for once is not paid for again: a retry goes on where the last attempt stopped, with the help of notes
    that it keeps under ``output_path``, or where the deployment says (docs/guarantees.md).

    :param max_cost_usd: USD that all attempts of the task together may spend; the connection's if None
    :param on_orphaned_intent: what to do about a call that an earlier attempt sent without learning its end:
        ``"resubmit"`` (it may be paid twice) or ``"fail"``
    :param validate_model: check each request against the catalogue before it is sent: that the model makes what is
        asked for, and takes the picture, mask, size and seconds given; an id that the catalogue lacks only warns
    :param deferrable: do the work in the triggerer, so that it holds no worker slot; ``[operators]
        default_deferrable`` if None
    """

    def __init__(
        self,
        *,
        max_cost_usd: float | str | None = None,
        on_orphaned_intent: OrphanPolicy = "resubmit",
        validate_model: bool = False,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_cost_usd = max_cost_usd
        self.validate_model = validate_model
        self.on_orphaned_intent = on_orphaned_intent
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        if is_final(max_cost_usd):
            to_usd(max_cost_usd, "max_cost_usd")
        if on_orphaned_intent not in ("resubmit", "fail"):
            raise ImageRouterInputError(f"on_orphaned_intent must be 'resubmit' or 'fail', not {on_orphaned_intent!r}")

    def execute(self, context: Context) -> Any:
        """
        Do the work, or hand it to the triggerer; what it cost is pushed as ``cost_usd`` (USD).

        :return: a list of records (of a batch, a manifest)
        :raises ImageRouterError: if there are no pictures to return
        """
        from airflow_provider_imagerouter.identity import Identity
        from airflow_provider_imagerouter.ledger import open_notes
        from airflow_provider_imagerouter.notes import MemoryNotes, TaskStateNotes, XComNotes

        work = self._work(Identity.of(context))
        notes = open_notes(work.identity, work.folder)
        store = context.get("task_state_store")
        if self.deferrable:
            from airflow_provider_imagerouter.triggers.imagerouter import ImageRouterTrigger

            if notes is None and store is not None:
                XComNotes(work.identity).replace_by(TaskStateNotes(store))
            self.defer(
                trigger=ImageRouterTrigger(work.to_json()),
                method_name="execute_complete",
                timeout=self.execution_timeout,
            )
        notes = notes or (MemoryNotes() if store is None else TaskStateNotes(store))
        return self._deliver(context, self._run(work.run(notes)), notes)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """
        Return what the trigger made.

        :param event: how the trigger ended
        :raises ImageRouterError: as :meth:`execute`
        """
        from airflow_provider_imagerouter.identity import Identity
        from airflow_provider_imagerouter.ledger import open_notes
        from airflow_provider_imagerouter.notes import TaskStateNotes, XComNotes
        from airflow_provider_imagerouter.triggers.event import read_event

        identity = Identity.of(context)
        store = context.get("task_state_store")
        notes = open_notes(identity, self._folder(identity))
        if notes is None:
            notes = XComNotes(identity)
            if store is not None:  # which a retry finds; Airflow removes the XCom before it
                TaskStateNotes(store).replace_by(notes)
        result = self._deliver(context, read_event(event), notes)
        if store is not None and isinstance(notes, XComNotes):
            TaskStateNotes(store).clear()
        return result

    def _folder(self, identity: Identity) -> str | None:
        """Return the folder that pictures are stored in, if any."""
        return str(self.output_path) if self.output_path else None

    @abstractmethod
    def _work(self, identity: Identity) -> Work:
        """Return what is to be done."""

    def _conditions(self, identity: Identity) -> dict[str, Any]:
        """Return how it is to be done: what all kinds of work have in common."""
        return {
            "identity": identity,
            "imagerouter_conn_id": self.imagerouter_conn_id,
            "folder": self._folder(identity),
            "max_cost_usd": None if self.max_cost_usd is None else str(self.max_cost_usd),
            "on_orphaned_intent": self.on_orphaned_intent,
            "validate_model": self.validate_model,
        }

    @abstractmethod
    def _cost(self, result: Any) -> float | None:
        """Return what the result cost, USD."""

    def _deliver(self, context: Context, result: T, notes: Notes) -> T:
        """Push the cost, and forget the ledger: whoever clears a finished task wants other pictures."""
        from airflow_provider_imagerouter.ledger import Ledger

        context["ti"].xcom_push(key="cost_usd", value=self._cost(result))
        Ledger(notes).forget()
        return result


class ImageRouterRequestOperator(ImageRouterPayingOperator):
    """
    An operator that carries out one request.

    :param prompt: what to make, 10,000 UTF-16 units at most. A name that ends in ``.prompt`` is a file beside the Dag
    :param model: model id; the connection's default model if None
    :param quality: ``auto``, ``low``, ``medium`` or ``high``; some models heed it
    :param size: ``auto`` or ``WIDTHxHEIGHT``; which ones, depends on the model
    :param response_format: ``url`` (the picture is kept by ImageRouter, public to whoever has the link), ``b64_json``
        (kept, too) or ``b64_ephemeral`` (not kept); the latter two need an ``output_path``
    :param n: how many candidates; each is a call and a bill of its own, 4 at a time
    """

    makes: ClassVar[str] = "image"
    parameter_fields: tuple[str, ...] = ("prompt", "model", "quality", "size", "response_format")
    template_fields: Sequence[str] = (
        *parameter_fields,
        "n",
        "max_cost_usd",
        "output_path",
        "filename",
        "imagerouter_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"prompt": "md", "image": "json", "mask": "json"}

    def __init__(
        self,
        *,
        prompt: str | None = None,
        model: str | None = None,
        quality: str | None = None,
        size: str | None = None,
        response_format: str | None = None,
        n: int | str = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.model = model
        self.quality = quality
        self.size = size
        self.response_format = response_format
        self.n = n
        self._given: set[str] = set()
        self._take(prompt=prompt, model=model, quality=quality, size=size, response_format=response_format)
        if is_final(response_format):
            check_bytes_have_a_place(response_format, self.output_path)
        if is_final(n):
            check_n(n)

    def _take(self, **parameters: Any) -> None:
        """Check parameters as far as they are known when the Dag is parsed, and remember which were given."""
        for name, value in parameters.items():
            if is_final(value):
                check_parameter(name, value)
            if value is not None:
                self._given.add(name)

    def _work(self, identity: Identity) -> Work:
        from airflow_provider_imagerouter.work import SingleWork

        for name in sorted(self._given):
            if getattr(self, name) is None:
                raise ImageRouterInputError(
                    f"{name} was given, but came to None; without it another call would be paid"
                )
        return SingleWork(
            **self._conditions(identity),
            parameters={name: getattr(self, name) for name in self.parameter_fields},
            n=check_n(self.n),
            stem=self._stem(identity),
            output=self.makes,
        )

    def _cost(self, result: list[Record]) -> float | None:
        from airflow_provider_imagerouter.records import total_cost

        return total_cost(result)


class ImageRouterImageOperator(ImageRouterRequestOperator):
    """
    An operator that makes pictures of one request.

    :param output_format: ``webp``, ``jpeg``, ``jpg`` or ``png``; the model's own if None
    """

    parameter_fields = (*ImageRouterRequestOperator.parameter_fields, "output_format")
    template_fields = (*ImageRouterRequestOperator.template_fields, "output_format")

    def __init__(self, *, output_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_format = output_format
        self._take(output_format=output_format)


def is_final(value: Any) -> bool:
    """Return whether a value is known when the Dag is parsed: no template, no file, no upstream task's output."""
    if isinstance(value, str):
        return not (value.endswith(TEMPLATE_EXT) or any(mark in value for mark in ("{{", "{%", "{#")))
    if isinstance(value, list | tuple):
        return all(map(is_final, value))
    return not isinstance(value, XComArg)


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
