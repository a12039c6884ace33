"""
Prints how a batch grows with its number of requests: time to parse, memory, files and writes of the ledger.

Usage: python tests/benchmarks/bench_batch.py [NUMBER …]. Calls go to a server on loopback that answers at once, and
the API's rate limit is lifted, so that it is the package that is measured. It asserts nothing.
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
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any


def main(numbers: list[int]) -> None:
    """Measure each number of requests in a process of its own."""
    print("requests   parse s    run s  retry s  more MB    files  their KB  calls of the ledger a request")
    for number in numbers:
        subprocess.run([sys.executable, __file__, "--one", str(number)], check=True)


def measure(number: int) -> None:
    """Measure one batch: parsed, run up to its last request, which fails, and retried."""
    os.environ["NO_PROXY"] = "*"
    with tempfile.TemporaryDirectory() as folder:
        url = start_server()
        connection = {"conn_type": "imagerouter", "host": url, "password": "x" * 64}
        os.environ["AIRFLOW_CONN_IMAGEROUTER_DEFAULT"] = json.dumps(connection)
        from airflow.sdk import DAG

        from airflow_provider_imagerouter.hooks import pace
        from airflow_provider_imagerouter.ledger import notes
        from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator

        pace.CALLS_PER_SECOND = pace.LEAST_CALLS_PER_SECOND = 100_000.0
        writes = count_writes(notes.FileNotes)
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
        ledger = [path for path in Path(folder).glob(".imagerouter/*/*") if path.is_file()]
        size = sum(path.stat().st_blocks * 512 for path in ledger)
        memory = (peak() - before) / 1024
        each = ", ".join(f"{count / number:.2f} {name}" for name, count in sorted(writes.items()))
        sizes = f"{memory:8.1f} {len(ledger):8} {size / 1024:9.0f}"
        print(f"{number:8}  {parse:8.2f} {first:8.1f} {second:8.1f} {sizes}  {each}")


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


def count_writes(notes: type) -> Counter[str]:
    """Count the calls of what changes a ledger."""
    counts: Counter[str] = Counter()
    for name in ("create", "write", "remove"):
        setattr(notes, name, counted(getattr(notes, name), name, counts))
    return counts


def counted(method: Any, name: str, counts: Counter[str]) -> Any:
    """Return a method that is counted."""

    def call(*args: Any) -> Any:
        counts[name] += 1
        return method(*args)

    return call


def peak() -> int:
    """Return the highest memory use of this process up to now, KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def start_server() -> str:
    """Start a server that answers every generation with the same picture; return its URL."""
    from PIL import Image

    content = io.BytesIO()
    Image.effect_noise((512, 512), 60).save(content, "WEBP")
    picture = content.getvalue()
    ready: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
        sent = await reader.readexactly(length)
        if head.startswith("GET"):
            body = picture
        elif b'"fail"' in sent:
            body = b'{"error":{"message":"failed","type":"provider_error"}}'
        else:
            body = json.dumps(
                {"created": 1, "data": [{"url": f"http://127.0.0.1:{ready[0]}/p.webp"}], "cost": 0.004}
            ).encode()
        limits = "RateLimit-Policy: 100000;w=1\r\nConnection: close"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{limits}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ready.append(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    while not ready:
        time.sleep(0.01)
    return f"http://127.0.0.1:{ready[0]}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(int(sys.argv[2]))
    else:
        main([int(number) for number in sys.argv[1:]] or [100, 1000, 10_000])
