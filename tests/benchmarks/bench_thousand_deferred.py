"""
A thousand deferred generations in one event loop: prints what they take, asserts nothing.

Runs the triggers as a triggerer does, with real ledgers on disk, against the sandbox; ``--tasks`` says how many.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5, help="how long the API takes for each")
    parser.add_argument("--links", action="store_true", help="pass on links instead of storing pictures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        from airflow_provider_imagerouter.sandbox.process import SandboxProcess

        if arguments.links:
            os.environ["AIRFLOW__IMAGEROUTER__LEDGER_PATH"] = f"{home}/ledger"
        with SandboxProcess() as sandbox:
            os.environ["AIRFLOW_CONN_IMAGEROUTER_DEFAULT"] = sandbox.connection_uri()
            outcome = asyncio.run(_measure(arguments, Path(home)))
            totals = sandbox.ledger()["totals"]
    print(f"{arguments.tasks} tasks of {arguments.seconds} s: {outcome}")
    print(f"sandbox: {totals['calls']} calls, {totals['refused']} refused, {totals['billed_calls']} billed")


async def _measure(arguments: argparse.Namespace, home: Path) -> str:
    folder = None if arguments.links else str(home / "pictures")
    lags: list[float] = []
    await _run_one(folder, 0, 0.05)  # imports
    before, started = _memory(), time.monotonic()
    watching = asyncio.create_task(_watch(lags))
    events = await asyncio.gather(
        *(_run_one(folder, number, arguments.seconds) for number in range(1, arguments.tasks + 1))
    )
    watching.cancel()
    ends = Counter(event.get("class", event["status"]) for event in events)
    return (
        f"{dict(ends)} in {time.monotonic() - started:.1f} s; {(_memory() - before) / 1024:.0f} MiB more; "
        f"the loop was late by {max(lags) * 1000:.0f} ms at most, {sum(lag > 0.2 for lag in lags)} times over 200 ms"
    )


async def _run_one(folder: str | None, number: int, seconds: float) -> dict:
    from airflow_provider_imagerouter.engine.work import SingleWork
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.triggers.imagerouter import ImageRouterTrigger

    identity = Identity("bench", "run", "generate", number)
    work = SingleWork(
        identity=identity,
        imagerouter_conn_id="imagerouter_default",
        folder=folder,
        max_cost_usd=None,
        on_orphaned_intent="resubmit",
        parameters={"prompt": f"Picture {number}", "model": f"sandbox/slow-{seconds}", "size": "64x64"},
        n=1,
        stem=identity.file_stem,
        output="image",
    )
    async for event in ImageRouterTrigger(work.to_json()).run():
        return event.payload
    return {"status": "no event"}


async def _watch(lags: list[float]) -> None:
    """Do what the triggerer's watchdog does, more often."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.05)
        lags.append(time.monotonic() - before - 0.05)


def _memory() -> int:
    """Return the most memory this process ever held, KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
