"""
The API for the benchmarks, in a process of its own: it answers at once, or after as long as it is asked to.

A request's ``model`` says which picture comes, and after how many seconds: ``small.webp`` or ``small.webp@5``. With a
``response_format`` of ``b64_json`` it comes in the answer, else a link does. ``revised_prompt`` tells when the answer
left, on the clock of ``time.monotonic``, which all processes share. The prompt ``fail`` is refused by the provider.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEADERS = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nRateLimit-Policy: 100000;w=1\r\n"
CREDITS = b'{"remaining_credits": "1000.0000", "credit_usage": "0.0000", "total_deposits": "1000.0000"}'
FAILURE = b'{"error": {"message": "failed", "type": "provider_error"}}'
MODEL = {"providers": [{"id": "bench", "pricing": {"type": "fixed", "value": 0.004}}], "output": ["image"]}


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """
    Run the server; yield its URL, which is that of this process's default connection, too.

    :param folder: with the pictures that it serves
    """
    with subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE) as server:
        assert server.stdout
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        connection = {"conn_type": "imagerouter", "host": url, "password": "x" * 64}
        os.environ |= {"AIRFLOW_CONN_IMAGEROUTER_DEFAULT": json.dumps(connection), "NO_PROXY": "*"}
        try:
            yield url
        finally:
            server.terminate()


class Server:
    """
    Answers calls and serves pictures.

    :param folder: with the pictures
    """

    def __init__(self, folder: Path) -> None:
        self._pictures = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self._encoded = {name: base64.b64encode(content) for name, content in self._pictures.items()}
        self._url = ""

    async def run(self) -> None:
        """Serve until the end of the process; print the port."""
        server = await asyncio.start_server(self._visit, "127.0.0.1", 0, backlog=1000)
        port = server.sockets[0].getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"
        print(port, flush=True)
        await server.serve_forever()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
                lengths = [line[15:] for line in head.split("\r\n") if line.startswith("content-length:")]
                sent = await reader.readexactly(int(lengths[0]) if lengths else 0)
                body = await self._generate(sent) if head.startswith("post") else self._get(head.split()[1])
                writer.write(f"{HEADERS}Content-Length: {sum(map(len, body))}\r\n\r\n".encode())
                writer.writelines(body)
                await writer.drain()
                if "connection: close" in head:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        writer.close()

    async def _generate(self, sent: bytes) -> list[bytes]:
        request = json.loads(sent)
        name, _, seconds = request["model"].partition("@")
        await asyncio.sleep(float(seconds or 0))
        if request["prompt"] == "fail":
            return [FAILURE]
        if request.get("response_format") == "b64_json":
            content = [b'"b64_json": "', self._encoded[name], b'"']
        else:
            content = [f'"url": "{self._url}/{name}"'.encode()]
        end = f', "revised_prompt": "{time.monotonic()}"}}], "created": 1795344402, "cost": 0.004, "latency": 1}}'
        return [b'{"data": [{', *content, end.encode()]

    def _get(self, path: str) -> list[bytes]:
        if "/models" in path:
            return [json.dumps(dict.fromkeys(self._pictures, MODEL)).encode()]
        return [self._pictures.get(path.removeprefix("/"), CREDITS)]


if __name__ == "__main__":
    asyncio.run(Server(Path(sys.argv[1])).run())
