"""Print how many milliseconds importing all operators adds to ``import airflow.sdk``; ``make benchmark`` runs it."""

from __future__ import annotations

import statistics
import subprocess
import sys

CODE = """
import airflow.sdk, importlib, pkgutil
import airflow_provider_imagerouter.operators as operators
for module in pkgutil.iter_modules(operators.__path__, operators.__name__ + "."):
    importlib.import_module(module.name)
"""
PACKAGE = "airflow_provider_imagerouter"
ROUNDS = 15


def added_ms() -> float:
    """Return the time our modules and what they import take; Airflow imports some of them to list its providers."""
    report = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", CODE], capture_output=True, text=True, check=True
    )
    total, ours = 0, None
    # A line is "import time: self | cumulative | module"; modules are indented below the one that imports them,
    # which comes after them. So read backwards, and count a module of ours unless it is below one.
    for line in reversed([line for line in report.stderr.splitlines() if line.startswith("import time:")]):
        _, cumulative, name = line.removeprefix("import time:").split("|")
        depth = len(name) - len(name.lstrip())
        if ours is not None and depth <= ours:
            ours = None
        if ours is None and name.strip().startswith(PACKAGE):
            total += int(cumulative)
            ours = depth
    return total / 1000


if __name__ == "__main__":
    times = sorted(added_ms() for _ in range(ROUNDS))
    print(f"All operators add {statistics.median(times):.1f} ms to `import airflow.sdk`", end=" ")
    print(f"(median of {ROUNDS} fresh interpreters; {times[0]:.1f} to {times[-1]:.1f} ms)")
