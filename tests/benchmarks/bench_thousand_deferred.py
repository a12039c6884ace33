"""
Prints how late the event loop of a triggerer is with a thousand deferred generations in it, and what they take.

Usage: python tests/benchmarks/bench_thousand_deferred.py [NUMBER]. Runs the triggers as a triggerer does, all begun at
once, with ledgers and pictures on disk, at the API's rate limit. It asserts nothing.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from measuring import draw, load, peak, peak_from_now_on, percentile, watched_loop
from server import running_server

SECONDS = 5


def main(number: int) -> None:
    """Measure one loop."""
    with tempfile.TemporaryDirectory() as pictures, tempfile.TemporaryDirectory() as folder:
        draw(Path(pictures) / "small.webp", 944, quality=10)
        with running_server(Path(pictures)):
            asyncio.run(measure(folder, number))


async def measure(folder: str, number: int) -> None:
    """Run all triggers beside a watch."""
    await run_one(folder, 0, "small.webp")  # everything is imported
    before, started, cpu = peak_from_now_on(), time.perf_counter(), time.process_time()
    async with watched_loop() as late:
        events = await asyncio.gather(
            *(run_one(folder, index, f"small.webp@{SECONDS}") for index in range(1, number + 1))
        )
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    ends = Counter(event.get("class", event["status"]) for event in events)
    p50, p99, most = (percentile(late, percent) * 1000 for percent in (50, 99, 100))
    print(f"{number} deferred generations of {SECONDS} s in one loop ({load()}): {dict(ends)}")
    print(f"{seconds:.1f} s, {cpu:.1f} s of CPU, {(peak() - before) / 2**20:.0f} MiB more", end="; ")
    print(f"the loop is late by p50 {p50:.1f}   p99 {p99:.1f}   max {most:.1f} ms")


async def run_one(folder: str, index: int, model: str) -> dict[str, Any]:
    """Run the trigger of one task, and return its event."""
    from airflow_provider_imagerouter.engine.work import SingleWork
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.triggers.imagerouter import ImageRouterTrigger

    identity = Identity("bench", "run", "generate", index)
    work = SingleWork(
        identity=identity,
        max_tries=0,
        imagerouter_conn_id="imagerouter_default",
        folder=folder,
        max_cost_usd=None,
        on_orphaned_intent="resubmit",
        parameters={"prompt": f"Picture {index}", "model": model},
        n=1,
        stem=identity.file_stem,
        output="image",
    )
    async for event in ImageRouterTrigger(work.to_json()).run():
        return dict(event.payload)
    return {"status": "no event"}


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
