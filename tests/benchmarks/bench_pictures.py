"""
Prints what a picture takes from its link to its file, beside what an expert's own 30 lines take, and the memory of
calls in flight.

Usage: python tests/benchmarks/bench_pictures.py. Both fetch from the same server on loopback, a process of its own, and
write to the same disk, in turns. It asserts nothing.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

AT_A_TIME = 8
ROUNDS = 5
MEMORY_MB = 8
CREDITS = b'{"remaining_credits": "1.0000", "credit_usage": "0.0000", "total_deposits": "1.0000"}'
HEADERS = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nRateLimit-Policy: 100000;w=1\r\n"


def main() -> None:
    """Measure everything."""
    os.environ["NO_PROXY"] = "*"
    with tempfile.TemporaryDirectory() as folder:
        pictures = make_pictures(Path(folder))
        with subprocess.Popen([sys.executable, __file__, "--serve", folder], stdout=subprocess.PIPE) as server:
            assert server.stdout
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            try:
                print("picture              KB  inspect ms   CPU ms: expert    ours   ratio   s: expert    ours")
                for name in pictures:
                    print(compare(url, name, Path(folder) / name, number=20 if "3000" in name else 100), flush=True)
                print(f"\nMemory of {AT_A_TIME} calls in flight, {MEMORY_MB} MB each: pictures' sizes a call")
                for how in ("expert, links", "links", "base64"):
                    command = [sys.executable, __file__, "--memory", how, url, folder]
                    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
            finally:
                server.terminate()


def make_pictures(folder: Path) -> list[str]:
    """Draw pictures like those that are made: a small one of 34 KB, and large ones."""
    from PIL import Image

    def drawn(side: int) -> Image.Image:
        return Image.effect_noise((side // 8, side // 8), 60).resize((side, side)).convert("RGB")

    drawn(944).save(folder / "944.webp", quality=10)
    drawn(3000).save(folder / "3000.webp", quality=80)
    drawn(3000).save(folder / "3000.jpg", quality=90)
    drawn(3000).save(folder / "3000.png")
    noise = Image.frombytes("RGB", (1024, MEMORY_MB * 341), os.urandom(1024 * MEMORY_MB * 341 * 3))
    noise.save(folder / "memory.png", compress_level=0)
    return ["944.webp", "3000.webp", "3000.jpg", "3000.png"]


def compare(url: str, name: str, place: Path, number: int) -> str:
    """Store a picture so many times, in turns by the expert and by us; return a line."""
    from airflow_provider_imagerouter.media.images import inspect

    content = place.read_bytes()
    inspect(content)
    started = time.perf_counter()
    for _ in range(10):
        inspect(content)
    inspecting = (time.perf_counter() - started) / 10
    results: dict[str, list[tuple[float, float]]] = {"expert": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for who, store_all in (("expert", expert), ("ours", ours)):
                wall, cpu = time.perf_counter(), time.process_time()
                asyncio.run(store_all(f"{url}/{name}", folder, number))
                results[who].append((time.process_time() - cpu, time.perf_counter() - wall))
    (expert_cpu, expert_wall), (our_cpu, our_wall) = (
        [statistics.median(values) / number for values in zip(*results[who], strict=True)] for who in results
    )
    return (
        f"{name:12} {len(content) / 1024:10.0f} {inspecting * 1000:11.2f} {expert_cpu * 1000:16.2f} "
        f"{our_cpu * 1000:7.2f} {our_cpu / expert_cpu:7.2f} {expert_wall * number:11.2f} {our_wall * number:7.2f}"
    )


async def expert(url: str, folder: str, number: int) -> None:
    """Store pictures as somebody would who knows httpx and asyncio."""
    import httpx

    slots = asyncio.Semaphore(AT_A_TIME)

    async def one(index: int) -> None:
        async with slots:
            response = await client.get(url)
            response.raise_for_status()
            with open(f"{folder}/expert-{index}.webp", "wb") as file:  # noqa: PTH123, ASYNC230
                file.write(response.content)

    async with httpx.AsyncClient() as client:
        await asyncio.gather(*map(one, range(number)))


async def ours(url: str, folder: str, number: int) -> None:
    """Store pictures as the engine does, up to their records."""
    from airflow_provider_imagerouter.engine.pictures import PictureStore
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
    from airflow_provider_imagerouter.records import record_of_location

    slots = asyncio.Semaphore(AT_A_TIME)
    store = await PictureStore.open(folder, ConnectionSettings(url, "key"))

    async def one(index: int) -> None:
        async with slots:
            await store.add(record_of_location(url), None, f"ours-{index}", 1)

    await asyncio.gather(*map(one, range(number)))


async def base64_calls(url: str, folder: str, number: int) -> None:
    """Make pictures whose bytes come with the answers, and store them as the engine does."""
    from airflow_provider_imagerouter.api.request import ImageRequest
    from airflow_provider_imagerouter.engine.pictures import PictureStore
    from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
    from airflow_provider_imagerouter.records import records_of

    hook = ImageRouterAsyncHook()
    store = await PictureStore.open(folder, await hook.get_settings())
    slots = asyncio.Semaphore(AT_A_TIME)

    async def one(index: int) -> None:
        async with slots:
            request = ImageRequest(model="m", prompt=str(index), response_format="b64_json")
            answer = await hook.send(request)
            await store.add(records_of(request, answer)[0], answer.pictures[0].content, f"base64-{index}", 1)

    await asyncio.gather(*map(one, range(number)))


def measure_memory(how: str, url: str, folder: str) -> None:
    """Print how much more memory this process takes with calls in flight than after a single one."""
    connection = {"conn_type": "imagerouter", "host": url, "password": "x" * 64}
    os.environ["AIRFLOW_CONN_IMAGEROUTER_DEFAULT"] = json.dumps(connection)
    from airflow_provider_imagerouter.hooks import pace

    pace.CALLS_PER_SECOND = 100_000.0
    ways: dict[str, tuple[Callable[[str, str, int], Awaitable[None]], str]] = {
        "expert, links": (expert, f"{url}/memory.png"),
        "links": (ours, f"{url}/memory.png"),
        "base64": (base64_calls, url),
    }
    store_all, where = ways[how]

    async def run() -> None:
        await ours(f"{url}/944.webp", folder, 2)  # everything is imported
        await store_all(where, folder, 1)
        before = peak_from_now_on()
        await store_all(where, folder, 3 * AT_A_TIME)
        more = peak() - before
        size = (Path(folder) / "memory.png").stat().st_size
        print(f"{how:15} {more / size / AT_A_TIME:5.2f}")

    asyncio.run(run())


def peak_from_now_on() -> int:
    """Forget the highest memory use up to now (Linux), and return the present one, bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Return the highest memory use of this process, bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def serve(folder: str) -> None:
    """Serve the pictures by name and, to a POST, one in base64; print the port."""
    contents: dict[str, bytes] = {f"/{path.name}": path.read_bytes() for path in Path(folder).iterdir()}
    encoded = base64.b64encode(contents["/memory.png"]).decode()
    answer = json.dumps({"created": 1, "data": [{"b64_json": encoded}], "cost": 0.004}).encode()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                lengths = [line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
                await reader.readexactly(int(lengths[0]) if lengths else 0)
                body = answer if head.startswith("POST") else contents.get(head.split()[1], CREDITS)
                writer.write(f"{HEADERS}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def run() -> Any:
        server = await asyncio.start_server(visit, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve", folder]:
            serve(folder)
        case ["--memory", how, url, folder]:
            measure_memory(how, url, folder)
        case _:
            main()
