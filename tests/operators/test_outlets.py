"""What the events of assets say of pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAlias
from support.attempts import RunningTask
from support.dags import Runs

from airflow_provider_imagerouter.operators.batch import ImageRouterBatchOperator
from airflow_provider_imagerouter.operators.generate import ImageRouterGenerateOperator
from airflow_provider_imagerouter.operators.outlets import MOST_CHARACTERS, attach_result
from airflow_provider_imagerouter.records import record_of_location

POSTERS = Asset("posters")


def events() -> Any:
    from airflow.sdk.execution_time.context import OutletEventAccessors

    return OutletEventAccessors()


def test_a_picture(runs: Runs) -> None:
    found = events()
    found[POSTERS].extra["campaign"] = "spring"
    operator = ImageRouterGenerateOperator(
        task_id="task", prompt="A cat", model="test/test", outlets=[POSTERS, AssetAlias("any")]
    )
    records = operator.execute({"ti": RunningTask("task"), "outlet_events": found})
    assert found[POSTERS].extra == {"campaign": "spring", "pictures": records, "pictures_total": 1}
    assert len(found) == 1


def test_a_batch(runs: Runs, tmp_path: Path) -> None:
    found = events()
    operator = ImageRouterBatchOperator(
        task_id="task", requests=["A cat"], model="test/test", result_path=str(tmp_path), outlets=[POSTERS]
    )
    manifest = operator.execute({"ti": RunningTask("task"), "outlet_events": found})
    assert found[POSTERS].extra == {"manifest": manifest}


def test_too_many_are_left_out_and_counted() -> None:
    found = events()
    attach_result({"outlet_events": found}, [POSTERS], [{"prompt": "x" * 20_000}] * 10)
    extra = found[POSTERS].extra
    assert (len(extra["pictures"]), extra["pictures_total"]) == (2, 10)
    assert len(json.dumps(extra)) < MOST_CHARACTERS + 100


def test_an_event_that_cannot_be_written_to_fails_nothing(runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    operator = ImageRouterGenerateOperator(task_id="task", prompt="A cat", model="test/test", outlets=[POSTERS])
    assert operator.execute({"ti": RunningTask("task")})
    assert "The event of posters says nothing of the pictures" in caplog.text


def test_a_deferred_task_attaches_when_it_ends(runs: Runs) -> None:
    found = events()
    operator = ImageRouterGenerateOperator(
        task_id="task", prompt="A cat", model="test/test", outlets=[POSTERS], deferrable=True
    )
    event = {"status": "success", "result": [record_of_location("https://example.com/a.png")]}
    records = operator.execute_complete({"ti": RunningTask("task"), "outlet_events": found}, event)
    assert found[POSTERS].extra == {"pictures": records, "pictures_total": 1}
