"""Apache Airflow provider for ImageRouter: one paid HTTP API in front of 140+ image and video models."""

from __future__ import annotations

from airflow_provider_imagerouter.provider_info import get_provider_info

__version__ = "0.1.0"

__all__ = ["__version__", "get_provider_info"]
