"""``@task.imagerouter``: a function returns what to draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, overload

from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)
from typing_extensions import override

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID
from airflow_provider_imagerouter.operators.edit import ImageRouterEditOperator
from airflow_provider_imagerouter.operators.request import ImageRouterRequestOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import Task

    from airflow_provider_imagerouter.engine.engine import OrphanPolicy
    from airflow_provider_imagerouter.engine.existing import IfExists
    from airflow_provider_imagerouter.records import Record

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned", bound=str | Mapping[str, Any])


class ImageRouterDecoratedOperator(DecoratedOperator, ImageRouterRequestOperator):
    """
    Calls a function, and makes the picture that it describes.

    The parameters are those of :class:`~airflow_provider_imagerouter.operators.edit.ImageRouterEditOperator`; what the
    function returns goes before them.

    :param python_callable: returns the prompt, or a dict of parameters
    """

    custom_operator_name = "@task.imagerouter"
    parameter_fields = ImageRouterEditOperator.parameter_fields
    template_fields = (*DecoratedOperator.template_fields, *ImageRouterEditOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **ImageRouterEditOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        prompt: str | None = None,
        image: Any = None,
        mask: Any = None,
        model: str | None = None,
        quality: str | None = None,
        size: str | None = None,
        output_format: str | None = None,
        response_format: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        fallback_models: Sequence[str] | str | None = None,
        n: int | str = 1,
        output_path: str | None = None,
        filename: str | None = None,
        max_cost_usd: float | str | None = None,
        max_run_cost_usd: float | str | None = None,
        on_orphaned_intent: OrphanPolicy = "resubmit",
        validate_model: bool = False,
        if_exists: IfExists = "replace",
        deferrable: bool | None = None,
        imagerouter_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable,
            fallback_models=fallback_models,
            n=n,
            output_path=output_path,
            filename=filename,
            max_cost_usd=max_cost_usd,
            max_run_cost_usd=max_run_cost_usd,
            on_orphaned_intent=on_orphaned_intent,
            validate_model=validate_model,
            if_exists=if_exists,
            deferrable=deferrable,
            imagerouter_conn_id=imagerouter_conn_id,
            **kwargs,
        )
        self.prompt = prompt
        self.image = image
        self.mask = mask
        self.model = model
        self.quality = quality
        self.size = size
        self.output_format = output_format
        self.response_format = response_format
        self.extra_body = extra_body
        self._check_known()

    @override
    def execute(self, context: Context) -> Any:
        # Not DecoratedOperator.execute: Airflow 3.0's fails after the work, for want of an attribute `xcom_push`.
        return ImageRouterRequestOperator.execute(self, context)

    @override
    def _execute(self, context: Context) -> Any:
        """
        Call the function, check what it returns, and go on as the operators do.

        After a deferral Airflow resumes at :meth:`execute_complete`: the function is called once for each try.

        :raises ImageRouterInputError: if the function returns something else than a prompt or parameters
        """
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self._parameters(self.python_callable(*self.op_args, **kwargs))
        for name, value in returned.items():
            rendered = self.render_template(value, context) if isinstance(value, str) else value
            setattr(self, name, rendered)
            if rendered is not None or name in ("prompt", "image", "mask"):
                self._given = self._given | {name}  # a new one: Airflow executes a shallow copy of the operator
        self._check_given()
        if self.image is None and (self.prompt is None or self.mask is not None):
            missing = "no prompt and no image" if self.mask is None else "a mask, but no image to edit"
            raise ImageRouterInputError(f"There is {missing}")
        return self._show(super()._execute(context))

    @override
    def execute_complete(self, context: Context, event: Any = None) -> Any:
        return self._show(super().execute_complete(context, event))

    def _show(self, records: list[Record]) -> list[Record]:
        """
        Let the rendered fields tell of the prompt, also after a deferral.

        Only of a success: were Airflow 3.0 asked to after a failure, it would fail to, and call no callbacks.
        """
        self.prompt, self.model = records[0]["prompt"], records[0]["model"]
        self.overwrite_rtif_after_execution = True
        return records

    def _parameters(self, returned: Any) -> Mapping[str, Any]:
        function = f"{self.python_callable.__name__}()"
        if isinstance(returned, str):
            return {"prompt": returned}
        if not isinstance(returned, Mapping):
            raise ImageRouterInputError(
                f"{function} must return a prompt (a string) or a dict of parameters, not {type(returned).__name__}"
            )
        allowed = (*self.parameter_fields, "fallback_models", "n")
        if unknown := [name for name in returned if name not in allowed]:
            raise ImageRouterInputError(
                f"{function} returned unknown parameters {unknown}; allowed: {', '.join(allowed)}"
            )
        return returned


@overload
def imagerouter_task(
    python_callable: Callable[Arguments, Returned],
) -> Task[Arguments, Returned]: ...


@overload
def imagerouter_task(
    python_callable: None = None,
    *,
    model: str | None = ...,
    quality: str | None = ...,
    size: str | None = ...,
    output_format: str | None = ...,
    response_format: str | None = ...,
    extra_body: Mapping[str, Any] | None = ...,
    fallback_models: Sequence[str] | str | None = ...,
    n: int | str = ...,
    image: Any = ...,
    mask: Any = ...,
    output_path: str | None = ...,
    filename: str | None = ...,
    max_cost_usd: float | str | None = ...,
    max_run_cost_usd: float | str | None = ...,
    on_orphaned_intent: OrphanPolicy = ...,
    validate_model: bool = ...,
    if_exists: IfExists = ...,
    sidecar: bool | None = ...,
    embed_metadata: bool = ...,
    deferrable: bool | None = ...,
    imagerouter_conn_id: str = ...,
    **kwargs: Any,
) -> Callable[[Callable[Arguments, Returned]], Task[Arguments, Returned]]: ...


def imagerouter_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
    """
    Make a picture of what a function returns; in a Dag it is called ``@task.imagerouter``.

    The function returns the prompt, or a dict of parameters: ``prompt``, ``model``, ``quality``, ``size``,
    ``output_format``, ``response_format``, ``extra_body``, ``fallback_models``, ``n``, and for an edit ``image`` and
    ``mask``.
    They go before those given to the decorator; the strings among them are templates. The task returns a list of
    records, one per picture. Example::

        @task.imagerouter(model="black-forest-labs/FLUX-1-schnell", output_path="/data/posters")
        def poster(city: str) -> str:
            return f"A travel poster for {city}"


        poster.expand(city=["Lisbon", "Turku"])

    :param python_callable: the function
    :param kwargs: the parameters of
        :class:`~airflow_provider_imagerouter.operators.edit.ImageRouterEditOperator` but ``prompt``, those of any task
        among them; without ``image`` it generates from text
    """
    # What the task returns is a list: never to be taken apart into several XComs, whatever the function's annotation.
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=ImageRouterDecoratedOperator,
        **kwargs,
    )
