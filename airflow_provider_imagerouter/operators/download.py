"""Storing pictures whose links an earlier task passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.base import ImageRouterBaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_imagerouter.records import Record


class ImageRouterDownloadOperator(ImageRouterBaseOperator):
    """
    Fetch pictures and store them under ``output_path``; free of charge.

    For pipelines that generate first and store later. Returns the records with ``path`` set; of a picture given by
    its link alone, nothing but the link and the file is known. The API key is not sent to the links. Example::

        ImageRouterDownloadOperator(task_id="store", image=poster.output, output_path="/data/posters")

    :param image: a record, a URL, a path, or a list of these
    :param output_path: the folder to store pictures in: local, or any fsspec URI
    """

    template_fields = ("image", "output_path", "filename", "imagerouter_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"image": "json"}

    def __init__(self, *, image: Any, output_path: str, **kwargs: Any) -> None:
        super().__init__(output_path=output_path, **kwargs)
        self.image = image

    def execute(self, context: Context) -> list[Record]:
        """
        Store the pictures and return their records.

        :raises ImageRouterError: if one of them could not be fetched or stored
        """
        from airflow_provider_imagerouter.identity import Identity
        from airflow_provider_imagerouter.records import describe_stored

        if not self.output_path:
            raise ImageRouterInputError("output_path is empty: it says where to store the pictures")
        stored = self._run(self._store(str(self.output_path), self._stem(Identity.of(context))))
        for record in stored:
            self.log.info("Stored %s", describe_stored(record))
        return stored

    async def _store(self, folder: str, stem: str) -> list[Record]:
        from airflow_provider_imagerouter.engine.inputs import records
        from airflow_provider_imagerouter.engine.pictures import PictureStore
        from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook

        settings = await ImageRouterAsyncHook(self.imagerouter_conn_id).get_settings()
        found = records(self.image, "image")
        store = await PictureStore.open(folder, settings)
        return [await store.add(record, None, stem, number) for number, record in enumerate(found, start=1)]
