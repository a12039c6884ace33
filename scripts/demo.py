"""
``make demo``: run the quickstart Dag in a real Airflow, and show what came of it.

Against the sandbox, or against the real API if IMAGEROUTER_API_KEY is set.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from contact_sheet import Cell, draw_contact_sheet
from local_airflow import AIRFLOW_HOME, EXAMPLES, OUTPUT, REPOSITORY, connection, prepare_database, run_logged

DAG_FILE = EXAMPLES / "example_imagerouter_quickstart.py"
LOG = AIRFLOW_HOME / "demo.log"


def main() -> None:
    """Run the Dag, show its pictures, and draw the contact sheet."""
    AIRFLOW_HOME.mkdir(exist_ok=True)
    LOG.write_text("")
    prepare_database(LOG)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    with connection() as (title, environment):
        print(f"Running {DAG_FILE.name} with {title} …", flush=True)
        result = run_dag(environment)
    if result["state"] != "success":
        sys.exit(describe_failure(result["errors"]))
    pictures = [(task, record) for task, records in result["pictures"].items() for record in records]
    show(pictures)
    sheet = OUTPUT / "contact-sheet.png"
    draw_contact_sheet([cell(task, record) for task, record in pictures], "ImageRouter in Airflow", title, sheet)
    print(f"Contact sheet: {sheet.relative_to(REPOSITORY)}")
    print("\nNext: `make ui` opens Airflow with this Dag and the other examples.")


def run_dag(environment: dict[str, str]) -> dict[str, Any]:
    """Run the Dag in a process of its own, so that Airflow's output goes to the log, and return what came of it."""
    result = AIRFLOW_HOME / "demo-result.json"
    result.unlink(missing_ok=True)
    conf = json.dumps({"output_path": str(OUTPUT)})
    script = str(Path(__file__).with_name("run_dag.py"))
    run_logged([script, str(DAG_FILE), conf, str(result)], environment, LOG)
    if not result.exists():
        sys.exit(f"Airflow could not run the Dag; see {LOG.relative_to(REPOSITORY)}")
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def describe_failure(errors: dict[str, str]) -> str:
    """Say which tasks failed, and why."""
    lines = [f"  {task}: {error}" for task, error in errors.items()]
    return "\n".join(["The Dag failed:", *lines, f"Airflow's log: {LOG.relative_to(REPOSITORY)}"])


def show(pictures: list[tuple[str, dict[str, Any]]]) -> None:
    """Print a line for each picture, and what they cost together."""
    print()
    for task, record in pictures:
        print(f"  {task:10}{details(record):37}{file_of(record).relative_to(REPOSITORY)}")
    total = sum(record["cost_usd"] or 0 for _, record in pictures)
    print(f"\n{len(pictures)} pictures for ${total:.4f}")


def cell(task: str, record: dict[str, Any]) -> Cell:
    """Caption a picture for the contact sheet."""
    return Cell(file_of(record), task, record["prompt"], details(record))


def details(record: dict[str, Any]) -> str:
    """Say how large a picture is, of which type, and what it cost."""
    cost = "price unknown" if record["cost_usd"] is None else f"${record['cost_usd']:.4f}"
    return f"{record['width']}x{record['height']}   {record['content_type']}   {cost}"


def file_of(record: dict[str, Any]) -> Path:
    """Return where a record's picture is stored on this machine."""
    return Path(unquote(urlsplit(record["path"]).path))


if __name__ == "__main__":
    main()
