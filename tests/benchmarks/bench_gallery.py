"""
Prints how long the gallery takes for a run of many pictures: its page, and all thumbnails, first and once more.

Usage: python tests/benchmarks/bench_gallery.py [NUMBER]. The run's pictures are local files of 1024 x 1024 pixels, of
one task; they are asked for as a browser does, six at a time, from Airflow's API server, in this process. It asserts
nothing.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote, urljoin

from measuring import draw, load, percentile

AT_A_TIME = 6


def main(number: int) -> None:
    """Make a run, and look at it."""
    from airflow_provider_imagerouter.testing.database import throw_away_database

    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as pictures:
        os.environ["AIRFLOW__IMAGEROUTER__GALLERY_ROOTS"] = pictures
        with throw_away_database(Path(home)), patch.dict(os.environ, TMPDIR=pictures):
            from support.gallery_server import gallery_server

            tempfile.tempdir = None  # the cache begins empty
            run = make_run(Path(pictures), number)
            (Path(home) / "server").mkdir()
            with gallery_server(Path(home) / "server") as server:
                measure(server, f"imagerouter/dags/bench_gallery/runs/{quote(run)}/", number)


def make_run(folder: Path, number: int) -> str:
    """Run a Dag whose tasks return the records of pictures, and return its id."""
    from airflow.sdk import DAG, task
    from support.galleries import stored_record

    from airflow_provider_imagerouter.testing.runs import run_dag

    draw(folder / "one.webp", 1024, quality=80)
    content = (folder / "one.webp").read_bytes()
    records = [stored_record(content, folder / f"{index}.webp", "image/webp") for index in range(number)]
    with DAG("bench_gallery", schedule=None) as dag:
        task(lambda: records, task_id="posters")()
    return run_dag(dag).run_id


def measure(server: object, page: str, number: int) -> None:
    """Ask for the page and for its thumbnails, twice."""
    for what in ("first", "again", "again"):
        started = time.perf_counter()
        html = server.get(page).text  # type: ignore[attr-defined]
        seconds = time.perf_counter() - started
        names = list(dict.fromkeys(re.findall(r'src="([^"]+/thumbnails/[^"]+)"', html)))
        print(f"{what:6} the page: {seconds * 1000:6.0f} ms, {len(html) / 1024:.0f} KiB   ({load()})")
        times: list[float] = []

        def get(name: str, times: list[float] = times) -> None:
            began = time.perf_counter()
            answer = server.get(urljoin(page, name))  # type: ignore[attr-defined]
            assert answer.status_code == 200, answer.text
            times.append(time.perf_counter() - began)

        started = time.perf_counter()
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            list(threads.map(get, names))
        seconds = time.perf_counter() - started
        p50, p99 = (percentile(times, percent) * 1000 for percent in (50, 99))
        print(
            f"{what:6} {len(names)} of {number} thumbnails: {seconds:6.2f} s, p50 {p50:.0f} ms, p99 {p99:.0f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 500)
