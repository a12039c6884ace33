"""
Prints how long a paid answer is not noted yet: from when its last byte left the server to when its note is on the disk.

Usage: python tests/benchmarks/bench_notes.py [NUMBER]. 50 calls of 4 s are in flight, at the API's rate limit, and
their pictures are fetched and stored on the same disk; the second time another process writes 1 GB to it, over and
over. Meanwhile a thread writes a line to a file of its own and syncs it, 20 times a second: no note is faster than the
disk. It asserts nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measuring import draw, load, percentile, run_batch
from server import running_server

AT_A_TIME = 50
SECONDS = 4
WRITER = """
import os, sys
with open(sys.argv[1], "wb") as file:
    while True:
        file.seek(0)
        for _ in range(1024):
            file.write(bytes(2**20))
        os.fsync(file.fileno())
"""


def main(number: int) -> None:
    """Measure both, in one run."""
    with tempfile.TemporaryDirectory() as pictures, tempfile.TemporaryDirectory() as folder:
        draw(Path(pictures) / "small.webp", 944, quality=10)
        with running_server(Path(pictures)):
            run_batch(["warm up"], Path(folder) / "warm-up", model="small.webp")
            print(f"Milliseconds from an answer's last byte to its note, {AT_A_TIME} calls in flight")
            measure("alone", Path(folder) / "alone", number)
            with writing(Path(folder) / "file"):
                measure("beside 1 GB written over and over", Path(folder) / "beside", number)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write a file of 1 GB, and sync it, over and over in a process of its own."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) as writer:
        while not path.exists() or path.stat().st_size < 2**20:
            time.sleep(0.01)
        try:
            yield
        finally:
            writer.terminate()


def measure(what: str, folder: Path, number: int) -> None:
    """Run a batch, and print how long each of its answers was not noted."""
    from airflow_provider_imagerouter.ledger.ledger import Ledger

    times: list[float] = []
    answered = Ledger.answered

    async def timed(self: Ledger, key: str, cost: Any, answer: Any, room: int) -> Any:
        noted = await answered(self, key, cost, answer, room)
        times.append(time.monotonic() - float(answer.pictures[0].revised_prompt))
        return noted

    Ledger.answered = timed  # type: ignore[method-assign]
    requests = [f"Chair number {index} of a catalogue" for index in range(number)]
    with measured_disk(folder.parent / f"{folder.name}-disk") as disk:
        run_batch(requests, folder, model=f"small.webp@{SECONDS}", max_concurrency=AT_A_TIME)
    Ledger.answered = answered  # type: ignore[method-assign]
    for name, values in ((what, times), ("  the disk itself", disk)):
        p50, p99, most = (percentile(values, percent) * 1000 for percent in (50, 99, 100))
        print(f"{name:35} p50 {p50:6.1f}   p99 {p99:6.1f}   max {most:6.1f}   ({len(values)}; {load()})", flush=True)


@contextmanager
def measured_disk(path: Path) -> Iterator[list[float]]:
    """Yield a list that is filled with how many seconds the disk takes for a line, in the way of the ledger."""
    times: list[float] = []
    ended = threading.Event()

    def write() -> None:
        with path.open("xb", buffering=0) as file:
            file.write(bytes(2**20))
            os.fsync(file.fileno())
            while not ended.wait(0.05):
                started = time.perf_counter()
                os.pwrite(file.fileno(), b"x" * 400, 400 * len(times) % 2**19)
                os.fdatasync(file.fileno())
                times.append(time.perf_counter() - started)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        yield times
    finally:
        ended.set()
        writing.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 400)
