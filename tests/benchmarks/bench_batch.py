"""
Prints how a batch grows with its number of requests: seconds to parse, run and retry, CPU, memory, and its ledger.

Usage: python tests/benchmarks/bench_batch.py [NUMBER …]. Calls go to a server on loopback that answers at once, and
the API's rate limit is lifted. The last request fails, so that a second attempt has one to send. It asserts nothing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import draw, lift_pace, load, peak, peak_from_now_on, run_batch
from server import running_server


def main(numbers: list[int]) -> None:
    """Measure each number of requests in a process of its own."""
    with tempfile.TemporaryDirectory() as pictures:
        draw(Path(pictures) / "small.webp", 512, quality=10)
        with running_server(Path(pictures)):
            print(f"Batches of links, 8 at a time ({load()})")
            print("requests  parse s   run s   CPU s  retry s  more MB  in the retry  ledger: files    KB")
            for number in numbers:
                subprocess.run([sys.executable, __file__, "--one", str(number)], check=True)


def measure(number: int) -> None:
    """Measure one batch: its first attempt, up to its last request, which fails, and the second one."""
    from airflow.sdk import DAG

    from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator

    lift_pace()
    requests: list[Any] = [{"prompt": f"Chair number {index} of a catalogue"} for index in range(number - 1)]
    requests.append({"prompt": "fail"})
    with tempfile.TemporaryDirectory() as folder:
        run_batch(["warm up"], Path(folder) / "warm-up", model="small.webp")
        started = time.perf_counter()
        with DAG("bench"):
            ImageRouterBatchOperator(task_id="batch", requests=requests, model="small.webp", result_path=folder)
        parse = time.perf_counter() - started
        before, cpu = peak_from_now_on(), time.process_time()
        first = run_batch(requests, Path(folder) / "batch", model="small.webp")
        cpu, memory = time.process_time() - cpu, peak() - before
        before = peak_from_now_on()
        second = run_batch(requests, Path(folder) / "batch", model="small.webp")
        memory_of_retry = peak() - before
        ledger = [path for path in Path(folder).glob("batch/.imagerouter/**/*") if path.is_file()]
        size = sum(path.stat().st_blocks * 512 for path in ledger)
        print(
            f"{number:8} {parse:8.2f} {first:7.1f} {cpu:7.1f} {second:8.1f} {memory / 2**20:8.1f} "
            f"{memory_of_retry / 2**20:13.1f} {len(ledger):14} {size / 1024:5.0f}",
            flush=True,
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--one", number]:
            measure(int(number))
        case numbers:
            main([int(number) for number in numbers] or [100, 1000, 10_000])
