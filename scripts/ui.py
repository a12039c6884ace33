"""
``make ui``: Airflow's UI with the example Dags, against the sandbox, until Ctrl-C.

Against the real API if IMAGEROUTER_API_KEY is set.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from local_airflow import AIRFLOW_HOME, OUTPUT, REPOSITORY, airflow_environment, connection, prepare_database

DAG_ID = "example_imagerouter_quickstart"
LOG = AIRFLOW_HOME / "ui.log"
PORT = 8080
START_SECONDS = 300
STOP_SECONDS = 10


def main() -> None:
    """Start all of it, open the quickstart, and stop all of it on Ctrl-C or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    AIRFLOW_HOME.mkdir(exist_ok=True)
    OUTPUT.mkdir(exist_ok=True)
    LOG.write_text("")
    with suppress(KeyboardInterrupt):
        prepare_database(LOG)
        with connection() as (title, environment):
            url = f"http://localhost:{free_port()}"
            print(f"Starting Airflow with {title} …", flush=True)
            with airflow(url, environment) as process:
                wait_for_dag(url, process)
                page = f"{url}/dags/{DAG_ID}"
                print(
                    f"\n  {page}\n\nTrigger it there. Pictures go to {OUTPUT.name}/. Ctrl-C stops all of it.",
                    flush=True,
                )
                if sys.stdout.isatty():
                    webbrowser.open(page)
                process.wait()
                sys.exit(f"Airflow ended; see {LOG.relative_to(REPOSITORY)}")
    print("\nStopped.")


def free_port() -> int:
    """Return Airflow's own port, or another one where that is taken."""
    for port in (PORT, 0):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            found: int = listener.getsockname()[1]
            return found
    sys.exit("There is no free port.")


@contextmanager
def airflow(url: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``airflow standalone`` with all its processes, without a login."""
    settings = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": url.rpartition(":")[2],
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    }
    with LOG.open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "standalone"],
            env={**airflow_environment(), **settings, **environment},
            cwd=OUTPUT,  # where a relative output_path leads
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End Airflow as Ctrl-C does in its own terminal, and whatever is left of it after a while."""
    for ignored in (signal.SIGINT, signal.SIGTERM):  # an impatient second Ctrl-C would leave some of it running
        signal.signal(ignored, signal.SIG_IGN)
    for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def wait_for_dag(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until Airflow knows the quickstart."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with (
            suppress(URLError, ConnectionError, TimeoutError, ValueError),
            urlopen(f"{url}/api/v2/dags/{DAG_ID}", timeout=10) as answer,
        ):
            if json.load(answer)["dag_id"] == DAG_ID:
                unpause(url)
                return
        time.sleep(1)
    sys.exit(f"Airflow did not start; see {LOG.relative_to(REPOSITORY)}")


def unpause(url: str) -> None:
    """Let the quickstart run when it is triggered: where the demo was run before, Airflow knows it as paused."""
    request = Request(
        f"{url}/api/v2/dags/{DAG_ID}", b'{"is_paused": false}', {"Content-Type": "application/json"}, method="PATCH"
    )
    urlopen(request, timeout=10).close()


if __name__ == "__main__":
    main()
