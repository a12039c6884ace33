from __future__ import annotations

import base64
import io
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from PIL import Image
from support.waiting import wait_for

from airflow_provider_imagerouter.sandbox.process import SandboxProcess

IMAGES = "/v1/openai/images/generations"
EDITS = "/v1/openai/images/edits"
VIDEOS = "/v1/openai/videos/generations"


@dataclass
class Api:
    """Talks to the sandbox as any client would."""

    sandbox: SandboxProcess
    client: httpx.Client

    def post(self, path: str = IMAGES, key: str | None = None, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.sandbox.rich_key}", **request.pop("headers", {})}
        return self.client.post(path, headers=headers, **request)

    def generate(
        self,
        model: str = "test/test",
        prompt: str = "a cat",
        *,
        path: str = IMAGES,
        key: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        small = {"size": "64x64"} if model.startswith("sandbox/") else {}
        return self.post(path, key, json={"model": model, "prompt": prompt, **small, **more})

    def edit(
        self, model: str, *files: tuple[str, bytes], prompt: str = "a cat", path: str = EDITS, **fields: str
    ) -> httpx.Response:
        parts = [(name, ("picture.png", body, "image/png")) for name, body in files]
        return self.post(path, data={"model": model, "prompt": prompt, **fields}, files=parts)

    def fetch(self, answer: httpx.Response) -> bytes:
        item = answer.json()["data"][0]
        if "b64_json" in item:
            return base64.b64decode(item["b64_json"])
        return self.client.get(item["url"]).raise_for_status().content

    def picture(self, answer: httpx.Response) -> Image.Image:
        picture = Image.open(io.BytesIO(self.fetch(answer)))
        picture.load()
        return picture

    def credits(self, key: str | None = None) -> str:
        headers = {"Authorization": f"Bearer {key or self.sandbox.rich_key}"}
        remaining: str = self.client.get("/v1/credits", headers=headers).json()["remaining_credits"]
        return remaining

    def connect(self) -> socket.socket:
        address = urlsplit(self.sandbox.url)
        return socket.create_connection((address.hostname, address.port), timeout=20)

    def raw(self, model: str, prompt: str = "a cat", path: str = IMAGES) -> bytes:
        """Send a request over a plain socket, and return every byte until the connection closes."""
        with self.connect() as connection:
            connection.sendall(self.request(model, prompt, path))
            received = b""
            while piece := connection.recv(65536):
                received += piece
        return received

    def request(self, model: str, prompt: str = "a cat", path: str = IMAGES) -> bytes:
        body = json.dumps({"model": model, "prompt": prompt, "size": "64x64"}).encode()
        return (
            f"POST {path} HTTP/1.1\r\nHost: {urlsplit(self.sandbox.url).netloc}\r\n"
            f"Authorization: Bearer {self.sandbox.rich_key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        ).encode() + body

    def last_call(self) -> dict[str, Any]:
        call: dict[str, Any] = self.sandbox.ledger()["calls"][-1]
        return call

    def await_call(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the last call in the ledger fulfils a condition."""

        def look() -> dict[str, Any] | None:
            calls = self.sandbox.ledger()["calls"]
            return calls[-1] if calls and condition(calls[-1]) else None

        call: dict[str, Any] = wait_for("a call", look)
        return call


def png(size: tuple[int, int] = (96, 64), colour: Any = (200, 30, 30), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "PNG")
    return file.getvalue()
