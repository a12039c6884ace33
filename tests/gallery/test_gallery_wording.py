"""How the gallery writes amounts, sizes and times."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_imagerouter.plugins.gallery.items import Input, Page, Picture, Task
from airflow_provider_imagerouter.plugins.gallery.wording import (
    airflow_page,
    anchor,
    columns,
    file_size,
    file_type,
    length_of,
    money,
    side_by_side,
)


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (None, "cost unknown"),
        (0, "$0.0000"),
        (0.0013, "$0.0013"),
        (Decimal("0.00004"), "$0.00004"),
        (1.5, "$1.5000"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money(amount, written):
    assert money(amount) == written


@pytest.mark.parametrize(
    ("size", "written"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (999_600, "1.0 MB"), (2e9, "2.0 GB")]
)
def test_file_size(size, written):
    assert file_size(size) == written


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.058, "0.058 s"), (5, "5 s"), (59.9, "1 min 0 s"), (2400, "40 min 0 s")]
)
def test_length(seconds, written):
    assert length_of(seconds) == written


@pytest.mark.parametrize(
    ("content_type", "written"),
    [(None, None), ("image/webp", "WebP"), ("image/svg+xml", "SVG"), ("video/mp4", "MP4"), ("odd", "")],
)
def test_file_type(content_type, written):
    assert file_type(content_type) == written


def picture(name, group="", task="draw", inputs=()):
    return Picture(name, {}, Task("run", task), group=group, inputs=inputs)


def test_candidates_are_together_and_only_those_of_one_task():
    pictures = [picture("0", "a"), picture("1", "a"), picture("0", "a", "other"), picture("0"), picture("1")]
    assert [len(request) for request in side_by_side(pictures)] == [2, 1, 1, 1]
    assert columns(pictures) == 5


def test_what_an_edit_was_made_from_takes_columns_too():
    assert columns([picture("0", inputs=(Input("a"), Input("b")))]) == 3
    assert columns([picture("0", inputs=(Input("a"),) * 16)]) == 4
    assert columns([picture(str(number)) for number in range(100)]) == 6
    assert columns([]) == 1


def test_names_and_ways_hold_whatever_ids_hold():
    task = Task("manual__2026-11-24T16:03:00+00:00", "group.draw", 3)
    page = Page("run", "a b", task.run_id, "")
    shown = Picture("7-0", {}, task)
    assert anchor(shown, page) == "group.draw/3/7-0"
    assert airflow_page(page) == "../../../../../dags/a%20b/runs/manual__2026-11-24T16%3A03%3A00%2B00%3A00"
    assert airflow_page(page, task).endswith("/tasks/group.draw/mapped/3")
    assert anchor(shown, Page("task", "a b", task.run_id, "", task=task)) == "7-0"
