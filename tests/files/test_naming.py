"""What stored pictures are called, whatever names are made of."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.files.naming import (
    RequestNames,
    candidate_stem,
    check_pattern,
    clean_name,
    free_stem,
    picture_name,
    request_stem,
    task_stem,
)
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


ASKED = {"prompt": "A chair, red!", "model": "acme/painter", "size": "64x64", "metadata": {"sku": "A 1"}}


@pytest.mark.parametrize(
    ("pattern", "name"),
    {
        "{index:03d}-{prompt:slug}": "003-a-chair-red",
        "{prompt:slug}_{index}.png": "a-chair-red_3",
        "chair-{index}": "chair-3",
        "{run_id}-{index}": "run-3",
        "{prompt}": "A-chair-red-3",
        "{model}{size}": "acme-painter64x64-3",
        "{index}{prompt:slug}": "3a-chair-red-3",
        "{prompt:slug}-{index}-{model}": "a-chair-red-3-acme-painter-3",
        "{quality}x": "x-3",
        "{from data}": "from-data-3",
        "{nothing:of} ours": "nothing-of-ours-3",
    }.items(),
)
def test_patterns(pattern: str, name: str) -> None:
    """A mapped task's index is added, unless it is where no other field can run into it."""
    assert task_stem(pattern, MAPPED, parameters=ASKED) == name


def test_a_pattern_of_a_task_that_is_not_mapped() -> None:
    assert task_stem("{index:03d}-{prompt:slug}", UNMAPPED, parameters=ASKED) == "000-a-chair-red"


def test_a_long_prompt_is_cut_between_words() -> None:
    name = task_stem("{prompt:slug}", UNMAPPED, parameters={"prompt": "a long word " * 50})
    assert name == "a-long-word-a-long-word-a-long-word-a-long-word-a-long-word"


@given(st.text(max_size=30), st.text(max_size=30), st.integers(0, 200), st.integers(0, 200))
def test_no_two_instances_have_one_name(prompt: str, other: str, index: int, other_index: int) -> None:
    if index == other_index:
        return
    for pattern in ("{index}-{prompt}", "{prompt}.{index:02d}", "x{index}y", "{prompt}{index}", "{index}{prompt}"):
        names = [
            task_stem(
                f"a{pattern}" if pattern[0] == "x" else pattern, Identity("d", "r", "t", number), parameters=asked
            )
            for number, asked in ((index, {"prompt": prompt}), (other_index, {"prompt": other}))
        ]
        assert names[0] != names[1], pattern


@pytest.mark.parametrize(
    "pattern",
    ["poster", "{index:03d}-{prompt:slug}", "{metadata[sku]:slug}", "{index}-{{ ds }}", "{% if x %}{index}{% endif %}",
     "{{ {'a': 1} }}", None],
)  # fmt: skip
def test_patterns_that_are_right(pattern: Any) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "found"),
    {
        "{promt:slug}": "{promt:slug}",
        "{index:slugg}": "{index:slugg}",
        "{prompt:03d}": "{prompt:03d}",
        "{metadata}": "{metadata}",
        "{prompt[0]}": "{prompt[0]}",
        "{index:03d}-{oops-{{ ds }}": "{",
        "index}": "}",
        "{}": "{",
        "{prompt.__class__}": "{",
    }.items(),
)
def test_patterns_that_are_not(pattern: str, found: str) -> None:
    with pytest.raises(ImageRouterInputError) as refused:
        check_pattern(pattern)
    assert f"has {found!r}, which is no field. There are index, prompt, model, " in str(refused.value)


def test_names_of_a_batch() -> None:
    requests: list[dict[str, Any]] = [
        {"prompt": "A chair"},
        {"prompt": "a chair!"},
        {"prompt": "B", "filename": "{metadata[sku]}-{index}", "metadata": {"sku": "A/1"}},
        {"prompt": "lamp", "n": 2},
        {"prompt": "lamp 1"},
    ]
    names = RequestNames(requests, UNMAPPED, "{prompt:slug}")
    found = [name for index in range(5) for name in names.candidates(index, names.stem(index, "digest"))]
    assert found == ["a-chair-00000", "a-chair-00001", "A-1-2", "lamp-00003-1", "lamp-00003-2", "lamp-1-00004"]
    assert [RequestNames(requests[:2], UNMAPPED, "shop").stem(index, "x") for index in (0, 1)] == [
        "shop-00000",
        "shop-00001",
    ]


def test_a_name_that_is_free() -> None:
    assert free_stem("chair", {"armchair.png", "chairs.png"}) == "chair"
    assert free_stem("chair", {"chair.png", "chair-2.png"}) == "chair-3"
