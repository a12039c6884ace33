"""
Prints how late the event loop is while base64 answers of 15 MB come in, eight at a time.

Usage: python tests/benchmarks/bench_loop.py [NUMBER]. It asserts nothing.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from measuring import draw, draw_noise, lift_pace, load, percentile, watched_loop
from server import running_server

MB = 15
AT_A_TIME = 8


def main(number: int) -> None:
    """Measure one batch."""
    lift_pace()
    with tempfile.TemporaryDirectory() as pictures, tempfile.TemporaryDirectory() as folder:
        draw(Path(pictures) / "small.webp", 512, quality=10)
        draw_noise(Path(pictures) / "large.png", MB * 10**6 * 3 // 4)
        with running_server(Path(pictures)):
            asyncio.run(measure(Path(folder), number))


async def measure(folder: Path, number: int) -> None:
    """Run a batch beside a watch."""
    await make(folder / "warm-up", 1, "small.webp")
    async with watched_loop() as late:
        await make(folder / "batch", number, "large.png")
    p50, p99, most = (percentile(late, percent) * 1000 for percent in (50, 99, 100))
    print(f"The loop is late, {number} base64 answers of {MB} MB, {AT_A_TIME} at a time: milliseconds")
    print(f"p50 {p50:.1f}   p99 {p99:.1f}   max {most:.1f}   ({load()})")


async def make(folder: Path, number: int, model: str) -> None:
    """Make pictures, as a worker does."""
    from airflow_provider_imagerouter.engine.work import BatchWork
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.ledger import where

    identity = Identity("bench", "run", folder.name, -1)
    work = BatchWork(
        identity=identity,
        max_tries=0,
        imagerouter_conn_id="imagerouter_default",
        folder=str(folder),
        max_cost_usd=None,
        on_orphaned_intent="resubmit",
        requests=[{"prompt": str(index), "model": model, "response_format": "b64_json"} for index in range(number)],
        max_concurrency=AT_A_TIME,
        fail_on_partial_error=True,
    )
    await work.run(where.in_worker(identity, str(folder), None))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 40)
