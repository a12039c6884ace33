"""The docs' Python runs as it stands there: each page is a Dag, which runs to its end against the sandbox."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow is older than 3.1, where this is collected, but not run
    from airflow.models.dagbag import DagBag
from support.code_blocks import DOCS, REPOSITORY, blocks
from support.object_store import BUCKET, CONN_ID
from support.pictures import picture

import airflow_provider_imagerouter.operators

LANGUAGES = {"python", "bash", "console", "json", "jinja", "sql", "text"}
PAGES = [page for page in DOCS if page.name != "testing.md" and blocks(page, "python")]


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", *DOCS], ids=lambda page: page.name)
def test_each_block_says_its_language(page: Path) -> None:
    assert [block for block in blocks(page) if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", *DOCS], ids=lambda page: page.name)
def test_no_block_hides_from_the_tests(page: Path) -> None:
    """Code that is indented instead of fenced is code, too."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    assert re.findall(r"^\n {4}\S.*$", text, flags=re.M) == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_json_is_json(page: Path) -> None:
    for block in blocks(page, "json"):
        try:
            json.loads(block.code)
        except ValueError:
            for line in block.code.splitlines():
                json.loads(line)


def prelude() -> str:
    """Return what stands at the top of the reader's file: Airflow's SDK and our operators."""
    lines = ["import json", "from airflow.sdk import DAG, ObjectStoragePath, dag, task, task_group"]
    package = airflow_provider_imagerouter.operators
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        names = [name for name in vars(importlib.import_module(module.name)) if name.startswith("ImageRouter")]
        lines += [f"from {module.name} import {name}" for name in names]
    return "\n".join(lines)


@pytest.fixture
def places(tmp_path: Path, object_store, monkeypatch) -> dict[str, str]:
    """Where the docs' pictures are: the bucket of aws_default, and /data."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"])
    object_store.put("chair.png", picture("PNG"))
    data = tmp_path / "data"
    data.mkdir()
    (data / "sky.png").write_bytes(picture("PNG"))
    return {'"/data': f'"{data}', "@videos": f"@{BUCKET}"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_runs(page: Path, places, connect, tmp_path, run_dag) -> None:
    code = "\n".join(block.code for block in blocks(page, "python") if not block.reason)
    for written, here in places.items():
        code = code.replace(written, here)
    file = tmp_path / "page.py"
    file.write_text(f"{prelude()}\nwith DAG({page.stem!r}):\n{textwrap.indent(code, '    ')}\n    pass\n")
    bag = DagBag(file)
    assert bag.import_errors == {}
    for dag in bag.dags.values():
        if dag.tasks:
            assert run_dag(dag).state == "success", dag.dag_id
