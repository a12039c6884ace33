"""Making videos from text or from a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from airflow_provider_imagerouter.api.request import VideoRequest
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID
from airflow_provider_imagerouter.operators.request import ImageRouterRequestOperator

if TYPE_CHECKING:
    from airflow_provider_imagerouter.engine.engine import OrphanPolicy
    from airflow_provider_imagerouter.engine.existing import IfExists


class ImageRouterVideoOperator(ImageRouterRequestOperator):
    """
    Make a video from text, or from pictures and text.

    Returns a list of records, as for pictures, and pushes what they cost as ``cost_usd``; ``duration_seconds`` and
    ``content_type`` are set where the video is stored and says. Videos cost up to $6 and take up to 40 minutes:
    ``max_cost_usd`` and ``deferrable=True`` are worth a thought. Parameters are templated unless they say otherwise.
    Example::

        ImageRouterVideoOperator(
            task_id="waves",
            image=poster.output,
            prompt="The waves begin to move",
            model="bytedance/seedance-1-lite",
            seconds=5,
            output_path="s3://aws_default@videos/posters",
        )

    :param prompt: what to make, 20,000 characters at most; may be left out where there is an image. A name that ends in
        ``.prompt`` is a file beside the Dag
    :param image: the picture to begin with, or up to 16 where the model takes them: a record from an upstream task (or
        its list of them), a URL, a local path, an ObjectStoragePath or its URI; None for text to video
    :param model: model id; the connection's default model if None
    :param seconds: length of the video, ``auto`` or 1 to 60; which ones, depends on the model
    :param quality: ``auto``, ``low``, ``medium`` or ``high``; some models heed it
    :param size: ``auto`` or ``WIDTHxHEIGHT``; which ones, depends on the model
    :param response_format: ``url`` (the video is kept by ImageRouter, public to whoever has the link), ``b64_json``
        (kept, too) or ``b64_ephemeral`` (not kept); the latter two need an ``output_path``
    :param extra_body: further parameters of the API, sent as they are and unchecked; they go before those above
    :param fallback_models: ids of models that are asked, one after the other, where ``model`` could not make it and
        nothing was billed: its provider failed, or there is no such model any more
    :param n: how many candidates, 1 to 100; each is a call and a bill of its own, 4 at a time
    :param output_path: the folder to store videos in: local, or any fsspec URI such as ``s3://conn@bucket/folder``;
        None to pass on ImageRouter's links
    :param filename: name of the stored video, or a pattern with fields, such as ``{index:03d}-{prompt:slug}``
        (docs/files.md); its extension follows from its bytes. It may come from data. A mapped task's index is added,
        unless ``filename`` itself is mapped or has it. None for a name that no other task instance has
    :param max_cost_usd: USD that all attempts of the task together may spend; the connection's limit if None
    :param max_run_cost_usd: USD that all tasks of the Dag run that have such a limit may spend together, mapped ones
        included; needs ``[imagerouter] ledger_path``; the connection's limit if None
    :param on_orphaned_intent: what to do about a call that an earlier attempt sent without learning its end:
        ``"resubmit"`` (it may be paid twice), ``"resubmit_unbilled"`` (only what was not
        billed; needs a connection with a management key) or ``"fail"``; not templated
    :param validate_model: whether to check the request against the catalogue before it is sent; not templated
    :param if_exists: what to do about a file that has such a name already: ``"replace"`` it, ``"keep"`` it instead
        of paying for another, or ``"fail"`` before anything is paid; not templated
    :param sidecar: whether to store a file beside each video, ``video.mp4.json``, with its record and what was asked
        for (docs/metadata.md); ``[imagerouter] sidecars`` if None; not templated
    :param embed_metadata: whether to say in the file of each PNG, JPEG and WebP picture what it is; videos are stored
        without it, with a warning; not templated
    :param deferrable: whether to do the work in the triggerer, so that it holds no worker slot; ``[operators]
        default_deferrable`` if None; not templated
    :param imagerouter_conn_id: connection of type ``imagerouter``
    :param kwargs: those of every operator
    """

    makes = VideoRequest.output
    parameter_fields = (*VideoRequest.names, "extra_body", "image")
    template_fields = (*parameter_fields, *ImageRouterRequestOperator.template_fields)

    def __init__(
        self,
        *,
        prompt: str | None = None,
        image: Any = None,
        model: str | None = None,
        seconds: float | str | None = None,
        quality: str | None = None,
        size: str | None = None,
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
        sidecar: bool | None = None,
        embed_metadata: bool = False,
        deferrable: bool | None = None,
        imagerouter_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            fallback_models=fallback_models,
            n=n,
            output_path=output_path,
            filename=filename,
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
        self.prompt = prompt
        self.image = image
        self.model = model
        self.seconds = seconds
        self.quality = quality
        self.size = size
        self.response_format = response_format
        self.extra_body = extra_body
        self._check_known()

    @override
    def _check_complete(self) -> None:
        if self.prompt is None and self.image is None:
            raise ImageRouterInputError("There is neither a prompt nor an image to make a video of")
