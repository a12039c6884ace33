"""`python -m airflow_provider_imagerouter.sandbox`: a local ImageRouter."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from importlib.util import find_spec

from airflow_provider_imagerouter.sandbox.keys import EMPTY_KEY, MANAGEMENT_KEY, NEARLY_EMPTY_KEY, RICH_KEY

NEEDED = {"fastapi": "fastapi", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}


def main() -> None:
    """Start the sandbox and run it until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_imagerouter.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8787, help="0 picks a free one (default: %(default)s)")
    arguments = parser.parse_args()
    run_sandbox(arguments.host, arguments.port)


def run_sandbox(host: str, port: int) -> None:
    """Start a sandbox, say where it is and which keys it has, and run it until it is stopped.

    :param host: address to listen on
    :param port: 0 picks a free one
    """
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        sys.exit(f"The sandbox needs {', '.join(missing)}: pip install 'airflow-provider-imagerouter[sandbox]'")

    from airflow_provider_imagerouter.sandbox.server import listen, serve

    try:
        listener = listen(host, port)
    except (OSError, OverflowError) as error:
        sys.exit(f"The sandbox cannot listen on {host}:{port}: {error}")
    name = f"[{host}]" if ":" in host else host
    _say(f"ImageRouter sandbox on http://{name}:{listener.getsockname()[1]}")
    _say(f"  {RICH_KEY}  $100")
    _say(f"  {NEARLY_EMPTY_KEY}  $0.001")
    _say(f"  {EMPTY_KEY}  $0, never deposited")
    _say(f"  {MANAGEMENT_KEY}  makes keys for the first account")
    with suppress(KeyboardInterrupt):
        serve(listener)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
