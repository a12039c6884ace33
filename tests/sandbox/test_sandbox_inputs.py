"""Input pictures as files, links and data URIs, in JSON and in forms."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
from PIL import Image, ImageChops, ImageStat
from sandbox_api import EDITS, IMAGES, VIDEOS, png

EDITOR = "black-forest-labs/FLUX-2-klein-4b"
MASK_EDITOR = "qwen/qwen-image-2512"


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def data_uri(body: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(body).decode()}"


@pytest.fixture
def link(api) -> str:
    url: str = api.generate("sandbox/slow-0", "a lighthouse").json()["data"][0]["url"]
    return url


@pytest.mark.parametrize("path", [IMAGES, EDITS])
def test_a_link_or_a_data_uri_in_json(api, link, red_png, path):
    edited = api.post(path, json={"model": EDITOR, "prompt": "x", "image": data_uri(red_png), "output_format": "png"})
    assert api.picture(edited).size == (96, 64)
    assert api.last_call()["images"] == [digest(red_png)]
    edited = api.post(path, json={"model": EDITOR, "prompt": "x", "image": link})
    assert api.picture(edited).size == (64, 64)
    assert api.last_call()["images"] == [digest(api.client.get(link).content)]


def test_an_edit_is_the_same_however_its_picture_is_given(api, red_png):
    body = {"model": EDITOR, "prompt": "a hat", "response_format": "b64_json"}
    as_file = api.post(EDITS, data=body, files={"image": red_png})
    as_text = api.post(EDITS, json=body | {"image": data_uri(red_png)})
    in_form = api.post(EDITS, data=body | {"image": data_uri(red_png)}, files={"other": (None, "x")})
    assert api.fetch(as_file) == api.fetch(as_text) == api.fetch(in_form)


def test_several_of_all_kinds(api, link, red_png):
    blue = png(colour=(0, 0, 255))
    api.post(EDITS, data={"model": EDITOR, "prompt": "x", "image[]": [link, data_uri(blue)]}, files={"image": red_png})
    assert api.last_call()["images"] == [digest(red_png), digest(api.client.get(link).content), digest(blue)]
    answer = api.post(EDITS, json={"model": "test/test", "image": [link, data_uri(blue)]})
    assert "data" in answer.json()


def test_sixteen_in_all(api, red_png):
    for number, status in ((16, 200), (17, 400)):
        answer = api.post(EDITS, json={"model": "test/test", "image": [data_uri(red_png)] * number})
        assert answer.status_code == status
    assert answer.json()["error"]["message"] == "Maximum of 16 images can be uploaded"


@pytest.mark.parametrize("image", ["picture.png", "file:///etc/passwd", 5, {}, ["a.png"], "data:image/png;base64,A"])
def test_what_is_neither_is_refused(api, image):
    answer = api.post(EDITS, json={"model": EDITOR, "prompt": "x", "image": image})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert answer.json()["error"]["message"].startswith("'image' ")
    assert api.credits() == "100.0000"


@pytest.mark.parametrize("image", ["", None, []])
def test_nothing_is_no_picture(api, image):
    api.post(EDITS, json={"model": "sandbox/slow-0", "prompt": "x", "size": "64x64", "image": image})
    assert (api.last_call()["status"], api.last_call()["images"]) == ("success", [])


def test_a_link_that_gives_nothing_fails_at_the_provider_and_costs_nothing(api):
    answer = api.post(EDITS, json={"model": EDITOR, "prompt": "x", "image": f"{api.sandbox.url}/storage/none.png"})
    assert answer.json()["error"] == {
        "message": "Invalid image: the provider could not fetch it.",
        "type": "provider_error",
    }
    assert api.credits() == "100.0000"


def test_a_model_without_pictures_takes_no_links(api, link):
    answer = api.post(json={"model": "openai/dall-e-3", "prompt": "x", "image": link})
    assert answer.json()["error"]["message"] == "This model does not support image inputs"


def test_masks_add_up(api):
    original = png((100, 100))

    def mask(left: int) -> bytes:
        picture = Image.new("L", (100, 100), 0)
        picture.paste(255, (left, 0, left + 25, 100))
        file = io.BytesIO()
        picture.save(file, "PNG")
        return file.getvalue()

    body = {"model": "sandbox/slow-0", "prompt": "x", "output_format": "png", "mask": data_uri(mask(50))}
    files = [("image", ("a.png", original)), ("mask", ("b.png", mask(0)))]
    edited = api.picture(api.post(EDITS, data=body, files=files))
    assert api.last_call()["masks"] == [digest(mask(0)), digest(mask(50))]

    def changed(left: int) -> bool:
        box = (left, 0, left + 25, 100)
        untouched = Image.new("RGB", (25, 100), (200, 30, 30))
        return sum(ImageStat.Stat(ImageChops.difference(edited.convert("RGB").crop(box), untouched)).mean) > 1

    assert [changed(left) for left in (0, 25, 50, 75)] == [True, False, True, False]


def test_every_picture_shows_in_a_video(api, red_png):
    def video(*colours: tuple[int, int, int]) -> bytes:
        pictures = [("image[]", png(colour=colour)) for colour in colours]
        body: bytes = api.fetch(api.edit("google/veo-3.1-fast", *pictures, path=VIDEOS))
        assert len(api.last_call()["images"]) == len(colours)
        return body

    assert video((255, 0, 0), (0, 255, 0)) != video((255, 0, 0), (0, 0, 255))


def test_some_videos_take_one_picture_only(api, red_png):
    answer = api.edit("tencent/hunyuan-video-1.5", ("image", red_png), ("image", red_png), path=VIDEOS)
    assert answer.json()["error"]["message"] == "This model supports only one image input"
