"""What the benchmarks share: pictures, a batch to run, and what to measure of a process and its event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")


def load() -> str:
    """Say how busy the machine is: on a busy one, seconds say little, and CPU seconds more."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def draw(path: Path, side: int, **options: Any) -> None:
    """
    Draw a picture that looks as large as those that models make.

    :param path: its file
    :param side: its width and height, pixels
    :param options: Pillow's, for writing it
    """
    from PIL import Image

    small = Image.effect_noise((side // 8, side // 8), 60)
    small.resize((side, side)).convert("RGB").save(path, **options)


def draw_noise(path: Path, size: int) -> None:
    """
    Write a picture of a size: a PNG that is not compressed.

    :param path: its file
    :param size: bytes, about
    """
    from PIL import Image

    height = size // 3072
    Image.frombytes("RGB", (1024, height), os.urandom(3072 * height)).save(path, compress_level=0)


def lift_pace() -> None:
    """Let calls go as fast as they can, so that it is the package that is measured and not the API's rate limit."""
    from airflow_provider_imagerouter.hooks import pace

    pace.CALLS_PER_SECOND = pace.LEAST_CALLS_PER_SECOND = 100_000.0


def run_batch(requests: Sequence[Any], folder: Path, **arguments: Any) -> float:
    """
    Make an attempt of a batch, as a worker does, and return how many seconds it took; how it failed is printed.

    :param requests: the operator's
    :param folder: for its pictures, results and ledger
    :param arguments: the operator's other ones
    """
    from support.attempts import RunningTask

    from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator

    operator = ImageRouterBatchOperator(task_id="batch", requests=requests, result_path=str(folder), **arguments)
    started = time.perf_counter()
    try:
        operator.execute({"ti": RunningTask("batch")})
    except Exception as error:
        print(f"          {type(error).__name__}: {str(error)[:90]}", file=sys.stderr)
    return time.perf_counter() - started


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which so many percent of the others are."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


@asynccontextmanager
async def watched_loop() -> AsyncIterator[list[float]]:
    """Yield a list that is filled with how many seconds the event loop is late, looked at every 5 ms."""
    late: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            late.append(time.perf_counter() - before - 0.005)

    watching = asyncio.create_task(watch())
    try:
        yield late
    finally:
        watching.cancel()


def peak_from_now_on() -> int:
    """Forget the highest memory use up to now (Linux), and return the present one, bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Return the highest memory use of this process, bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
