"""The results file of tasks and attempts that write at the same time."""

from __future__ import annotations

import json

import pytest
from support.object_store import URI

from airflow_provider_imagerouter.engine.results_file import ResultsFile
from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.results import Row, read_results


class Attempt:
    """An attempt of a task with three requests."""

    def __init__(self, folder: str, task_id: str = "task") -> None:
        self._identity = Identity("dag", "run", task_id, -1)
        self.file = ResultsFile(folder, self._identity, 3, self._row_id)
        self.file.open()

    def _row_id(self, index: int) -> str:
        return f"{self._identity.digest}-{index}"

    def row(self, index: int, status: str = "success", prompt: str | None = None) -> Row:
        return Row(
            id=self._row_id(index), index=index, status=status, prompt=prompt, model=None, metadata=None,
            cost_usd=0.0, billed="no", error_type=None, error_message=None, records=[],
        )  # fmt: skip

    def add(self, index: int, status: str = "success", prompt: str | None = None) -> None:
        self.file.add(self.row(index, status, prompt))
        self.file.publish()

    def finish(self) -> str:
        path, _ = self.file.finish(lambda index: self.row(index, "not_sent"))
        self.file.close()
        return path


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    if request.param == "local":
        return str(tmp_path)
    request.getfixturevalue("object_store")
    return f"{URI}/out"


def statuses(path):
    rows = list(read_results(path))
    assert [row["index"] for row in rows] == [0, 1, 2]
    return [row["status"] for row in rows]


def test_tasks_that_begin_at_once_get_files_of_their_own(folder):
    first, second, third = Attempt(folder, "first"), Attempt(folder, "second"), Attempt(folder, "third")
    second.add(0)
    first.add(1)
    paths = [attempt.finish() for attempt in (first, second, third)]
    assert [path.rpartition("/")[2].partition(".")[0].rpartition("-")[0] for path in paths] == [
        "results-first", "", "results-third",
    ]  # fmt: skip
    assert [statuses(path) for path in paths] == [
        ["not_sent", "success", "not_sent"], ["success", "not_sent", "not_sent"], ["not_sent"] * 3,
    ]  # fmt: skip


def test_attempts_that_overlap_lose_no_row(folder):
    first = Attempt(folder)
    first.add(0, prompt="first")
    second = Attempt(folder)
    first.add(1, prompt="first")
    second.add(2, prompt="second")
    assert statuses(second.finish()) != []
    path = first.finish()
    assert statuses(path) == ["success"] * 3
    assert [row["prompt"] for row in read_results(path)] == ["first", "first", "second"]


def test_an_attempt_that_was_frozen_harms_no_later_one(folder):
    frozen = Attempt(folder)
    frozen.add(0, "error")
    later = Attempt(folder)
    for index in range(3):
        later.add(index)
    path = later.finish()
    frozen.add(1, "error")
    assert frozen.finish() == path
    assert statuses(path) == ["success"] * 3


def test_a_request_has_one_row_at_any_time(tmp_path):
    first = Attempt(str(tmp_path))
    first.add(0)
    first.add(1, "error")
    second = Attempt(str(tmp_path))
    second.add(1)
    second.add(0)
    third = Attempt(str(tmp_path))
    assert sorted(row["index"] for row in read_results(str(tmp_path / "results.jsonl"))) == [0, 1]
    assert statuses(third.finish()) == ["success", "success", "not_sent"]


def test_rows_of_another_list_are_not_kept(folder):
    first = Attempt(folder)
    for index in range(3):
        first.add(index)
    path = first.finish()
    second = Attempt(folder)
    second.file = ResultsFile(folder, second._identity, 2, lambda index: f"{second._row_id(index)}{'x' * index}")
    second.file.open()
    assert (0 in second.file, 1 in second.file) == (True, False)
    assert second.finish() == path
    assert [row["status"] for row in read_results(path)] == ["success", "not_sent"]


@pytest.mark.parametrize("content", ["", "\n", "not JSON\n", "[1]\n", '{"id": null}\n', '{"id": "other-0"}\n'])
def test_a_file_of_somebody_else_is_left_alone(tmp_path, content):
    (tmp_path / "results.jsonl").write_text(content)
    attempt = Attempt(str(tmp_path))
    attempt.add(0)
    assert attempt.finish().endswith(".jsonl")
    assert (tmp_path / "results.jsonl").read_text() == content
    assert len(list(tmp_path.iterdir())) == 2


def test_damaged_rows_are_passed_over(tmp_path):
    first = Attempt(str(tmp_path))
    first.add(0)
    first.finish()
    with (tmp_path / "results.jsonl").open("a") as file:
        for odd in ({"index": True}, {"index": 99}, {"index": -1}, {"index": "0"}, {}):
            file.write(json.dumps(odd) + "\n")
        file.write('{"index": 1, "id"')
    second = Attempt(str(tmp_path))
    assert [index in second.file for index in range(3)] == [True, False, False]
    assert statuses(second.finish()) == ["success", "not_sent", "not_sent"]


def test_a_row_that_could_not_be_written_is_written_in_the_end(tmp_path):
    attempt = Attempt(str(tmp_path / "out"))
    attempt.add(0)
    (tmp_path / "out").rename(tmp_path / "away")
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(ImageRouterStorageError, match="Could not write the results in"):
        attempt.finish()
    (tmp_path / "out").unlink()
    (tmp_path / "away").rename(tmp_path / "out")
    assert statuses(attempt.finish()) == ["success", "not_sent", "not_sent"]
