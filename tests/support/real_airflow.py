"""A real Airflow: scheduler, Dag processor, API server and triggerers, each in processes of its own."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from support.waiting import POLL_SECONDS, wait_for

START_SECONDS = 180
ENDS = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Process:
    """One of Airflow's processes with its children, a process group of their own."""

    def __init__(self, command: list[str], environ: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *command],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the process and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def signal_parent(self, number: int) -> None:
        """Send a signal to the process, but not to its children."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it and its children at once, frozen or not."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def terminate(self, seconds: float = 60) -> None:
        """End it as an administrator does; its children follow."""
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()


class RealAirflow:
    """
    Airflow on SQLite with the LocalExecutor, on ports of its own; to be used in ``with``.

    :param home: an empty folder
    :param dags: the folder of the Dags
    :param environ: more environment variables, such as ``AIRFLOW_CONN_…`` and ``AIRFLOW__SECTION__KEY``
    """

    def __init__(self, home: Path, dags: Path, environ: dict[str, str] | None = None) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        self.database = home / "airflow.db"
        self._processes: list[Process] = []
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "COVERAGE_"))}
        self.fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self.environ = {**clean, **self._settings(dags), **(environ or {})}

    def _settings(self, dags: Path) -> dict[str, str]:
        sections = {
            "CORE": {
                "AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
                "DAGS_FOLDER": dags,
                "DAGS_ARE_PAUSED_AT_CREATION": False,
                "EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "EXECUTOR": "LocalExecutor",
                "FERNET_KEY": self.fernet_key,
                "LOAD_EXAMPLES": False,
                "PARALLELISM": 4,
                "SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
            },
            "API": {
                "BASE_URL": self.url,
                "ENABLE_XCOM_DESERIALIZE_SUPPORT": True,
                "SECRET_KEY": secrets.token_hex(16),
                "WORKERS": 1,
            },
            "API_AUTH": {"JWT_SECRET": secrets.token_hex(32)},
            # SQLAlchemy's own setting, in seconds; by default a writer gives up after five.
            "DATABASE": {"SQL_ALCHEMY_CONN": f"sqlite:///{self.database}?timeout=60"},
            "DAG_PROCESSOR": {"REFRESH_INTERVAL": 5, "MIN_FILE_PROCESS_INTERVAL": 600},
            "LOGGING": {"BASE_LOG_FOLDER": self.home / "logs"},
            "SCHEDULER": {
                "JOB_HEARTBEAT_SEC": 1,
                "SCHEDULER_IDLE_SLEEP_TIME": 0.2,
                "TRIGGER_TIMEOUT_CHECK_INTERVAL": 1,
                "ENABLE_HEALTH_CHECK": False,
            },
            # A worker notices after so long that a task deferred; one that is resumed before that is taken for killed.
            "WORKERS": {"MIN_HEARTBEAT_INTERVAL": 1},
            "TRIGGERER": {"JOB_HEARTBEAT_SEC": 1, "TRIGGERER_HEALTH_CHECK_THRESHOLD": 5},
        }
        settings = {
            f"AIRFLOW__{section}__{key}": str(value)
            for section, values in sections.items()
            for key, value in values.items()
        }
        return {"AIRFLOW_HOME": str(self.home), **settings}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        migrated = self.cli("db", "migrate")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        port = self.url.rpartition(":")[2]
        self.start("api-server", "--host", "127.0.0.1", "--port", port)
        self.start("dag-processor")
        self.scheduler = self.start("scheduler", "--skip-serve-logs")
        self.triggerer = self.start_triggerer()
        wait_for("the API server", lambda: self.get("monitor/health") is not None, START_SECONDS)
        wait_for("all of Airflow", self._is_healthy, START_SECONDS)

    def _is_healthy(self) -> bool:
        health = self.get("monitor/health") or {}
        return all(
            health.get(part, {}).get("status") == "healthy" for part in ("scheduler", "triggerer", "dag_processor")
        )

    def start(self, *command: str, **environ: str) -> Process:
        """Start one of Airflow's processes, with more environment variables; it is stopped with the rest."""
        log = self.home / f"{command[0]}-{len(self._processes)}.log"
        process = Process(list(command), {**self.environ, **environ}, log)
        self._processes.append(process)
        return process

    def start_triggerer(self, **environ: str) -> Process:
        """Start a triggerer, the first or another."""
        return self.start("triggerer", "--skip-serve-logs", **environ)

    def keep_spare_triggerer(self) -> None:
        """Start another triggerer and freeze it, so that it can take over at once."""
        before = self._triggerer_jobs()
        self._spare = self.start_triggerer()
        wait_for("another triggerer", lambda: self._triggerer_jobs() > before, START_SECONDS)
        self.freeze(self._spare)

    def use_spare_triggerer(self) -> None:
        """Let the spare triggerer go on in place of the first, whatever became of it."""
        self._spare.signal(signal.SIGCONT)
        self.triggerer = self._spare

    def freeze(self, process: Process, *, with_children: bool = True) -> None:
        """Stop a process, as a paused machine does, but not while it locks the database for all others."""
        send = process.signal if with_children else process.signal_parent
        send(signal.SIGSTOP)
        while self._is_locked():
            send(signal.SIGCONT)
            time.sleep(POLL_SECONDS)
            send(signal.SIGSTOP)

    @contextlib.contextmanager
    def frozen(self, process: Process) -> Iterator[None]:
        """Freeze a process and its children for a while."""
        self.freeze(process)
        try:
            yield
        finally:
            process.signal(signal.SIGCONT)

    def _is_locked(self) -> bool:
        """Return whether somebody keeps all others from writing to the metadata database."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=5, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            connection.execute("ROLLBACK")
            return False

    def _triggerer_jobs(self) -> int:
        sql = "SELECT count(*) AS number FROM job WHERE job_type = 'TriggererJob'"
        return int(self.query(sql)[0]["number"])

    def stop(self) -> None:
        """End all processes that were started here."""
        for process in reversed(self._processes):
            process.kill()

    def cli(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Airflow to its end."""
        return subprocess.run(
            [sys.executable, "-m", "airflow", *command], env=self.environ, capture_output=True, text=True, check=False
        )

    def logs(self, last: int | None = None) -> str:
        """Return what all processes and tasks wrote, or the last so many lines of each."""
        files = [process.log for process in self._processes] + sorted((self.home / "logs").rglob("*.log"))
        start = None if last is None else -last
        texts = {file: file.read_text(errors="replace").splitlines()[start:] for file in files if file.exists()}
        return "".join(f"\n== {file}\n" + "\n".join(lines) for file, lines in texts.items())

    # The REST API

    def get(self, path: str) -> Any:
        """Return the JSON at a path of the API, or None."""
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return what the API answers, or None if it is not there, or knows no such thing (yet)."""
        prefix = "" if path.startswith("/") else "/api/v2/"
        request = urllib.request.Request(
            f"{self.url}{prefix}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def trigger(self, dag_id: str, **conf: Any) -> Run:
        """Start a run of a Dag as soon as the Dag is there."""
        body = {"logical_date": None, "conf": conf, "dag_run_id": f"run-{secrets.token_hex(4)}"}
        wait_for(f"the Dag {dag_id}", lambda: self._has_dag(dag_id), START_SECONDS)
        made = wait_for("a Dag run", lambda: self.ask("POST", f"dags/{dag_id}/dagRuns", body))
        return Run(self, dag_id, made["dag_run_id"])

    def _has_dag(self, dag_id: str) -> bool:
        errors = (self.get("importErrors") or {}).get("import_errors")
        assert not errors, errors
        return self.get(f"dags/{dag_id}") is not None

    # The metadata database

    def query(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Return rows of the metadata database, read only."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]


class Run:
    """One run of a Dag in a real Airflow."""

    def __init__(self, airflow: RealAirflow, dag_id: str, run_id: str) -> None:
        self.airflow = airflow
        self.dag_id = dag_id
        self.run_id = run_id
        self._path = f"dags/{dag_id}/dagRuns/{quote(run_id)}"

    def task(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return what the API says of a task instance."""
        mapped = "" if map_index < 0 else f"/{map_index}"
        return self.airflow.get(f"{self._path}/taskInstances/{task_id}{mapped}") or {}

    def state(self, task_id: str, map_index: int = -1) -> str | None:
        """Return the state of a task instance."""
        return self.task(task_id, map_index).get("state")

    def wait_for_state(self, task_id: str, *states: str, map_index: int = -1, seconds: float = 120) -> dict[str, Any]:
        """Wait until a task instance is in one of some states, and return it."""

        def look() -> dict[str, Any] | None:
            task = self.task(task_id, map_index)
            return task if task.get("state") in states else None

        try:
            found: dict[str, Any] = wait_for(f"{task_id} to be {' or '.join(states)}", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.state(task_id, map_index)}") from None
        return found

    def wait_until_worker_left(self, task_id: str) -> None:
        """
        Wait until the worker of a task that is deferred, or waits for a person, is gone and the scheduler knows.

        Airflow 3.3.2 takes a task that is resumed before for one that was killed.
        """
        self.wait_for_state(task_id, "deferred", "awaiting_input")
        event = f"Received executor event with state success for task instance TaskInstanceKey(dag_id='{self.dag_id}'"
        event += f", task_id='{task_id}', run_id='{self.run_id}'"
        log = self.airflow.scheduler.log
        wait_for(f"the worker of {task_id} to leave", lambda: event in log.read_text(errors="replace"))

    def wait_for_end(self, task_id: str, map_index: int = -1, seconds: float = 180) -> str:
        """Wait until a task instance has ended, and return its state."""
        return str(self.wait_for_state(task_id, *ENDS, map_index=map_index, seconds=seconds)["state"])

    def wait_for_run(self, seconds: float = 180) -> str:
        """Wait until the whole run has ended, and return its state."""

        def look() -> str | None:
            state = (self.airflow.get(self._path) or {}).get("state")
            return state if state in ENDS else None

        return str(wait_for(f"the run {self.run_id}", look, seconds))

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return an XCom's value, or None."""
        mapped = f"&map_index={map_index}" if map_index >= 0 else ""
        path = f"{self._path}/taskInstances/{task_id}/xcomEntries/{key}?deserialize=true{mapped}"
        return (self.airflow.get(path) or {}).get("value")

    def clear(self, task_id: str) -> None:
        """Clear a task, as the button in the UI does."""
        body = {"dry_run": False, "dag_run_id": self.run_id, "task_ids": [task_id], "only_failed": False}
        assert self.airflow.ask("POST", f"dags/{self.dag_id}/clearTaskInstances", body) is not None

    def mark(self, task_id: str, state: str) -> None:
        """Mark a task as failed or successful, as the button in the UI does."""
        path = f"{self._path}/taskInstances/{task_id}"
        assert self.airflow.ask("PATCH", path, {"new_state": state}) is not None

    def trigger_ids(self) -> list[int]:
        """Return the triggers that this run's deferred tasks wait for."""
        sql = "SELECT trigger_id FROM task_instance WHERE run_id = ? AND dag_id = ? AND trigger_id IS NOT NULL"
        return [row["trigger_id"] for row in self.airflow.query(sql, self.run_id, self.dag_id)]
