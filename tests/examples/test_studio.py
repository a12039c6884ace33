"""The studio: words, pictures and an eye in one Dag, and what they cost together."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image
from test_example_dags import EXAMPLES, load

pytestmark = pytest.mark.needs_airflow("3.3")

STUDIO = EXAMPLES / "example_imagerouter_studio.py"
EDITS = ("improve.edit", "improve__1.edit")


@pytest.fixture
def run_studio(tmp_path, run_dag, imagerouter_connection):
    """Run it with nothing in the connection for words: key and address are those of ``imagerouter_default``."""
    dag = load(STUDIO)
    assert dag.dag_id == STUDIO.stem
    return lambda **params: run_dag(dag, output_path=str(tmp_path), **params)


def drawn_scores(run) -> list[int]:
    return [run.xcom("judge", map_index=index)["score"] for index in range(3)]


def test_the_best_is_stored_as_it_is_where_it_is_good_enough(run_studio, imagerouter_connection, tmp_path):
    run = run_studio(good_enough=1, brief="A lighthouse in the fog")
    assert run.state == "success"
    assert [run.task_state(task_id) for task_id in EDITS] == ["skipped", "skipped"]
    (stored,) = run.xcom("store")
    assert [file.as_uri() for file in tmp_path.glob("*.png")] == [stored["path"]]
    best = max(range(3), key=drawn_scores(run).__getitem__)
    (draft,) = run.xcom("draw", map_index=best)
    assert stored["sha256"] == draft["sha256"]
    calls = imagerouter_connection.ledger()["calls"]
    assert [call["path"].rpartition("/")[2] for call in calls] == ["completions"] + ["generations"] * 3 + [
        "completions"
    ] * 3
    assert all("lighthouse in the fog" in call["prompt"] for call in calls)


def test_what_falls_short_is_edited_twice_and_the_words_are_summed_with_the_pictures(
    run_studio, imagerouter_connection, tmp_path
):
    run = run_studio(good_enough=11)
    assert run.state == "success"
    assert [run.task_state(task_id) for task_id in EDITS] == ["success", "success"]
    scores = [
        *drawn_scores(run),
        *(run.xcom(f"{group}.judge", map_index=0)["score"] for group in ("improve", "improve__1")),
    ]
    assert run.xcom("improve__1.keep_better")["score"] == max(scores)
    calls = imagerouter_connection.ledger()["calls"]
    assert [call["path"].rpartition("/")[2] for call in calls].count("edits") == 2
    (file,) = tmp_path.glob("*.png")
    assert Image.open(file).size == (512, 512)

    words = sum(call["cost"] for call in calls if call["path"].endswith("/chat/completions"))
    pictures = sum(call["cost"] for call in calls if "/images/" in call["path"])
    assert 0 < words < pictures == pytest.approx(5 * 0.0013)
    assert run.xcom("report") == f"${words + pictures:.4f}: ${words:.4f} for words, ${pictures:.4f} for pictures"
    assert imagerouter_connection.ledger()["totals"]["billed_usd"] == pytest.approx(words + pictures)


def test_without_the_extra_it_is_a_file_without_a_dag():
    code = f"""
import importlib.util as util
find, hidden = util.find_spec, "airflow.providers.common.ai"
util.find_spec = lambda name, package=None: None if name.startswith(hidden) else find(name, package)
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({str(STUDIO)!r})
print(len(bag.dags), bag.import_errors)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "0 {}"
