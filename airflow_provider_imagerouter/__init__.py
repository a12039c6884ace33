"""Apache Airflow provider for ImageRouter: one paid HTTP API in front of 140+ image and video models."""

__version__ = "0.1.0"
