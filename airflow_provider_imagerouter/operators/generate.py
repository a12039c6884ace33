"""Generating pictures from text."""

from __future__ import annotations

from airflow_provider_imagerouter.operators.request import ImageRouterImageOperator


class ImageRouterGenerateOperator(ImageRouterImageOperator):
    """
    Generate a picture from text.

    Returns a list of records, one per picture (see :class:`~airflow_provider_imagerouter.records.Record`), and pushes
    what they cost as ``cost_usd``. All parameters are templated. Example::

        ImageRouterGenerateOperator(
            task_id="poster",
            prompt="A lighthouse in the fog, {{ ds }}",
            model="black-forest-labs/FLUX-1-schnell",
            output_path="s3://aws_default@pictures/posters",
        )

    For the parameters see :class:`~airflow_provider_imagerouter.operators.request.ImageRouterImageOperator` and
    :class:`~airflow_provider_imagerouter.operators.base.ImageRouterBaseOperator`.
    """
