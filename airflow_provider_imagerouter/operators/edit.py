"""Making pictures from pictures."""

from __future__ import annotations

from typing import Any

from airflow_provider_imagerouter.api.request import check_number_of_images
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.operators.base import is_final
from airflow_provider_imagerouter.operators.request import ImageRouterImageOperator


class ImageRouterEditOperator(ImageRouterImageOperator):
    """
    Make a picture from 1 to 16 pictures.

    The bytes of the input pictures are always uploaded: the API ignores links, and would bill a text to image call.
    Each must be a readable picture smaller than 25 MiB, or the task fails before anything is sent. Example::

        ImageRouterEditOperator(
            task_id="winter",
            image=poster.output,
            prompt="The same in winter",
            model="black-forest-labs/FLUX-1-schnell",
        )

    The other parameters are those of
    :class:`~airflow_provider_imagerouter.operators.generate.ImageRouterGenerateOperator`.

    :param image: one picture or a list: a record from an upstream task (or its list of them), a URL, a local path, an
        ObjectStoragePath or its URI (``s3://conn@bucket/key``)
    :param mask: a picture that says where to edit, given in the same ways; few models take one
    """

    parameter_fields = (*ImageRouterImageOperator.parameter_fields, "image", "mask")
    template_fields = ("image", "mask", *ImageRouterImageOperator.template_fields)

    def __init__(self, *, image: Any, mask: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.image = image
        self.mask = mask
        self._take(image=image, mask=mask)
        if is_final(image):
            if image is None:
                raise ImageRouterInputError("image is missing: an edit needs a picture to edit")
            if isinstance(image, list | tuple):
                check_number_of_images(len(image))
