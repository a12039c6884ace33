from __future__ import annotations

import hashlib

import pytest
from sandbox_api import EDITS, VIDEOS, png

LIMIT = 26_214_400


def refusal(answer):
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    return answer.json()["error"]["message"]


def test_a_file_must_be_smaller_than_25_mebibytes(api):
    assert refusal(api.edit("test/test", ("image[]", bytes(LIMIT)))) == "File upload error: File too large"
    assert "data" in api.edit("test/test", ("image[]", bytes(LIMIT - 1))).json()
    assert api.last_call()["images"] == [hashlib.sha256(bytes(LIMIT - 1)).hexdigest()]


def test_sixteen_pictures_and_not_one_more(api, red_png):
    assert "data" in api.edit("test/test", *[("image[]", red_png)] * 16).json()
    assert refusal(api.edit("test/test", *[("image[]", red_png)] * 17)) == "File upload error: Unexpected field"


def test_sixteen_for_a_video_and_no_mask(api, red_png):
    assert "data" in api.edit("ir/test-video", *[("image", red_png)] * 16, path=VIDEOS).json()
    for files in ([("image", red_png)] * 17, [("mask", red_png)]):
        answer = api.edit("ir/test-video", *files, path=VIDEOS)
        assert refusal(answer) == "File upload error: Unexpected field"


def test_sixteen_masks_and_not_one_more(api, red_png):
    assert "data" in api.edit("test/test", ("image", red_png), *[("mask", red_png)] * 16).json()
    assert api.last_call()["masks"] == [hashlib.sha256(red_png).hexdigest()] * 16
    answer = api.edit("test/test", ("image", red_png), *[("mask", red_png)] * 17)
    assert refusal(answer) == "File upload error: Unexpected field"


@pytest.mark.parametrize("names", [["picture"], ["images[]"]])
def test_oddly_named_files(api, red_png, names):
    answer = api.edit("test/test", *((name, red_png) for name in names))
    assert refusal(answer) == "File upload error: Unexpected field"


def test_the_key_is_looked_at_before_the_files(api, red_png):
    answer = api.client.post(EDITS, data={"model": "test/test"}, files={"picture": red_png})
    assert answer.status_code == 401


def test_mixed_spellings_lose_the_pictures_in_brackets(api):
    plain, bracketed = png(), png(colour=(0, 0, 255))
    answer = api.edit("test/test", ("image[]", bracketed), ("image", plain), ("image[]", bracketed))
    assert "data" in answer.json()
    assert api.last_call()["images"] == [hashlib.sha256(plain).hexdigest()]


def test_a_part_without_a_file_name_is_text(api):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ntest/test\r\n'
        b'--b\r\nContent-Disposition: form-data; name="style"\r\nContent-Type: image/png\r\n\r\nPNG\r\n--b--\r\n'
    )
    answer = api.post(EDITS, content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert "data" in answer.json()
    assert api.last_call()["parameters"] == {"style": "PNG"}


def test_generations_take_files_and_edits_do_without(api, red_png):
    assert "data" in api.edit("test/test", ("image", red_png), path="/v1/openai/images/generations").json()
    assert "data" in api.generate(path=EDITS).json()


def test_the_mask_is_kept_apart(api, red_png):
    mask = png(colour=255, mode="L")
    api.edit("test/test", ("image", red_png), ("mask", mask))
    assert api.last_call()["mask"] == hashlib.sha256(mask).hexdigest()


def test_a_text_field_must_be_smaller_than_a_mebibyte(api, red_png):
    answer = api.edit("test/test", ("image", red_png), extra="x" * 1_048_576)
    assert refusal(answer) == "File upload error: Field value too long"
    assert "data" in api.edit("test/test", ("image", red_png), extra="x" * 1_048_575).json()


@pytest.mark.parametrize(
    "name",
    [
        b'filename="' + "кот.png".encode() + b'"',
        b'filename="' + "café.png".encode("latin-1") + b'"',
        b"filename*=UTF-8''%D0%BA%D0%BE%D1%82.png",
    ],
)
def test_a_file_may_have_any_name(api, red_png, name):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ntest/test\r\n'
        b'--b\r\nContent-Disposition: form-data; name="image"; ' + name + b"\r\n\r\n" + red_png + b"\r\n--b--\r\n"
    )
    answer = api.post(EDITS, content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert "data" in answer.json()
    assert api.last_call()["images"] == [hashlib.sha256(red_png).hexdigest()]


def test_a_large_upload_with_a_bad_key_is_answered(api):
    answer = api.post(EDITS, "x" * 64, data={"model": "test/test"}, files={"image": bytes(20_000_000)})
    assert answer.status_code == 401
