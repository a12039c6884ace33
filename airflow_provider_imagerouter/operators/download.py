"""Storing pictures whose links an earlier task passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from airflow_provider_imagerouter.engine.existing import check_if_exists
from airflow_provider_imagerouter.engine.extras import Extras, check_extras, with_default
from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError
from airflow_provider_imagerouter.files.naming import picture_stem, task_stem
from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID
from airflow_provider_imagerouter.operators.base import ImageRouterBaseOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from airflow_provider_imagerouter.engine.existing import IfExists
    from airflow_provider_imagerouter.records import Record


class ImageRouterDownloadOperator(ImageRouterBaseOperator):
    """
    Fetch pictures and store them under ``output_path``; free of charge.

    For pipelines that generate first and store later. Returns the records with ``path`` set; of a picture given by
    its link alone, nothing but the link and the file is known. The API key is not sent to the links. Parameters
    are templated unless they say otherwise. Example::

        ImageRouterDownloadOperator(task_id="store", image=poster.output, output_path="/data/posters")

    :param image: a record, a URL, a path, or a list of these
    :param output_path: the folder to store pictures in: local, or any fsspec URI such as ``s3://conn@bucket/folder``
    :param filename: name of the stored picture, or a pattern with fields, such as ``{run_id}-{index}``
        (docs/files.md); its extension follows from its bytes. It may come from data. A mapped task's index is added,
        unless ``filename`` itself is mapped or has it. None for a name that no other task instance has
    :param if_exists: what to do about a file that has such a name already: ``"replace"`` it, ``"keep"`` it instead
        of fetching another, or ``"fail"`` before anything is fetched; not templated
    :param sidecar: whether to store a file beside each picture, ``picture.webp.json``, with its
        record (docs/metadata.md); ``[imagerouter] sidecars`` if None; not templated
    :param embed_metadata: whether to say in the file of each PNG, JPEG and WebP picture what it is, for asset managers
        and readers: prompt, model, and that it is AI-generated; not templated
    :param imagerouter_conn_id: connection of type ``imagerouter``, for its timeouts
    :param kwargs: those of every operator
    """

    template_fields = ("image", "output_path", "filename", "imagerouter_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"image": "json"}

    def __init__(
        self,
        *,
        image: Any,
        output_path: str,
        filename: str | None = None,
        if_exists: IfExists = "replace",
        sidecar: bool | None = None,
        embed_metadata: bool = False,
        imagerouter_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(imagerouter_conn_id=imagerouter_conn_id, **kwargs)
        self.image = image
        self.output_path = output_path
        self.filename = filename
        self.if_exists: IfExists = if_exists
        self.sidecar = sidecar
        self.embed_metadata = embed_metadata
        check_if_exists(if_exists)
        check_extras(sidecar, embed_metadata, output_path)
        self._check_known()

    @override
    def _check_complete(self) -> None:
        if self.image is None or self.output_path is None:
            missing = "image" if self.image is None else "output_path"
            raise ImageRouterInputError(f"{missing} is missing: which pictures to store, and where")

    @override
    def _execute(self, context: Context) -> list[Record]:
        """Store the pictures and return their records."""
        from airflow_provider_imagerouter.identity import Identity
        from airflow_provider_imagerouter.records import describe

        try:
            stem = task_stem(self.filename, Identity.of(context), is_mapped="filename" in self._expanded)
            stored = self._run(self._store(str(self.output_path), stem, is_first=context["ti"].try_number <= 1))
        except ImageRouterStorageError as error:
            # It was not billed by this task: whoever made the picture paid for it.
            raise ImageRouterStorageError(str(error), status_code=error.status_code, billed="no") from error
        for record in stored:
            self.log.info("Stored %s", describe(record))
        return stored

    async def _store(self, folder: str, stem: str, *, is_first: bool) -> list[Record]:
        from airflow_provider_imagerouter.engine.existing import ExistingFiles
        from airflow_provider_imagerouter.engine.inputs import records
        from airflow_provider_imagerouter.engine.pictures import PictureStore
        from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook

        settings = await ImageRouterAsyncHook(self.imagerouter_conn_id).get_settings()
        found = records(self.image, "image")
        extras = Extras(with_default(self.sidecar), self.embed_metadata)
        store = await PictureStore.open(folder, settings, replace=self.if_exists == "replace", extras=extras)
        existing = ExistingFiles(store, self.if_exists)
        stems = [picture_stem(stem, number) for number in range(1, len(found) + 1)]
        if is_first or self.if_exists == "keep":  # a retry finds what it stored itself
            await existing.look(stems, is_new=True)
        stored = []
        for number, record in enumerate(found, start=1):
            kept = await existing.heed(stems[number - 1])
            if kept and not is_first and await store.lacks_sidecar(kept[0]):
                kept = None  # an earlier attempt stored it, and was stopped before it had stored all of it
            stored += kept or [await store.add(record, None, stem, number)]
        return stored

    @override
    def _lineage(self, result: list[Record]) -> OperatorLineage[Any, Any]:
        from airflow_provider_imagerouter.lineage import lineage_of_pictures

        return lineage_of_pictures(self.imagerouter_conn_id, result, self.image)
