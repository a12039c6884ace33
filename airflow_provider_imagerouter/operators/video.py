"""Making videos from text or from a picture."""

from __future__ import annotations

from typing import Any

from airflow_provider_imagerouter.operators.request import ImageRouterRequestOperator


class ImageRouterVideoOperator(ImageRouterRequestOperator):
    """
    Make a video from text, or from a picture and text.

    Returns a list of records, as for pictures; ``duration_seconds`` and ``content_type`` are set where the video is
    stored and says. Videos cost up to $6 and take up to 40 minutes: ``max_cost_usd`` and ``deferrable=True`` are worth
    a thought. Example::

        ImageRouterVideoOperator(
            task_id="waves",
            image=poster.output,
            prompt="The waves begin to move",
            model="bytedance/seedance-1-lite",
            seconds=5,
            output_path="s3://aws_default@videos/posters",
        )

    The other parameters are those of
    :class:`~airflow_provider_imagerouter.operators.generate.ImageRouterGenerateOperator`, without ``output_format``.

    :param seconds: length, ``auto`` or 1 to 60; which ones, depends on the model
    :param image: the picture to begin with: a record from an upstream task (or its list of one), a URL, a local path,
        an ObjectStoragePath or its URI; None for text to video
    """

    makes = "video"
    parameter_fields = (*ImageRouterRequestOperator.parameter_fields, "seconds", "image")
    template_fields = (*ImageRouterRequestOperator.template_fields, "seconds", "image")

    def __init__(self, *, seconds: float | str | None = None, image: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds
        self.image = image
        self._take(seconds=seconds, image=image)
