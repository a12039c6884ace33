"""What stored pictures are called, whatever names are made of."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.files.naming import candidate_stem, clean_name, picture_name, request_stem, task_stem
from airflow_provider_imagerouter.identity import Identity

ALLOWED = set(string.ascii_letters + string.digits + "-_.")
MAPPED = Identity("dag", "run", "poster", 3)
UNMAPPED = Identity("dag", "run", "poster", -1)

NAMES = {
    "summer-poster": "summer-poster",
    "Summer_Poster.v2": "Summer_Poster.v2",
    "café/table": "cafe-table",
    "Ä Ö Ü": "A-O-U",
    "東京": "Dong-Jing",
    "x.png": "x",
    "x.JPEG": "x",
    "x.mp4": "x",
    "x.y": "x.y",
    "../../etc/passwd": "etc-passwd",
    "C:\\pictures\\x.webp": "C-pictures-x",
    ".hidden": "hidden",
    "2026-11-24T00:00:00+00:00": "2026-11-24T00-00-00-00-00",
    "100%": "100",
    "a\0b": "a-b",
    "a\nb": "a-b",
    "&amp;": "amp",
}


@pytest.mark.parametrize(("given_name", "name"), NAMES.items())
def test_names_are_made_of_what_comes_from_data(given_name: str, name: str) -> None:
    assert clean_name(given_name) == name


@pytest.mark.parametrize("nothing", ["", " ", "..", "/", "🦊", "-", None, 5, b"x", Path("x")])
def test_what_no_name_can_be_made_of(nothing: Any) -> None:
    with pytest.raises(ImageRouterInputError, match="filename must"):
        clean_name(nothing)


@given(st.text(max_size=400))
def test_whatever_a_name_is_made_of_it_is_one_everywhere(text: str) -> None:
    try:
        name = clean_name(text)
    except ImageRouterInputError:
        return
    assert set(name) <= ALLOWED
    assert name[0] not in "-."
    assert len(f"{name}-1000000-1000-10.tiff") <= 255
    assert clean_name(name) in (name, name.rpartition(".")[0])


@given(st.text(alphabet=string.ascii_letters + string.digits, min_size=1, max_size=300))
def test_long_names_that_differ_in_the_end_differ(text: str) -> None:
    start = "x" * 200
    assert (clean_name(start + text) == clean_name(start + text[::-1])) == (text == text[::-1])


def test_the_index_is_added_where_names_would_collide() -> None:
    assert task_stem("poster", UNMAPPED) == "poster"
    assert task_stem("poster", MAPPED) == "poster-3"
    assert task_stem("poster", MAPPED, is_mapped=True) == "poster"
    assert task_stem("poster.png", MAPPED, is_mapped=True) == "poster"
    assert task_stem("a/b", MAPPED, is_mapped=True) == task_stem("a b", MAPPED, is_mapped=True) == "a-b-3"
    assert task_stem("a/b", UNMAPPED) == "a-b"
    assert task_stem(None, MAPPED, is_mapped=True) == MAPPED.file_stem


def test_numbers() -> None:
    assert picture_name("poster", 1, "png") == "poster.png"
    assert picture_name("poster", 2, "png") == "poster-2.png"
    assert candidate_stem("poster", 1, 1) == "poster"
    assert [candidate_stem("poster", number, 2) for number in (1, 2)] == ["poster-1", "poster-2"]
    assert request_stem(7, None, "abc") == "00007-abc"
    assert request_stem(7, "chair", "abc") == "chair-00007"
