"""What the operators of one request share: its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_imagerouter.api.request import check_n, check_parameter
from airflow_provider_imagerouter.engine.checks import check_bytes_have_a_place
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.base import is_final
from airflow_provider_imagerouter.operators.paying import ImageRouterPayingOperator

if TYPE_CHECKING:
    from airflow_provider_imagerouter.engine.work import Work
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.records import Record


class ImageRouterRequestOperator(ImageRouterPayingOperator):
    """
    An operator that carries out one request.

    :param prompt: what to make, 20,000 characters at most. A name that ends in ``.prompt`` is a file beside the Dag
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
        from airflow_provider_imagerouter.engine.work import SingleWork

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
