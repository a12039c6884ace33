from __future__ import annotations

import io
import struct

import pytest
from PIL import Image, ImageChops, ImageStat
from sandbox_api import VIDEOS, png

EDITOR = "black-forest-labs/FLUX-2-klein-4b"
MASK_EDITOR = "black-forest-labs/FLUX-1-schnell"
RED = (200, 30, 30)


def difference(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


def test_the_test_model_answers_with_a_stored_picture(api):
    answer = api.generate(quality="low", size="64x64", output_format="webp")
    body = answer.json()
    assert list(body) == ["created", "data", "latency", "cost"]
    assert list(body["data"][0]) == ["revised_prompt", "url"]
    assert body["data"][0]["url"].endswith("/low.png")
    assert body["created"] > 1e12
    assert body["cost"] == 0
    assert answer.text.endswith(',"cost":0}')
    link = api.client.get(body["data"][0]["url"])
    assert link.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(link.content)).format == "JPEG"


def test_the_test_model_edits_nothing_and_takes_everything(api, red_png):
    answer = api.edit("test/test", ("image[]", red_png), ("image[]", b""), ("mask[]", b"no picture"))
    assert answer.json()["data"][0]["url"].endswith("/auto.png")


@pytest.mark.parametrize("response_format", ["b64_json", "b64_ephemeral"])
def test_the_test_model_in_base64(api, response_format):
    item = api.generate(response_format=response_format).json()["data"][0]
    assert list(item) == ["revised_prompt", "b64_json"]


def test_a_picture_has_the_shape_of_a_real_answer(api):
    answer = api.generate(EDITOR, size="64x64")
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert list(body) == ["created", "data", "latency", "cost"]
    assert list(body["data"][0]) == ["url", "revised_prompt"]
    assert 1e9 < body["created"] < 1e11
    assert body["latency"] >= 50
    assert body["cost"] == 0.0006
    assert api.client.get(body["data"][0]["url"]).headers["content-type"] == "image/webp"


@pytest.mark.parametrize(
    ("asked", "found", "extension"),
    [(None, "WEBP", ".webp"), ("jpeg", "JPEG", ".jpg"), ("jpg", "JPEG", ".jpg"), ("png", "PNG", ".png")],
)
def test_formats(api, asked, found, extension):
    more = {"output_format": asked} if asked else {}
    answer = api.generate(EDITOR, size="80x48", **more)
    assert answer.json()["data"][0]["url"].endswith(extension)
    assert (api.picture(answer).format, api.picture(answer).size) == (found, (80, 48))


def test_auto_is_a_kilopixel_square(api):
    assert api.picture(api.generate(EDITOR)).size == (1024, 1024)


def test_quality_shows_in_the_bytes(api):
    low, high = (len(api.fetch(api.generate(EDITOR, quality=quality, size="256x256"))) for quality in ("low", "high"))
    assert low < high


def test_the_same_request_gives_the_same_bytes_and_another_prompt_others(api):
    one, same, other = (
        api.fetch(api.generate(EDITOR, prompt, size="128x128", response_format="b64_json"))
        for prompt in ("a cat", "a cat", "a dog")
    )
    assert one == same != other


def test_a_wrong_size_for_a_model_with_fixed_ones_fails_at_the_provider(api):
    answer = api.generate("openai/gpt-image-1", size="64x64").json()
    assert "'1536x1024'" in answer["error"]["message"]
    assert "data" in api.generate("openai/gpt-image-1", size="1536x1024").json()
    assert api.last_call()["cost"] == 0.167


@pytest.mark.parametrize("size", ["0x64", "99999x99999"])
def test_absurd_sizes_fail_at_the_provider(api, size):
    assert size in api.generate(EDITOR, size=size).json()["error"]["message"]


@pytest.mark.parametrize("prompt", ["", "Köln 猫 🐈", "w" * 3000, "<b>&"])
def test_any_prompt_can_be_drawn(api, prompt):
    assert api.picture(api.generate(EDITOR, prompt, size="96x96")).size == (96, 96)


def test_half_a_character_can_be_drawn_edited_and_written_down(api, red_png):
    body = rb'{"model": "%s", "prompt": "half \ud83d", "size": "96x96"}' % EDITOR.encode()
    assert api.picture(api.post(content=body, headers={"Content-Type": "application/json"})).size == (96, 96)
    assert api.last_call()["prompt"] == "half \ud83d"
    unknown = api.post(content=rb'{"model": "\ud83d"}', headers={"Content-Type": "application/json"})
    assert unknown.json()["error"]["message"] == "model '\ud83d' is not available"


def test_an_edit_changes_the_picture_and_keeps_its_size(api):
    edited = api.picture(api.edit(EDITOR, ("image[]", png((120, 80))), output_format="png"))
    assert edited.size == (120, 80)
    assert difference(edited, Image.new("RGB", (120, 80), RED)) > 30


def test_a_season_in_the_prompt_sets_the_colours(api):
    original = api.fetch(api.generate("black-forest-labs/FLUX-1-schnell", "the sea", size="128x128"))

    def colours(prompt: str) -> list[float]:
        answer = api.edit("black-forest-labs/FLUX-1-schnell", ("image", original), prompt=prompt)
        return ImageStat.Stat(api.picture(answer).convert("RGB")).mean

    red, _, blue = colours("the same in autumn")
    assert red > blue
    red, _, blue = colours("the same in winter")
    assert blue > red


def test_an_edit_in_another_size(api, red_png):
    assert api.picture(api.edit(EDITOR, ("image", red_png), size="64x32")).size == (64, 32)


def test_every_input_picture_counts(api):
    one = api.fetch(api.edit(EDITOR, ("image", png()), ("image", png(colour=(0, 0, 255)))))
    other = api.fetch(api.edit(EDITOR, ("image", png()), ("image", png(colour=(0, 255, 0)))))
    assert one != other


@pytest.mark.parametrize("transparent", [True, False])
def test_a_mask_limits_the_edit(api, transparent):
    original = Image.linear_gradient("L").resize((100, 100)).convert("RGB")
    file = io.BytesIO()
    original.save(file, "PNG")
    if transparent:
        mask = Image.new("RGBA", (100, 100), (0, 0, 0, 255))
        mask.paste((0, 0, 0, 0), (0, 0, 50, 100))
    else:
        mask = Image.new("L", (100, 100), 0)
        mask.paste(255, (0, 0, 50, 100))
    mask_file = io.BytesIO()
    mask.save(mask_file, "PNG")
    answer = api.edit(MASK_EDITOR, ("image[]", file.getvalue()), ("mask[]", mask_file.getvalue()), output_format="png")
    edited = api.picture(answer)
    left, right = (0, 0, 50, 100), (50, 0, 100, 100)
    assert difference(edited.crop(right), original.crop(right)) == 0
    assert difference(edited.crop(left), original.crop(left)) > 30


@pytest.mark.parametrize("body", [b"", b"just text", png()[:60]])
def test_an_unreadable_upload_fails_at_the_provider_and_costs_nothing(api, body):
    answer = api.edit(EDITOR, ("image", body))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["type"] == "provider_error"
    assert api.last_call()["status"] == "error"
    assert api.credits() == "100.0000"


def test_background_removal(api):
    picture = Image.new("RGB", (60, 60), (255, 255, 255))
    picture.paste(RED, (20, 20, 40, 40))
    file = io.BytesIO()
    picture.save(file, "PNG")
    for more in ({}, {"output_format": "png"}, {"output_format": "jpeg"}):
        cut_out = api.picture(api.edit("briaai/RMBG-2.0", ("image", file.getvalue()), **more)).convert("RGBA")
        assert cut_out.size == (60, 60)
        assert (cut_out.getpixel((2, 2))[3], cut_out.getpixel((30, 30))[3]) == (0, 255)


def test_background_removal_needs_a_picture(api):
    assert api.generate("bria/remove-background").json()["error"]["type"] == "provider_error"


def test_vectors(api):
    answer = api.generate("recraft-ai/recraft-v3-svg", "<cats> & dogs")
    assert answer.json()["data"][0]["url"].endswith(".svg")
    assert b"&lt;cats&gt; &amp; dogs</text>" in api.fetch(answer)


def boxes(body: bytes) -> dict[bytes, bytes]:
    found = {}
    while body:
        size, kind = struct.unpack(">I4s", body[:8])
        found[kind] = body[8:size]
        body = body[size:]
    return found


def frames(video: bytes) -> tuple[list[bytes], float]:
    """Read a video's frames the way a player does, and how long it plays, in seconds."""
    movie = boxes(boxes(video)[b"moov"])
    scale, ticks = struct.unpack(">2I", movie[b"mvhd"][12:20])
    table = boxes(boxes(boxes(boxes(movie[b"trak"])[b"mdia"])[b"minf"])[b"stbl"])
    position = struct.unpack(">I", table[b"stco"][8:12])[0]
    sizes = struct.unpack(f">{(len(table[b'stsz']) - 12) // 4}I", table[b"stsz"][12:])
    cut = []
    for size in sizes:
        cut.append(video[position : position + size])
        position += size
    return cut, ticks / scale


def shown(frame: bytes) -> Image.Image:
    """Decode a key frame of VP8: that of a WebP."""
    chunk = b"VP8 " + struct.pack("<I", len(frame)) + frame
    picture = Image.open(io.BytesIO(b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk))
    picture.load()
    return picture


@pytest.mark.parametrize(
    ("model", "asked", "seconds"),
    [
        ("google/veo-3.1-fast", "auto", 4),
        ("google/veo-3.1-fast", 8, 8),
        ("google/veo-3.1-fast", 5, 4),
        ("ir/test-video", "auto", 5),
    ],
)
def test_videos(api, model, asked, seconds):
    size = "320x180"
    answer = api.generate(model, path=VIDEOS, seconds=asked, **({} if "veo" in model else {"size": size}))
    video = api.fetch(answer)
    pictures, length = frames(video)
    assert length == seconds
    assert video[4:8] == b"ftyp"
    assert {shown(picture).size for picture in pictures} == {(320, 180) if "veo" not in model else (1280, 720)}
    assert len(set(pictures)) == len(pictures) > 1
    assert api.client.get(answer.json()["data"][0]["url"]).headers["content-type"] == "video/mp4"


def test_a_video_from_a_picture_in_a_given_size(api, red_png):
    answer = api.edit("tencent/hunyuan-video-1.5", ("image", red_png), path=VIDEOS, size="832x480", seconds="5")
    assert shown(frames(api.fetch(answer))[0][0]).size == (832, 480)
    assert answer.json()["cost"] == 0.1


def test_the_test_video_tells_time_in_seconds(api):
    body = api.generate("ir/test-video", path=VIDEOS, response_format="b64_json").json()
    assert list(body["data"][0]) == ["url", "revised_prompt"]
    assert 1e9 < body["created"] < 1e11
