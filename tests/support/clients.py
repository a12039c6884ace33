"""Both hooks behind one face, so that one test runs through requests and through httpx."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook, ImageRouterHook

KEY = "key-of-the-tests-".ljust(64, "7")


class Client:
    """Calls a hook's methods, whichever hook it is."""

    def __init__(self, transport: str, conn_id: str) -> None:
        self.transport = transport
        self.hook = ImageRouterHook(conn_id) if transport == "requests" else ImageRouterAsyncHook(conn_id)

    def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        result = getattr(self.hook, method)(*args, **kwargs)
        return asyncio.run(result) if asyncio.iscoroutine(result) else result

    def generate(self, prompt: str | None = "a cat", model: str = "test/test", **options: Any) -> Any:
        return self("generate", prompt, model=model, **options)

    def error(self, *args: Any, **kwargs: Any) -> ImageRouterError:
        """The error that generating ends in."""
        with pytest.raises(ImageRouterError) as caught:
            self.generate(*args, **kwargs)
        return caught.value


class Clients:
    """Makes clients of one transport, for any server."""

    def __init__(self, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.transport = transport
        self._monkeypatch = monkeypatch
        self._number = 0

    def __call__(self, url: str, key: str = KEY, **extra: Any) -> Client:
        self._number += 1
        connection = {"conn_type": "imagerouter", "host": url, "password": key, "extra": extra}
        self._monkeypatch.setenv(f"AIRFLOW_CONN_TESTED_{self._number}", json.dumps(connection))
        return Client(self.transport, f"tested_{self._number}")
