"""What the operators share: checking their parameters, running the engine in a worker, and how they fail."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Collection, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, BaseOperatorLink
from airflow.sdk import BaseOperator
from typing_extensions import override

from airflow_provider_imagerouter.api.request import check_n, check_parameter
from airflow_provider_imagerouter.compat import PROMPT_FILES, is_final
from airflow_provider_imagerouter.engine.checks import read_models
from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterInputError
from airflow_provider_imagerouter.files.naming import check_pattern, clean_name
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID
from airflow_provider_imagerouter.links.pictures import PictureLink
from airflow_provider_imagerouter.money import to_usd
from airflow_provider_imagerouter.operators.failure import as_raised
from airflow_provider_imagerouter.operators.outlets import attach_result

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context


T = TypeVar("T")


class ImageRouterBaseOperator(BaseOperator):
    """
    An operator that talks to ImageRouter.

    :param imagerouter_conn_id: connection of type ``imagerouter``
    """

    template_ext = PROMPT_FILES
    ui_color = "#e8e4f8"
    operator_extra_links: Collection[BaseOperatorLink] = (PictureLink(),)

    _expanded: frozenset[str] = frozenset()
    """Which parameters ``expand`` gave to this instance of a mapped task."""

    _result: Any = None
    """What the task returned, once it has."""

    def __init__(self, *, imagerouter_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.imagerouter_conn_id = imagerouter_conn_id
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._given: frozenset[str] = frozenset()

    def _hook_apply_defaults(self, **kwargs: Any) -> tuple[tuple[()], dict[str, Any]]:
        """Note what ``expand`` gave: Airflow calls this with each constructor's arguments, those of the class first."""
        dag = kwargs.get("dag")
        mapped = dag.task_dict.get(kwargs.get("task_id")) if dag else None
        if mapped is not None and hasattr(mapped, "partial_kwargs") and "_expanded" not in vars(self):
            expanded = kwargs.keys() - mapped.partial_kwargs.keys()
            object.__setattr__(self, "_expanded", frozenset(expanded.intersection(self.template_fields)))
        return (), kwargs

    def _check_known(self) -> None:
        """
        Check what is known when the Dag is parsed, and note what was given. Constructors end with it.

        An instance of a mapped task is constructed when it runs, and checked when it is executed.

        :raises ImageRouterInputError: if a value is not allowed
        """
        self._given = self._expanded.union(name for name in self.template_fields if getattr(self, name) is not None)
        if self._expanded:
            return
        for name in sorted(self._given):
            if is_final(getattr(self, name)):
                self._check(name, getattr(self, name))
        check_pattern(getattr(self, "filename", None))
        self._check_complete()

    def _check_given(self) -> None:
        """
        Check all that was given, now that templates are rendered.

        :raises ImageRouterInputError: if a value is not allowed, or came to nothing
        """
        for name in sorted(self._given):
            self._check(name, getattr(self, name))
        self._check_complete()

    def _check_complete(self) -> None:
        """
        Check that what is needed was given.

        :raises ImageRouterInputError: if something is missing
        """

    def _check(self, name: str, value: Any) -> None:
        """Check the value of one parameter that was given."""
        if value is None or (isinstance(value, str) and value.strip() in ("", "None")):
            raise ImageRouterInputError(
                f"{name} was given, but came to {value!r}; without it another call would be made, and perhaps paid. "
                f"If that is meant, leave it out or say {name}=None where the Dag is written"
            )
        match name:
            case "n":
                check_n(value)
            case "max_cost_usd" | "max_run_cost_usd":
                to_usd(value, name)
            case "filename":
                clean_name(value)
            case "fallback_models":
                read_models(value)
            case _:
                check_parameter(name, value)

    @override
    def execute(self, context: Context) -> Any:
        """
        Do the work.

        :raises ImageRouterError: if it did not succeed; its message says what it cost, and whether it is tried again
        """
        try:
            self._check_given()
            self._result = self._execute(context)
        except ImageRouterError as error:
            raise as_raised(error, context, self) from None
        attach_result(context, self.outlets, self._result)
        return self._result

    @abstractmethod
    def _execute(self, context: Context) -> Any:
        """Do the work, its parameters checked."""

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """
        Return what OpenLineage is to be told; its Airflow provider asks for it when the task has ended.

        :param task_instance: the task instance
        :return: None if the task made nothing
        """
        return None if self._result is None else self._lineage(self._result)

    @abstractmethod
    def _lineage(self, result: Any) -> OperatorLineage[Any, Any]:
        """Return the lineage of what was made."""

    @override
    def on_kill(self) -> None:
        """Stop what is running; a call in flight is given up, though the API goes on with it and bills it."""
        if self._running:
            loop, task = self._running
            loop.call_soon_threadsafe(task.cancel)

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
