"""
What a connection means where it says nothing.

Imports nothing: Airflow reads the connection form while it is itself being imported.
"""

from __future__ import annotations

API_URL = "https://api.imagerouter.io"
DEFAULT_CONN_ID = "imagerouter_default"
AI_CONN_ID = "pydanticai_imagerouter_default"
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 90.0
RETRY_TIMEOUT = 60.0
KEY_LIFETIME = 86_400.0
