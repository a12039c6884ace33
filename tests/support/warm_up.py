"""Imports what an attempt of a task needs, so that processes that are forked from here need not."""

import tempfile

import support.attempts  # noqa: F401
from airflow_provider_imagerouter.files.storing import to_path

to_path(tempfile.gettempdir())  # Airflow looks for file systems in all its providers
