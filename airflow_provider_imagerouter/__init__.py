"""Apache Airflow provider for ImageRouter: one paid HTTP API in front of 140+ image and video models."""

from __future__ import annotations

__version__ = "0.1.0"


def get_provider_info() -> dict[str, object]:
    """Describe the package to Airflow's providers manager."""
    return {"package-name": "airflow-provider-imagerouter", "name": "ImageRouter", "description": "ImageRouter."}
