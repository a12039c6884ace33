"""Many generations and edits in one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_imagerouter.api.request import check_n, check_parameter
from airflow_provider_imagerouter.compat import is_resolved_later
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.base import is_final
from airflow_provider_imagerouter.operators.paying import ImageRouterPayingOperator

if TYPE_CHECKING:
    from airflow_provider_imagerouter.engine.batch import Manifest
    from airflow_provider_imagerouter.engine.work import Work
    from airflow_provider_imagerouter.identity import Identity

PARAMETERS = (
    "prompt",
    "model",
    "quality",
    "size",
    "output_format",
    "response_format",
    "image",
    "mask",
    "n",
)


class ImageRouterBatchOperator(ImageRouterPayingOperator):
    """
    Run many generations and edits in one task and one worker slot.

    Returns a :class:`~airflow_provider_imagerouter.engine.batch.Manifest`; pictures and ``results.jsonl``, a row a
    request in order, are under ``result_path``. Example::

        ImageRouterBatchOperator(
            task_id="catalogue",
            requests=["A red chair", {"prompt": "A blue chair", "size": "512x512"}],
            model="black-forest-labs/FLUX-1-schnell",
            result_path="s3://aws_default@pictures/{{ run_id }}",
        )

    :param requests: each a prompt, or a dict of the parameters of a generation or edit
    :param result_path: the folder for pictures and results: local, or any fsspec URI. Use a folder of its own for each
        run of the Dag; a mapped task's index is added to it
    :param model: model id for requests that name none; the connection's default model if None
    :param max_concurrency: how many requests are under way at a time, and so how many pictures in memory
    :param fail_on_partial_error: whether failed requests fail the task after all others have finished; a retry sends
        only those
    """

    template_fields = ("requests", "result_path", "model", "max_cost_usd", "imagerouter_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"requests": "json"}

    def __init__(
        self,
        *,
        requests: Any,
        result_path: str,
        model: str | None = None,
        max_concurrency: int = 8,
        fail_on_partial_error: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests = requests
        self.result_path = result_path
        self.model = model
        self.max_concurrency = max_concurrency
        self.fail_on_partial_error = fail_on_partial_error
        if isinstance(max_concurrency, bool) or not isinstance(max_concurrency, int) or max_concurrency < 1:
            raise ImageRouterInputError(f"max_concurrency must be a whole number from 1, not {max_concurrency!r}")
        if is_final(requests) or isinstance(requests, list | tuple):
            read_requests(requests, self.model)

    def _work(self, identity: Identity) -> Work:
        from airflow_provider_imagerouter.engine.work import BatchWork

        return BatchWork(
            **self._conditions(identity),
            requests=read_requests(self.requests, self.model),
            max_concurrency=self.max_concurrency,
            fail_on_partial_error=self.fail_on_partial_error,
        )

    def _folder(self, identity: Identity) -> str:
        folder = str(self.result_path).rstrip("/")
        return folder if identity.map_index < 0 else f"{folder}/{identity.map_index}"

    def _cost(self, result: Manifest) -> float | None:
        return result["cost_usd"]


def read_requests(requests: Any, model: str | None) -> list[dict[str, Any]]:
    """
    Return the parameters of each request, checked as far as they are known.

    :param requests: prompts and dicts
    :param model: model id for those that name none
    :raises ImageRouterInputError: if it is no list of these; a bare string would be a paid request per character
    """
    if isinstance(requests, str | bytes | Mapping) or not isinstance(requests, Sequence):
        raise ImageRouterInputError(
            f"requests must be a list of prompts and dicts, not {type(requests).__name__}; "
            "take an upstream task's list as task.output, since a template renders it to a string"
        )
    return [_read_request(number, request, model) for number, request in enumerate(requests, start=1)]


def _read_request(number: int, request: Any, model: str | None) -> dict[str, Any]:
    if is_resolved_later(request):
        return {}
    parameters = {"prompt": request} if isinstance(request, str) else request
    if not isinstance(parameters, Mapping):
        raise ImageRouterInputError(f"request {number} must be a prompt or a dict, not {type(request).__name__}")
    if unknown := set(parameters) - set(PARAMETERS):
        raise ImageRouterInputError(
            f"request {number} has unknown parameters {sorted(map(str, unknown))}; allowed: {', '.join(PARAMETERS)}"
        )
    if missing := [name for name in ("image", "mask", "prompt") if name in parameters and parameters[name] is None]:
        raise ImageRouterInputError(f"request {number} has {missing[0]}=None; leave it out if that is meant")
    if parameters.get("image") is None and (parameters.get("mask") is not None or parameters.get("prompt") is None):
        raise ImageRouterInputError(f"request {number} needs an image, or else a prompt and no mask")
    complete = {**parameters, "model": parameters.get("model") or model}
    for name, value in complete.items():
        if is_final(value):
            try:
                complete[name] = check_n(value) if name == "n" else value
                check_parameter(name, value)
            except ImageRouterInputError as error:
                raise ImageRouterInputError(f"request {number}: {error}") from None
    return complete
