"""What the operators of one request share."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from airflow_provider_imagerouter.api.request import check_n, check_number_of_images, check_number_of_masks
from airflow_provider_imagerouter.engine.checks import check_bytes_have_a_place, read_models
from airflow_provider_imagerouter.engine.extras import check_extras
from airflow_provider_imagerouter.files.naming import task_stem
from airflow_provider_imagerouter.operators.paying import ImageRouterPayingOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from airflow_provider_imagerouter.engine.work import Work
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.records import Record

log = logging.getLogger(__name__)


class ImageRouterRequestOperator(ImageRouterPayingOperator):
    """
    An operator that carries out one request.

    A class of these names the API's parameters that it takes in ``parameter_fields``, and sets an attribute for each.

    :param n: how many candidates; each is a call and a bill of its own, 4 at a time
    :param output_path: the folder to store pictures in: local, or any fsspec URI such as ``s3://conn@bucket/folder``
    :param filename: name of the stored picture without extension
    """

    makes: ClassVar[str] = "image"
    parameter_fields: ClassVar[Sequence[str]] = ()
    template_fields: Sequence[str] = (
        "fallback_models",
        "n",
        "max_cost_usd",
        "max_run_cost_usd",
        "output_path",
        "filename",
        "imagerouter_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "prompt": "md",
        "image": "json",
        "mask": "json",
        "extra_body": "json",
    }

    def __init__(self, *, n: int | str, output_path: str | None, filename: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = n
        self.output_path = output_path
        self.filename = filename
        check_extras(self.sidecar, self.embed_metadata, output_path)

    @override
    def _check(self, name: str, value: Any) -> None:
        super()._check(name, value)
        match name:
            case "response_format":
                check_bytes_have_a_place(value, self.output_path)
            case "image" if isinstance(value, list | tuple):
                check_number_of_images(len(value))
            case "mask" if isinstance(value, list | tuple):
                check_number_of_masks(len(value))

    @override
    def _work(self, context: Context) -> Work:
        from airflow_provider_imagerouter.engine.work import SingleWork
        from airflow_provider_imagerouter.identity import Identity

        parameters = {name: getattr(self, name) for name in self.parameter_fields}
        is_mapped = "filename" in self._expanded
        return SingleWork(
            **self._conditions(context),
            parameters=parameters,
            n=check_n(self.n),
            stem=task_stem(self.filename, Identity.of(context), is_mapped=is_mapped, parameters=parameters),
            output=self.makes,
            fallback_models=[] if self.fallback_models is None else read_models(self.fallback_models),
        )

    @override
    def _folder(self, identity: Identity) -> str | None:
        return str(self.output_path) if self.output_path else None

    @override
    def _say(self, result: list[Record]) -> None:
        from airflow_provider_imagerouter.records import describe, describe_all

        for record in result:
            log.info("%s", describe(record))
        log.info("%s", describe_all(result))

    @override
    def _cost(self, result: list[Record]) -> float | None:
        from airflow_provider_imagerouter.records import total_cost

        return total_cost(result)

    @override
    def _lineage(self, result: list[Record]) -> OperatorLineage[Any, Any]:
        from airflow_provider_imagerouter.lineage import lineage_of_pictures

        return lineage_of_pictures(self.imagerouter_conn_id, result)
