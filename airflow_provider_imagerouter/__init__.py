"""Apache Airflow provider for ImageRouter: one paid HTTP API in front of 140+ image and video models."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """Describe the package to Airflow's providers manager; the entry point ``apache_airflow_provider``."""
    from airflow_provider_imagerouter import provider_info

    return provider_info.get_provider_info()
