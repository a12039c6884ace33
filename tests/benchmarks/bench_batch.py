"""
Prints how a batch grows with its number of requests: time to parse, to run and to retry, memory, and its ledger.

Usage: python tests/benchmarks/bench_batch.py [NUMBER …]. Calls go to a server on loopback, a process of its own, that
answers at once and has no rate limit, so that it is the package that is measured. It asserts nothing.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CREDITS = b'{"remaining_credits": "1000.0000", "credit_usage": "0.0000", "total_deposits": "1000.0000"}'
HEADERS = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRateLimit-Policy: 100000;w=1\r\n"


def main(numbers: list[int]) -> None:
    """Measure each number of requests in a process of its own."""
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = server.stdout.readline().strip()
        try:
            print("requests   parse s    run s  retry s  more MB    files  their KB")
            for number in numbers:
                subprocess.run([sys.executable, __file__, "--one", str(number), url], check=True)
        finally:
            server.terminate()


def measure(number: int, url: str) -> None:
    """Measure one batch: parsed, run up to its last request, which fails, and retried."""
    os.environ |= {"NO_PROXY": "*", "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    with tempfile.TemporaryDirectory() as folder:
        connection = {"conn_type": "imagerouter", "host": url, "password": "x" * 64}
        os.environ["AIRFLOW_CONN_IMAGEROUTER_DEFAULT"] = json.dumps(connection)
        from airflow.sdk import DAG

        from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator

        requests: list[Any] = [
            {"prompt": f"Chair number {index} of a catalogue", "size": "512x512"} for index in range(number)
        ]
        requests[-1] = {"prompt": "fail"}
        started = time.perf_counter()
        with DAG("bench"):
            operator = ImageRouterBatchOperator(task_id="batch", requests=requests, model="m", result_path=folder)
        parse = time.perf_counter() - started
        before = peak()
        first, second = (attempt(operator) for _ in range(2))
        ledger = [path for path in Path(folder).glob(".imagerouter/**/*") if path.is_file()]
        size = sum(path.stat().st_blocks * 512 for path in ledger)
        memory = (peak() - before) / 1024
        sizes = f"{memory:8.1f} {len(ledger):8} {size / 1024:9.0f}"
        print(f"{number:8}  {parse:8.2f} {first:8.1f} {second:8.1f} {sizes}")


def attempt(operator: Any) -> float:
    """Make an attempt, and return how many seconds it took."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from support.attempts import RunningTask

    started = time.perf_counter()
    try:
        operator.execute({"ti": RunningTask("batch")})
    except Exception as error:
        print(f"          {type(error).__name__}: {str(error)[:90]}", file=sys.stderr)
    return time.perf_counter() - started


def peak() -> int:
    """Return the highest memory use of this process up to now, KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def serve() -> None:
    """Answer every generation with the same picture; print the URL."""
    from PIL import Image

    content = io.BytesIO()
    Image.effect_noise((512, 512), 60).save(content, "WEBP")
    picture = content.getvalue()
    url = ""

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                lengths = [line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
                sent = await reader.readexactly(int(lengths[0]) if lengths else 0)
                body = answer(head, sent)
                writer.write(f"{HEADERS}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def answer(head: str, sent: bytes) -> bytes:
        if head.startswith("GET /p.webp"):
            return picture
        if head.startswith("GET"):
            return CREDITS
        if b'"fail"' in sent:
            return b'{"error":{"message":"failed","type":"provider_error"}}'
        return json.dumps({"created": 1, "data": [{"url": f"{url}/p.webp"}], "cost": 0.004}).encode()

    async def run() -> None:
        nonlocal url
        server = await asyncio.start_server(visit, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        print(url, flush=True)
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            serve()
        case ["--one", one, at]:
            measure(int(one), at)
        case given:
            main([int(number) for number in given] or [100, 1000, 10_000])
