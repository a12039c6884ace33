from __future__ import annotations

import gzip
import socket
import zlib

import httpx
import pytest
from sandbox_api import EDITS, IMAGES, VIDEOS

TOO_LONG = "'prompt' must be 20,000 characters or less. Please contact ImageRouter support if you need a higher limit."
SIZE_FORM = "'size' must be 'auto' or in the format 'WIDTHxHEIGHT' (e.g. '1024x768')"


def error(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()["error"]
    assert list(body) == ["message", "type"]
    return answer.status_code, body["type"], body["message"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "Authorization header must be provided as Bearer token"),
        ("Basic abc", "Authorization header must be provided as Bearer token"),
        ("Bearer short", "Invalid authorization token length: 5"),
        ("Bearer " + "x" * 64, "Invalid API key"),
        ("Bearer " + "x" * 100, "Invalid or expired JWT token"),
    ],
)
@pytest.mark.parametrize("path", [IMAGES, EDITS, VIDEOS])
def test_bad_keys(api, path, header, message):
    headers = {"Authorization": header} if header else {}
    answer = api.client.post(path, json={"model": "test/test"}, headers=headers)
    assert error(answer) == (401, "unauthorized", message)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "'model' is a required parameter"),
        ({"model": ""}, "'model' is a required parameter"),
        ({"model": 5}, "'model' must be a string"),
        ({"model": None}, "'model' must be a string"),
        ({"model": "no/such"}, "model 'no/such' is not available"),
        ({"model": "ir/test-video"}, "'ir/test-video' is a video model. Please use the video generation endpoint."),
        ({"model": "no/such", "prompt": 5}, "'prompt' must be a string"),
        ({"prompt": None}, "'prompt' must be a string"),
        ({"model": "test/test", "prompt": "x" * 20_001}, TOO_LONG),
        ({"model": "test/test", "prompt": "😀" * 10_001}, TOO_LONG),
        (
            {"model": "test/test", "quality": "ultra"},
            "Invalid enum value. Expected 'auto' | 'low' | 'medium' | 'high', received 'ultra'",
        ),
        ({"model": "test/test", "quality": 1}, "Expected 'auto' | 'low' | 'medium' | 'high', received number"),
        (
            {"model": "test/test", "response_format": "file"},
            "Invalid enum value. Expected 'url' | 'b64_json' | 'b64_ephemeral', received 'file'",
        ),
        ({"model": "test/test", "size": 1024}, "Expected string, received number"),
        ({"model": "test/test", "size": None}, "Expected string, received null"),
        ({"model": "test/test", "size": ["1x1"]}, "Expected string, received array"),
        ({"model": "test/test", "size": True}, "Expected string, received boolean"),
        ({"model": "test/test", "size": {}}, "Expected string, received object"),
        ({"model": "test/test", "size": "large"}, SIZE_FORM),
        ({"model": "test/test", "size": "10x10\n"}, SIZE_FORM),
        ({"model": "test/test", "output_format": 1}, "Expected string, received number"),
        ({"model": "test/test", "output_format": "gif"}, "'output_format' must be one of "),
        ({"model": "test/test", "output_format": "tiff"}, "'output_format' must be one of "),
        ({"model": "test/test", "quality": "ultra", "size": "large", "response_format": 0}, "Expected 'url' | "),
        ([], "Expected object, received array"),
        (
            {"model": "black-forest-labs/FLUX-1-schnell:free", "size": "1025x10"},
            "Free models support maximum size of 1024x1024. Please use the paid models for higher quality.",
        ),
    ],
)
def test_bad_parameters(api, body, message):
    answer = api.post(json=body)
    status, kind, said = error(answer)
    assert (status, kind) == (400, "invalid_request_error")
    assert said.startswith(message)
    assert "content-type" not in answer.headers
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["ratelimit-policy"] == "100;w=1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Required"),
        ({"model": 5}, "Expected string, received number"),
        ({"model": ""}, "'model' is a required parameter"),
        ({"model": "test/test"}, "'test/test' is an image model. Please use the image generation endpoint."),
        ({"model": "ir/test-video", "seconds": "soon"}, "Invalid input"),
        ({"model": "ir/test-video", "seconds": 61}, "'seconds' must be 60 or less"),
        ({"model": "ir/test-video", "seconds": "0"}, "'seconds' must be at least 1"),
        ({"model": "ir/test-video", "seconds": None}, "'seconds' must be at least 1"),
    ],
)
def test_bad_video_parameters(api, body, message):
    assert error(api.post(VIDEOS, json=body)) == (400, "invalid_request_error", message)


@pytest.mark.parametrize("size", ["auto", "640x480", "640X480", "640×480", "640*480"])
def test_sizes_that_are_accepted(api, size):
    assert "data" in api.generate(size=size).json()


@pytest.mark.parametrize("seconds", ["auto", 5, "5", 1, 60, 4.5])
def test_seconds_that_are_accepted(api, seconds):
    assert "data" in api.generate("ir/test-video", path=VIDEOS, seconds=seconds).json()


def test_a_prompt_may_be_missing_or_as_long_as_allowed(api):
    assert "data" in api.post(json={"model": "test/test"}).json()
    assert "data" in api.generate(prompt="x" * 20_000).json()


def test_unknown_parameters_are_ignored(api):
    answer = api.generate("black-forest-labs/FLUX-1-schnell", n=4, style="vivid")
    assert len(answer.json()["data"]) == 1
    assert api.last_call()["parameters"] == {"n": 4, "style": "vivid"}


def test_form_fields_are_strings_and_repeated_ones_are_lists(api, red_png):
    fields = {"model": "test/test", "prompt": ["one", "two"]}
    answer = api.post(data=fields, files={"image": ("a.png", red_png)})
    assert error(answer)[2] == "'prompt' must be a string"


@pytest.mark.parametrize("name", ["prompt[0]", "prompt[]", "prompt[a]", "prompt[a][b]"])
def test_brackets_make_lists_and_objects_of_form_fields(api, name):
    answer = api.post(data={"model": "test/test", name: "a cat"}, files={"image": b"x"})
    assert error(answer)[2] == "'prompt' must be a string"


@pytest.mark.parametrize("name", ["prompt[", "[prompt]", "prompt[0]x"])
def test_other_brackets_are_part_of_a_field_s_name(api, name):
    assert "data" in api.post(data={"model": "test/test", name: "a cat"}, files={"image": b"x"}).json()
    assert api.last_call()["parameters"] == {name: "a cat"}


def test_a_field_without_a_name(api):
    answer = api.post(data={"model": "test/test", "": "a cat"}, files={"image": b"x"})
    assert error(answer) == (400, "invalid_request_error", "File upload error: Field name missing")


def test_not_enough_credits(api):
    for key, model, price in [
        (api.sandbox.empty_key, "openai/gpt-image-1", "0.3"),
        (api.sandbox.nearly_empty_key, "black-forest-labs/FLUX-1-schnell", "0.007"),
    ]:
        answer = api.generate(model, key=key)
        assert error(answer) == (
            200,
            "internal_error",
            f"Insufficient credits (this model needs minimum ${price} credits), please topup your ImageRouter "
            "account: https://imagerouter.io/pricing",
        )
        assert "content-type" not in answer.headers
        assert api.last_call()["status"] == "refused"


def test_an_empty_account_may_use_what_costs_nothing(api):
    assert "data" in api.generate("test/test", key=api.sandbox.empty_key).json()


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        ("openai/dall-e-3", ["image"], "This model does not support image inputs"),
        ("openai/gpt-image-1", ["image", "mask"], "Mask editing is not supported for this model"),
        ("bria/remove-background", ["image", "image"], "This model supports only one image input"),
    ],
)
def test_inputs_a_model_does_not_take(api, red_png, model, fields, message):
    answer = api.edit(model, *((field, red_png) for field in fields))
    assert error(answer) == (200, "internal_error", message)
    assert "content-type" not in answer.headers
    assert api.credits() == "100.0000"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"model": "test/test"'),
        ("application/json", b'"test/test"'),
        ("application/json", b'{"model": NaN}'),
        ("application/json", b'{"model": "test/test", "prompt": "' + b"x" * 102_400 + b'"}'),
        ("application/json; charset=us-ascii", b'{"model": "test/test"}'),
        ("application/json; charset=utf-32", '{"model": "test/test"}'.encode("utf-32")),
        ("application/json; charset=no-such", b'{"model": "test/test"}'),
    ],
)
def test_unreadable_json_fails_before_the_key_is_looked_at(api, content_type, body):
    answer = api.client.post(IMAGES, content=body, headers={"Content-Type": content_type})
    assert error(answer) == (500, "internal_error", "Internal server error")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert "ratelimit-limit" not in answer.headers
    assert api.last_call()["status"] == "refused"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--b\r\n\r\n"),
        ("multipart/mixed; boundary=b", b"--b--\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ntest'),
        ("multipart/form-data; boundary=b", b"nothing of the kind"),
    ],
)
def test_unreadable_forms_fail_after_the_key_was_looked_at(api, content_type, body):
    answer = api.post(content=body, headers={"Content-Type": content_type})
    assert error(answer) == (500, "internal_error", "Internal server error")
    assert answer.headers["ratelimit-policy"] == "100;w=1"
    assert api.last_call()["status"] == "refused"
    assert api.post(content=body, headers={"Content-Type": content_type}, key="x" * 64).status_code == 401


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)],
)
def test_compressed_json_is_read(api, encoding, compress):
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    body = compress(b'{"model": "test/test"}')
    assert "data" in api.post(content=body, headers=headers).json()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b'{"x": "' + b"x" * 102_400 + b'"}', mtime=0)),
        ("gzip", gzip.compress(b'{"model": "test/test"}', mtime=0)[:-9]),
        ("gzip", b'{"model": "test/test"}'),
        ("br", b'{"model": "test/test"}'),
    ],
)
def test_compressed_json_that_cannot_be_read(api, encoding, body):
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    assert error(api.post(content=body, headers=headers))[0] == 500


@pytest.mark.parametrize("content_type", ["application/json;", "application/json;x", "text/json"])
def test_json_of_another_type_is_as_good_as_none(api, content_type):
    answer = api.post(content=b'{"model": "test/test"}', headers={"Content-Type": content_type})
    assert error(answer)[2] == "'model' is a required parameter"


def test_what_is_no_http(api):
    with api.connect() as connection:
        connection.sendall(b"GET /v1/models/\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
        assert connection.recv(1) == b""


def test_a_request_that_ends_in_the_middle(api):
    with api.connect() as connection:
        connection.sendall(api.request("test/test")[:-5])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536) == b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


def test_json_of_just_100_kilobytes_is_read(api):
    body = b'{"model": "no/such", "extra": "' + b"x" * (102_400 - 33) + b'"}'
    assert len(body) == 102_400
    assert api.post(content=body, headers={"Content-Type": "application/json"}).status_code == 400


def test_a_body_of_another_type_is_as_good_as_none(api):
    answer = api.post(content=b"model=test/test", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert error(answer)[2] == "'model' is a required parameter"


def test_free_models_need_a_deposit(api):
    status, kind, message = error(api.generate("black-forest-labs/FLUX-1-schnell:free", key=api.sandbox.empty_key))
    assert (status, kind) == (403, "access_denied")
    assert message.startswith("Free models are only available on the website ")
    assert "data" in api.generate("black-forest-labs/FLUX-1-schnell:free", size="64x64").json()
