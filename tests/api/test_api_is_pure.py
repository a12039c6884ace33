"""The API's language is apart: no HTTP client, no database, nothing that does I/O."""

from __future__ import annotations

import ast
from pathlib import Path

import airflow_provider_imagerouter.api

FOLDER = Path(airflow_provider_imagerouter.api.__file__).parent
IO = {
    *("airflow", "aiohttp", "asyncio", "concurrent", "http", "httpx", "httpcore", "os", "pathlib", "PIL"),
    *(
        "requests",
        "shutil",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "tenacity",
        "threading",
        "time",
        "urllib",
        "urllib3",
    ),
}
OURS = ("airflow_provider_imagerouter.api", "airflow_provider_imagerouter.exceptions")


def test_it_imports_nothing_that_does_io() -> None:
    files = sorted(FOLDER.glob("*.py"))
    assert len(files) > 3
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.partition(".")[0] not in IO, f"{file.name} imports {name}"
                assert not name.startswith("airflow_provider") or name.startswith(OURS), f"{file.name} imports {name}"
