"""Many generations and edits in one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from airflow_provider_imagerouter.api.request import check_n, check_parameter
from airflow_provider_imagerouter.compat import is_final, is_resolved_later
from airflow_provider_imagerouter.engine.checks import read_models
from airflow_provider_imagerouter.engine.extras import check_extras
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.files.naming import check_pattern, clean_name
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID
from airflow_provider_imagerouter.links.pictures import ResultsLink
from airflow_provider_imagerouter.operators.paying import ImageRouterPayingOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from airflow_provider_imagerouter.engine.engine import OrphanPolicy
    from airflow_provider_imagerouter.engine.existing import IfExists
    from airflow_provider_imagerouter.engine.work import Work
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.results import Manifest

PARAMETERS = (
    "prompt",
    "model",
    "quality",
    "size",
    "output_format",
    "response_format",
    "image",
    "mask",
    "extra_body",
    "fallback_models",
    "n",
    "filename",
    "metadata",
)
"""What a request may have: the API's parameters, other models, how often, its pictures' name, and what it carries."""


class ImageRouterBatchOperator(ImageRouterPayingOperator):
    """
    Run many generations and edits in one task and one worker slot.

    Returns a :class:`~airflow_provider_imagerouter.results.Manifest`; pictures and ``results.jsonl``, a row a request
    in order, are under ``result_path`` (:func:`~airflow_provider_imagerouter.results.read_results`). Example::

        ImageRouterBatchOperator(
            task_id="catalogue",
            requests=["A red chair", {"prompt": "A blue chair", "size": "512x512"}],
            model="black-forest-labs/FLUX-1-schnell",
            result_path="s3://aws_default@pictures/{{ run_id }}",
        )

    :param requests: each a prompt, or a dict of the parameters of a generation or edit, ``extra_body`` and ``n`` among
        them; also ``filename``, the name of its pictures without extension or a pattern, and ``metadata``, a flat
        dict that is carried into its row of the results and into its records
    :param result_path: the folder for pictures and results: local, or any fsspec URI. Use a folder of its own for each
        run of the Dag; a mapped task's index is added to it
    :param filename: a pattern for the names of pictures, such as ``{index:03d}-{prompt:slug}`` (docs/files.md), or what
        they begin with, for requests that have no name of their own
    :param model: model id for requests that name none; the connection's default model if None
    :param fallback_models: ids of models that are asked, one after the other, where a request's own model could not
        make it and nothing was billed: its provider failed, or there is no such model any more; for requests that have
        no ``fallback_models`` of their own
    :param max_concurrency: how many requests are under way at a time, and so how many pictures in memory
    :param fail_on_partial_error: whether failed requests fail the task after all others have finished; a retry sends
        only those
    :param max_cost_usd: USD that all attempts of the task together may spend; the connection's limit if None
    :param max_run_cost_usd: USD that all tasks of the Dag run that have such a limit may spend together, mapped ones
        included; needs ``[imagerouter] ledger_path``; the connection's limit if None
    :param on_orphaned_intent: what to do about a call that an earlier attempt sent without learning its end:
        ``"resubmit"`` (it may be paid twice), ``"resubmit_unbilled"`` (only what was not
        billed; needs a connection with a management key) or ``"fail"``
    :param validate_model: whether to check each request against the catalogue before it is sent
    :param if_exists: what to do about a file that has a picture's name already: ``"replace"`` it, ``"keep"`` it instead
        of paying for another, or ``"fail"`` before anything is paid
    :param sidecar: whether to store a file beside each picture, ``picture.webp.json``, with its record and what was
        asked for (docs/metadata.md); ``[imagerouter] sidecars`` if None
    :param embed_metadata: whether to say in the file of each PNG, JPEG and WebP picture what it is, for asset managers
        and readers: prompt, model, and that it is AI-generated
    :param deferrable: whether to do the work in the triggerer, so that it holds no worker slot; ``[operators]
        default_deferrable`` if None
    :param imagerouter_conn_id: connection of type ``imagerouter``
    :param kwargs: those of every operator
    """

    template_fields = (
        "requests",
        "result_path",
        "filename",
        "model",
        "fallback_models",
        "max_cost_usd",
        "max_run_cost_usd",
        "imagerouter_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"requests": "json"}
    operator_extra_links = (ResultsLink(),)

    def __init__(
        self,
        *,
        requests: Any,
        result_path: str,
        filename: str | None = None,
        model: str | None = None,
        fallback_models: Sequence[str] | str | None = None,
        max_concurrency: int = 8,
        fail_on_partial_error: bool = True,
        max_cost_usd: float | str | None = None,
        max_run_cost_usd: float | str | None = None,
        on_orphaned_intent: OrphanPolicy = "resubmit",
        validate_model: bool = False,
        if_exists: IfExists = "replace",
        sidecar: bool | None = None,
        embed_metadata: bool = False,
        deferrable: bool | None = None,
        imagerouter_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            fallback_models=fallback_models,
            max_cost_usd=max_cost_usd,
            max_run_cost_usd=max_run_cost_usd,
            on_orphaned_intent=on_orphaned_intent,
            validate_model=validate_model,
            if_exists=if_exists,
            sidecar=sidecar,
            embed_metadata=embed_metadata,
            deferrable=deferrable,
            imagerouter_conn_id=imagerouter_conn_id,
            **kwargs,
        )
        self.requests = requests
        self.result_path = result_path
        check_extras(sidecar, embed_metadata, result_path)
        self.filename = filename
        self.model = model
        self.max_concurrency = max_concurrency
        self.fail_on_partial_error = fail_on_partial_error
        if isinstance(max_concurrency, bool) or not isinstance(max_concurrency, int) or max_concurrency < 1:
            raise ImageRouterInputError(f"max_concurrency must be a whole number from 1, not {max_concurrency!r}")
        if is_final(requests) or isinstance(requests, list | tuple):
            read_requests(requests, self.model, fallback_models)
        if not self._expanded:
            check_patterns(requests)
        self._check_known()

    @override
    def _work(self, context: Context) -> Work:
        from airflow_provider_imagerouter.engine.work import BatchWork

        return BatchWork(
            **self._conditions(context),
            requests=read_requests(self.requests, self.model, self.fallback_models),
            max_concurrency=self.max_concurrency,
            fail_on_partial_error=self.fail_on_partial_error,
            filename=self.filename,
        )

    @override
    def _folder(self, identity: Identity) -> str:
        folder = str(self.result_path).rstrip("/")
        return folder if identity.map_index < 0 else f"{folder}/{identity.map_index}"

    @override
    def _cost(self, result: Manifest) -> float | None:
        return result["cost_usd"]

    @override
    def _lineage(self, result: Manifest) -> OperatorLineage[Any, Any]:
        from airflow_provider_imagerouter.lineage import lineage_of_batch

        return lineage_of_batch(self.imagerouter_conn_id, result, self.requests, self.model)


def read_requests(requests: Any, model: str | None, fallback_models: Any = None) -> list[dict[str, Any]]:
    """
    Return the parameters of each request, checked as far as they are known.

    :param requests: prompts and dicts
    :param model: model id for those that name none
    :param fallback_models: other models, for those that name none
    :raises ImageRouterInputError: if it is no list of these; a bare string would be a paid request per character
    """
    if isinstance(requests, str | bytes | Mapping) or not isinstance(requests, Sequence):
        raise ImageRouterInputError(
            f"requests must be a list of prompts and dicts, not {type(requests).__name__}; "
            "take an upstream task's list as task.output, since a template renders it to a string"
        )
    kinds: dict[str, str] = {}
    read = []
    for index, request in enumerate(requests):
        try:
            read.append(_read_request(request, model, fallback_models))
            _check_metadata(read[-1].get("metadata"), kinds)
        except ImageRouterInputError as error:
            raise ImageRouterInputError(f"requests[{index}]: {error}") from None
    return read


def check_patterns(requests: Any) -> None:
    """
    Check the fields of the requests' filenames as they are written in a Dag.

    :param requests: prompts and dicts, as far as they are known
    :raises ImageRouterInputError: if something between braces is no field
    """
    if not isinstance(requests, list | tuple):
        return
    for index, request in enumerate(requests):
        try:
            check_pattern(request.get("filename") if isinstance(request, Mapping) else None)
        except ImageRouterInputError as error:
            raise ImageRouterInputError(f"requests[{index}]: {error}") from None


def _read_request(request: Any, model: str | None, fallback_models: Any) -> dict[str, Any]:
    if is_resolved_later(request):
        return {}
    given = {"prompt": request} if isinstance(request, str) else request
    if not isinstance(given, Mapping):
        raise ImageRouterInputError(f"it must be a prompt or a dict, not {type(request).__name__}")
    if unknown := set(given) - set(PARAMETERS):
        raise ImageRouterInputError(
            f"unknown parameters {sorted(map(str, unknown))}; allowed: {', '.join(PARAMETERS)}. "
            "What only the API knows goes into extra_body"
        )
    if missing := [name for name in ("image", "mask", "prompt") if name in given and given[name] is None]:
        raise ImageRouterInputError(f"{missing[0]} is None; leave it out if that is meant")
    extra = given.get("extra_body")
    names = given.keys() | (extra.keys() if isinstance(extra, Mapping) else {"image"} if extra else set())
    if "image" not in names and ("mask" in names or "prompt" not in names):
        raise ImageRouterInputError("it needs an image, or else a prompt and no mask")
    complete = {**given, "model": model if given.get("model") is None else given["model"]}
    if given.get("fallback_models") is None and fallback_models is not None:
        complete["fallback_models"] = fallback_models
    if complete.get("fallback_models", ()) is None:
        del complete["fallback_models"]
    for name, value in complete.items():
        if is_final(value):
            match name:
                case "fallback_models":
                    complete[name] = read_models(value)
                case "n":
                    complete[name] = check_n(value)
                case "filename":
                    clean_name(value)
                case _:
                    check_parameter(name, value)
    return complete


def _check_metadata(metadata: Any, kinds: dict[str, str]) -> None:
    """
    Check what a request carries into its row: each name becomes a column, and columns have one type.

    :param metadata: of a request
    :param kinds: what the requests before it have, by name; completed
    """
    if metadata is None or not is_final(metadata):
        return
    if not isinstance(metadata, Mapping) or not all(isinstance(name, str) and name for name in metadata):
        raise ImageRouterInputError(f"metadata must be a dict of values by name, not {metadata!r:.200}")
    for name, value in metadata.items():
        if value is None or not is_final(value):
            continue
        kind = _kind(value)
        if kind is None:
            raise ImageRouterInputError(
                f"metadata {name!r} must be text, a number, True, False or None, not {value!r:.200}; "
                "json.dumps makes text of anything else"
            )
        if kinds.setdefault(name, kind) != kind:
            raise ImageRouterInputError(
                f"metadata {name!r} is {kind} here and {kinds[name]} in a request before; it becomes a column"
            )


def _kind(value: Any) -> str | None:
    if isinstance(value, bool):
        return "True or False"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float) and abs(value) < 2**63:  # which NaN is not, either
        return "a number"
    return None
