"""What a request may ask for, at the borders, and what goes over the wire for it."""

from __future__ import annotations

from typing import Any

import pytest
from support.pictures import picture

from airflow_provider_imagerouter.api.request import MAX_FILE_BYTES, ImageRequest, InputPicture, VideoRequest
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.media.images import input_picture


def request(**parameters: Any) -> ImageRequest:
    return ImageRequest(**{"model": "test/test", "prompt": "a cat", **parameters})


@pytest.mark.parametrize(
    "prompt",
    ["x", "x" * 20_000, "é" * 20_000, "漢" * 20_000, "🦊" * 10_000, "🦊" * 9_999 + "xx", "\n", None],
    ids=lambda prompt: f"{str(prompt)[:2]!r}",
)
def test_prompts_that_are_taken(prompt: str | None) -> None:
    if prompt == "\n":
        prompt = "a\n"
    assert request(prompt=prompt).call().json.get("prompt") == prompt


@pytest.mark.parametrize(
    "prompt",
    ["x" * 20_001, "🦊" * 10_001, "🦊" * 10_000 + "x", "", "  \n", 5, b"x", ["x"], "\ud83d", "a\0b"],
    ids="{!r:.20}".format,
)
def test_prompts_that_are_refused(prompt: Any) -> None:
    with pytest.raises(ImageRouterInputError, match="prompt"):
        request(prompt=prompt)


def test_a_long_prompt_is_counted_as_the_api_counts() -> None:
    with pytest.raises(ImageRouterInputError, match=r"20002 characters.*20000 at most.*an emoji is two"):
        request(prompt="🦊" * 10_001)


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
    call = request(quality="low").with_images(pictures(number)).call()
    assert (call.method, call.path, call.json) == ("POST", "/v1/openai/images/edits", None)
    assert call.data == {"model": "test/test", "prompt": "a cat", "quality": "low"}
    assert [name for name, _ in call.files] == ["image[]"] * number
    assert [part[1] for _, part in call.files] == [picture.content for picture in pictures(number)]


@pytest.mark.parametrize("number", [0, 17, 100])
def test_numbers_of_pictures_that_are_refused(number: int) -> None:
    with pytest.raises(ImageRouterInputError, match=f"1 to 16 pictures, not {number}"):
        request().with_images(pictures(number))


def test_masks_are_parts_of_their_own() -> None:
    masks = (InputPicture(b"mask", "image/webp"), InputPicture(b"another", "image/png"))
    call = request().with_images(pictures(2), masks).call()
    assert [(name, part[1], part[2]) for name, part in call.files] == [
        ("image[]", b"picture 0", "image/png"),
        ("image[]", b"picture 1", "image/png"),
        ("mask[]", b"mask", "image/webp"),
        ("mask[]", b"another", "image/png"),
    ]
    assert len({part[0] for _, part in call.files}) == 4


def test_numbers_of_masks() -> None:
    assert len(request().with_images(pictures(1), pictures(16)).call().files) == 17
    with pytest.raises(ImageRouterInputError, match="mask takes 1 to 16 pictures, not 17"):
        request().with_images(pictures(1), pictures(17))


def test_a_video_takes_as_many_pictures_as_a_picture_does() -> None:
    call = VideoRequest(model="ir/test-video", seconds=5).with_images(pictures(16)).call()
    assert (len(call.files), call.data) == (16, {"model": "ir/test-video", "seconds": "5"})


EXTRA = {"seed": 7, "style": "noir", "loras": [{"id": "a", "weight": 0.5}], "tiling": True, "negative": None}


def test_parameters_that_nobody_knows_are_sent_as_they_are() -> None:
    assert request(extra_body=EXTRA).call().json == {"model": "test/test", "prompt": "a cat", **EXTRA}
    assert request(extra_body=EXTRA).with_images(pictures(1)).call().data == {
        "model": "test/test",
        "prompt": "a cat",
        "seed": "7",
        "style": "noir",
        "loras": '[{"id": "a", "weight": 0.5}]',
        "tiling": "true",
        "negative": "null",
    }


def test_they_go_before_what_is_known_and_are_not_checked() -> None:
    extra = {"quality": "ultra", "size": "widescreen", "output_format": "avif", "prompt": "x" * 30_000}
    sent = request(quality="high", extra_body=extra).call().json
    assert sent == {"model": "test/test", **extra}


def test_a_model_among_them_is_the_model_of_the_request() -> None:
    """The budget, the catalogue and the record go by it."""
    assert request(extra_body={"model": "new/model"}).model == "new/model"


@pytest.mark.parametrize(
    "extra", ["seed=7", ["seed"], {5: 6}, {"a": b"b"}, {"a": float("nan")}, {"a": {1, 2}}], ids=repr
)
def test_what_json_has_no_word_for_is_refused(extra: Any) -> None:
    with pytest.raises(ImageRouterInputError, match="extra_body"):
        request(extra_body=extra)


def padded_picture(length: int) -> bytes:
    content = picture("PNG")
    return content + b"\0" * (length - len(content))


def test_the_largest_picture_that_is_taken() -> None:
    assert len(input_picture(padded_picture(MAX_FILE_BYTES - 1), "it").content) == 26_214_399


@pytest.mark.parametrize("length", [26_214_400, 26_214_401])
def test_a_picture_that_is_too_large(length: int) -> None:
    with pytest.raises(ImageRouterInputError, match=r"poster.png is too large.*smaller than 25 MiB"):
        input_picture(padded_picture(length), "poster.png")
