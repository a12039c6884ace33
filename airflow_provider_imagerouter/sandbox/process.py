"""Starts and stops the sandbox in a process of its own, for scripts and tests."""

from __future__ import annotations

import json
import subprocess
import sys
from http.client import HTTPConnection
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from airflow_provider_imagerouter.sandbox.keys import EMPTY_KEY, MANAGEMENT_KEY, NEARLY_EMPTY_KEY, RICH_KEY

STOP_SECONDS = 10


class SandboxProcess:
    """A running sandbox; use it as a context manager.

    :param port: to listen on, on loopback; 0 picks a free one
    """

    rich_key = RICH_KEY
    nearly_empty_key = NEARLY_EMPTY_KEY
    empty_key = EMPTY_KEY
    management_key = MANAGEMENT_KEY

    def __init__(self, port: int = 0) -> None:
        """Start the sandbox and wait until it listens.

        :raises RuntimeError: if it does not start; the reason is on stderr
        """
        command = [sys.executable, "-m", "airflow_provider_imagerouter.sandbox", "--port", str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        stdout = self._process.stdout
        greeting = stdout.readline() if stdout else ""
        if "http://" not in greeting:
            self.stop()
            raise RuntimeError("The sandbox did not start: see its error above.")
        self.url = greeting.split()[-1]

    def __enter__(self) -> Self:
        """Hand out the running sandbox."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """Stop the process, and wait until it is gone."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def ledger(self) -> dict[str, Any]:
        """Ask what happened since the last reset: `totals`, `calls`, `fetches`, `authorization_seen_at_links`."""
        return self._ask("GET", "/sandbox/ledger")

    def reset(self) -> None:
        """Put accounts, limits and ledger back to how they were at the start."""
        self._ask("POST", "/sandbox/reset")

    def expire_links(self) -> None:
        """Let the links of all pictures made up to now die, as if thirty days had gone by."""
        self._ask("POST", "/sandbox/expire")

    def answer_spent_keys(self, status: int) -> None:
        """Choose how a key is refused that has spent its limit, until the next reset.

        :param status: 401, 402 (the default), 403, 429, or 200 for an error in a 200
        """
        self._ask("POST", f"/sandbox/spent-keys/{status}")

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        connection = HTTPConnection(urlsplit(self.url).netloc)
        try:
            connection.request(method, path)
            answer: dict[str, Any] = json.load(connection.getresponse())
            return answer
        finally:
            connection.close()

    def connection_uri(self, key: str = RICH_KEY) -> str:
        """Describe an Airflow connection to the sandbox as JSON, as `AIRFLOW_CONN_…` variables take it.

        :param key: whose account pays
        """
        return json.dumps({"conn_type": "imagerouter", "host": self.url, "password": key})
