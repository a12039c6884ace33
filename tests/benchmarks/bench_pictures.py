"""
Prints what a picture takes from its link to its file, beside what an expert's own 30 lines take, and the memory of
calls in flight.

Usage: python tests/benchmarks/bench_pictures.py. Both fetch from the same server on loopback, a process of its own, and
write to the same disk, in turns. It asserts nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from measuring import draw, draw_noise, lift_pace, load, peak, peak_from_now_on
from server import running_server

AT_A_TIME = 8
ROUNDS = 5
MEMORY_MB = 8


def main() -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = make_pictures(Path(folder))
        with running_server(Path(folder)) as url:
            print(f"CPU from a link to a file, beside an expert's 30 lines ({load()})")
            print("picture              KB  inspect ms   CPU ms: expert    ours   ratio   s: expert    ours")
            for name in pictures:
                print(compare(url, name, Path(folder) / name, number=20 if "3000" in name else 100), flush=True)
            print(f"\nMemory of {AT_A_TIME} calls in flight, {MEMORY_MB} MB each: pictures' sizes a call", flush=True)
            for how in ("expert, links", "links", "base64"):
                subprocess.run([sys.executable, __file__, "--memory", how, url, folder], check=True)


def make_pictures(folder: Path) -> list[str]:
    """Draw pictures like those that are made: a small one of 34 KB, and large ones."""
    draw(folder / "944.webp", 944, quality=10)
    draw(folder / "3000.webp", 3000, quality=80)
    draw(folder / "3000.jpg", 3000, quality=90)
    draw(folder / "3000.png", 3000)
    draw_noise(folder / "memory.png", MEMORY_MB * 2**20)
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
            request = ImageRequest(model="memory.png", prompt=str(index), response_format="b64_json")
            answer = await hook.send(request)
            await store.add(records_of(request, answer)[0], answer.pictures[0].content, f"base64-{index}", 1)

    await asyncio.gather(*map(one, range(number)))


def measure_memory(how: str, url: str, folder: str) -> None:
    """Print how much more memory this process takes with calls in flight than after a single one."""
    lift_pace()
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


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--memory", how, url, folder]:
            measure_memory(how, url, folder)
        case _:
            main()
