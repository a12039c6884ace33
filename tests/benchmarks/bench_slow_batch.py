"""
Prints how long 500 pictures of 5 s take, 50 at a time, in one worker slot, beside what is ideal.

Usage: python tests/benchmarks/bench_slow_batch.py [NUMBER]. The rate limit is the API's, 20 calls a second; nothing is
lifted. It asserts nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from measuring import draw, load, run_batch
from server import running_server

SECONDS = 5
AT_A_TIME = 50


def main(number: int) -> None:
    """Measure one batch."""
    with tempfile.TemporaryDirectory() as pictures, tempfile.TemporaryDirectory() as folder:
        draw(Path(pictures) / "small.webp", 944, quality=10)
        with running_server(Path(pictures)):
            run_batch(["warm up"], Path(folder) / "warm-up", model="small.webp")
            cpu = time.process_time()
            seconds = run_batch(
                [f"Chair number {index} of a catalogue" for index in range(number)],
                Path(folder) / "batch",
                model=f"small.webp@{SECONDS}",
                max_concurrency=AT_A_TIME,
            )
            cpu = time.process_time() - cpu
    ideal = number / AT_A_TIME * SECONDS
    print(
        f"{number} pictures of {SECONDS} s, {AT_A_TIME} at a time: {seconds:.1f} s, {seconds / ideal:.3f} x ideal",
        end=" ",
    )
    print(f"({cpu:.1f} s of CPU; {load()})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 500)
