"""Both hooks are where Airflow users look for them, and their HTTP clients are imported when they are used."""

from __future__ import annotations

import subprocess
import sys


def test_both_hooks_are_in_one_module_which_imports_no_http_client() -> None:
    code = """
import sys
from airflow.providers.common.compat.sdk import BaseHook  # which imports httpx itself
before = set(sys.modules)
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook, ImageRouterHook
clients = {"httpx", "requests", "PIL"} & (set(sys.modules) - before)
print(sorted(clients), [name for name in sys.modules if name.endswith("_transport")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] []"
