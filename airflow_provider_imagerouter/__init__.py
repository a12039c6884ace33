"""Apache Airflow provider for ImageRouter: one paid HTTP API in front of 140+ image and video models."""

from __future__ import annotations

__version__ = "0.1.0"
