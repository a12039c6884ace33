from __future__ import annotations

import itertools

import pytest

from airflow_provider_imagerouter.identity import Identity

LONG = "a_very_long_name" * 15


def test_no_two_task_instances_share_a_file_name() -> None:
    """Names that only differ in what file names cannot show, or in where one part ends, included."""
    names = ("a", "a.b", "a-b", "a_b", "a-1", "1", LONG, LONG + "x")
    runs = ("manual__2026-11-22T00:00:00+00:00", "manual__2026-11-22T00:00:00+01:00", "a", "a-1")
    identities = list(itertools.product(names, runs, names, (-1, 0, 1, 10)))
    assert len({Identity(*identity).file_stem for identity in identities}) == len(identities)


def test_it_is_the_same_for_every_attempt() -> None:
    assert Identity("dag", "run", "task", 3).file_stem == Identity("dag", "run", "task", 3).file_stem


def test_it_is_readable() -> None:
    assert Identity("dag", "run", "group.poster", 3).file_stem.startswith("group.poster-3-")
    assert Identity("dag", "run", "poster", -1).file_stem.startswith("poster-")


@pytest.mark.parametrize("task_id", [LONG, "ü" * 250, "a b/c\\d:e", "..", "日本" * 100])
def test_it_is_a_file_name_everywhere(task_id: str) -> None:
    stem = Identity("dag", "run", task_id, 1_000_000).file_stem
    assert not set(stem) & set('/\\: *?"<>|\0')
    assert len(f"{stem}-1000.tiff".encode()) <= 255
