"""Every example Dag, run in a real Airflow against the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 3.0
    from airflow.models.dagbag import DagBag  # type: ignore[attr-defined,no-redef]

EXAMPLES = Path(__file__).parents[2] / "example_dags"
OTHERS = {f"example_imagerouter_{name}" for name in ("assets", "review", "studio")}  # have tests of their own
FILES = sorted(file for file in EXAMPLES.glob("*.py") if file.stem not in OTHERS)


def load(file: Path):
    bag = DagBag(file)
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    return dag


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_is_named_like_its_file(file):
    assert load(file).dag_id == file.stem


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_runs_to_the_end(file, tmp_path, run_dag, imagerouter_connection):
    assert run_dag(load(file), output_path=str(tmp_path)).state == "success"


def test_the_quickstart_stores_two_pictures_and_reports_their_cost(tmp_path, run_dag, imagerouter_connection):
    dag = load(next(file for file in FILES if file.stem == "example_imagerouter_quickstart"))
    run = run_dag(dag, output_path=str(tmp_path), city="Porto")

    (poster,), (autumn,) = run.xcom("poster"), run.xcom("autumn")
    assert poster["prompt"].startswith("A travel poster for Porto")
    assert {poster["path"], autumn["path"]} == {file.as_uri() for file in tmp_path.glob("*.webp")}
    pixels = [Image.open(file).convert("RGB").tobytes() for file in tmp_path.glob("*.webp")]
    assert pixels[0] != pixels[1]
    assert run.xcom("report") == "2 calls cost $0.0026"
    assert imagerouter_connection.ledger()["totals"]["billed_usd"] == pytest.approx(0.0026)
