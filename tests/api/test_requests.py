"""What a request may ask for, at the borders, and what goes over the wire for it."""

from __future__ import annotations

from typing import Any

import pytest
from support.pictures import picture

from airflow_provider_imagerouter.api.request import MAX_FILE_BYTES, ImageRequest, InputPicture
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.media.images import input_picture


def request(**parameters: Any) -> ImageRequest:
    return ImageRequest(**{"model": "test/test", "prompt": "a cat", **parameters})


@pytest.mark.parametrize(
    "prompt",
    ["x", "x" * 10_000, "é" * 10_000, "漢" * 10_000, "🦊" * 5_000, "🦊" * 4_999 + "xx", "\n", "a\0b", None],
    ids=lambda prompt: f"{str(prompt)[:2]!r}",
)
def test_prompts_that_are_taken(prompt: str | None) -> None:
    if prompt == "\n":
        prompt = "a\n"
    assert request(prompt=prompt).call().json.get("prompt") == prompt


@pytest.mark.parametrize(
    "prompt", ["x" * 10_001, "🦊" * 5_001, "🦊" * 5_000 + "x", "", "  \n", 5, b"x", ["x"], "\ud83d"], ids=repr
)
def test_prompts_that_are_refused(prompt: Any) -> None:
    with pytest.raises(ImageRouterInputError, match="prompt"):
        request(prompt=prompt)


def test_a_long_prompt_is_counted_as_the_api_counts() -> None:
    with pytest.raises(ImageRouterInputError, match=r"10002 characters.*10000 at most.*an emoji is two"):
        request(prompt="🦊" * 5_001)


@pytest.mark.parametrize("size", ["auto", "1x1", "1024x768", "1024X768", "1024×768", "1024*768", "0x0", "007x1"])
def test_sizes_that_are_taken(size: str) -> None:
    assert request(size=size).call().json["size"] == size


@pytest.mark.parametrize(
    "size",
    [
        *("1024x768\n", "\n1024x768", " 1024x768", "1024x768 ", "1024 x 768", "AUTO", "auto\n"),
        *("١٠٢٤x٧٦٨", "１０２４x768", "1024", "x768", "1024x", "1024xx768", "1024x768x1", "-1x5", "1.5x2", "1024,768"),
        *("", "large", "1024х768", 1024, (1024, 768), True),
    ],
    ids=repr,
)
def test_sizes_that_are_refused(size: Any) -> None:
    with pytest.raises(ImageRouterInputError, match="size"):
        request(size=size)


CHOICES = {
    "quality": ["auto", "low", "medium", "high"],
    "response_format": ["url", "b64_json", "b64_ephemeral"],
    "output_format": ["webp", "jpeg", "jpg", "png"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in CHOICES for value in CHOICES[name]])
def test_choices_that_are_taken(name: str, value: str) -> None:
    assert request(**{name: value}).call().json[name] == value


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["best", "AUTO", "", " low", "gif", 1, True, ["low"]], ids=repr)
def test_choices_that_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ImageRouterInputError, match=f"{name} must be one of") as caught:
        request(**{name: value})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("model", ["", " ", None, 5])
def test_a_model_is_needed(model: Any) -> None:
    with pytest.raises((ImageRouterInputError, TypeError)):
        request(model=model).call()


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    call = ImageRequest(model="test/test").call()
    assert (call.method, call.path, call.json) == ("POST", "/v1/openai/images/generations", {"model": "test/test"})
    assert call.data is None
    assert call.files is None


def pictures(number: int) -> tuple[InputPicture, ...]:
    return tuple(InputPicture(b"picture %d" % index, "image/png") for index in range(number))


@pytest.mark.parametrize("number", [1, 2, 16])
def test_numbers_of_pictures_that_are_taken(number: int) -> None:
    call = request(quality="low").with_images(pictures(number), None).call()
    assert (call.method, call.path, call.json) == ("POST", "/v1/openai/images/edits", None)
    assert call.data == {"model": "test/test", "prompt": "a cat", "quality": "low"}
    assert [name for name, _ in call.files] == ["image[]"] * number
    assert [part[1] for _, part in call.files] == [picture.content for picture in pictures(number)]


@pytest.mark.parametrize("number", [0, 17, 100])
def test_numbers_of_pictures_that_are_refused(number: int) -> None:
    with pytest.raises(ImageRouterInputError, match=f"1 to 16 pictures, not {number}"):
        request().with_images(pictures(number), None)


def test_a_mask_is_a_part_of_its_own() -> None:
    call = request().with_images(pictures(2), InputPicture(b"mask", "image/webp")).call()
    assert [(name, part[1], part[2]) for name, part in call.files] == [
        ("image[]", b"picture 0", "image/png"),
        ("image[]", b"picture 1", "image/png"),
        ("mask[]", b"mask", "image/webp"),
    ]
    assert len({part[0] for _, part in call.files}) == 3


def padded_picture(length: int) -> bytes:
    content = picture("PNG")
    return content + b"\0" * (length - len(content))


def test_the_largest_picture_that_is_taken() -> None:
    assert len(input_picture(padded_picture(MAX_FILE_BYTES - 1), "it").content) == 26_214_399


@pytest.mark.parametrize("length", [26_214_400, 26_214_401])
def test_a_picture_that_is_too_large(length: int) -> None:
    with pytest.raises(ImageRouterInputError, match=r"poster.png is too large.*smaller than 25 MiB"):
        input_picture(padded_picture(length), "poster.png")
