"""XMP in PNG, JPEG and WebP files: read back by others, and nothing else changed."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zlib
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from airflow_provider_imagerouter.media.embedding import CannotEmbedError, embed
from airflow_provider_imagerouter.media.images import inspect
from airflow_provider_imagerouter.records import Record, record_of_location

DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
OURS = "{urn:airflow-provider-imagerouter:record#}"
XMP = "{http://ns.adobe.com/xap/1.0/}"
TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
EVERY_FORMAT = pytest.mark.parametrize("name", TYPES)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def record(prompt: str | None = "A cat", **known: Any) -> Record:
    return {  # type: ignore[typeddict-item]
        **record_of_location("https://pictures.invalid/a.png"),
        "model": "test/test",
        "prompt": prompt,
        "created_at": "2026-11-24T01:02:03Z",
        **known,
    }


def picture(name: str, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    image = Image.linear_gradient("L").resize((37, 23)).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize((37, 23)))
    image.save(file, name, **options)
    return file.getvalue()


def read(content: bytes) -> ET.Element:
    """Return what Pillow finds, which was not written by us, as the XML parser reads it."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        found = image.info["xmp"]
    description = ET.fromstring(found).find(f".//{RDF}Description")
    assert description is not None
    return description


def text(content: bytes, name: str) -> str | None:
    return read(content).findtext(name)


def prompt_in(content: bytes) -> str | None:
    return text(content, f"{DC}description/{RDF}Alt/{RDF}li")


def everything_else(content: bytes) -> tuple[Any, ...]:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        others = {name: value for name, value in image.info.items() if name not in ("xmp", "XML:com.adobe.xmp")}
        frames = []
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            frames.append((image.mode, image.size, image.tobytes()))
        return frames, others


VARIANTS = {
    "png": ("PNG", {"icc_profile": ICC, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", "dpi": (72, 72)}),
    "png-alpha": ("PNG", {"mode": "RGBA"}),
    "png-palette": ("PNG", {"mode": "P"}),
    "png-animated": ("PNG", {"save_all": True, "append_images": [Image.new("RGB", (37, 23), "red")]}),
    "jpeg": ("JPEG", {"icc_profile": ICC, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", "comment": b"kept"}),
    "jpeg-progressive": ("JPEG", {"progressive": True}),
    "jpeg-gray": ("JPEG", {"mode": "L"}),
    "webp": ("WEBP", {}),
    "webp-alpha": ("WEBP", {"mode": "RGBA"}),
    "webp-lossless": ("WEBP", {"lossless": True}),
    "webp-lossless-alpha": ("WEBP", {"lossless": True, "mode": "RGBA"}),
    "webp-extended": ("WEBP", {"icc_profile": ICC, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
    "webp-animated": ("WEBP", {"save_all": True, "append_images": [Image.new("RGB", (37, 23), "red")]}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_but_the_metadata_changes(variant: str) -> None:
    name, options = VARIANTS[variant]
    before = picture(name, **options)
    after = embed(before, TYPES[name], record())
    assert everything_else(after) == everything_else(before)
    assert inspect(after, decode=True) == inspect(before)
    assert prompt_in(after) == "A cat"
    assert embed(after, TYPES[name], record()) == after, "the same record makes the same bytes"
    assert embed(before, TYPES[name], record()) == after


@EVERY_FORMAT
def test_what_is_said(name: str) -> None:
    revised = record(revised_prompt="A nice cat", cost_usd=0.5, metadata={"sku": "hush"})
    found = read(embed(picture(name), TYPES[name], revised))
    assert {child.tag: child.text for child in found if child.text and child.text.strip()} == {
        f"{XMP}CreatorTool": "airflow-provider-imagerouter",
        f"{XMP}CreateDate": "2026-11-24T01:02:03Z",
        f"{IPTC}DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        f"{IPTC}AISystemUsed": "test/test",
        f"{IPTC}AIPromptInformation": "A cat",
        f"{OURS}RevisedPrompt": "A nice cat",
    }
    inputs = [{"uri": "file:///hush.png", "sha256": "ab" * 32}, {"uri": None, "sha256": "cd" * 32}]
    edited = embed(picture(name), TYPES[name], record(None, inputs=inputs))
    assert prompt_in(edited) is None
    assert text(edited, f"{IPTC}DigitalSourceType") == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
    )
    digests = read(edited).findall(f"{OURS}InputSha256/{RDF}Seq/{RDF}li")
    assert [each.text for each in digests] == ["ab" * 32, "cd" * 32]
    assert b"hush" not in edited


PROMPTS = st.text(st.characters(codec="utf-8"), min_size=1) | st.sampled_from(
    ["<a>&amp;]]></a>", '<?xpacket end="r"?>', "\r\n\t", "\x01\x1f\ufffe", "🐈👩‍👩‍👧", "x" * 20_000, "🐈" * 10_000]
)


@settings(deadline=None)
@given(PROMPTS, st.sampled_from(sorted(TYPES)))
def test_any_prompt(prompt: str, name: str) -> None:
    """It comes back as it was, but for characters that XML has no word for."""
    after = embed(picture(name), TYPES[name], record(prompt))
    found = prompt_in(after)
    expected = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", prompt)
    assert found is not None
    if name != "JPEG" or len(prompt) < 1000:
        assert found == expected
    else:
        assert expected.startswith(found.removesuffix("…"))
    assert everything_else(after)[0] == everything_else(picture(name))[0]


def test_a_jpeg_has_the_beginning_of_what_is_too_long(caplog: pytest.LogCaptureFixture) -> None:
    after = embed(picture("JPEG"), "image/jpeg", record("🐈" * 10_000))
    found = str(prompt_in(after))
    assert found.endswith("…")
    assert 3000 < len(found) < 10_000
    assert "64 KB" in caplog.text
    with pytest.raises(CannotEmbedError, match="64 KB"):
        embed(picture("JPEG"), "image/jpeg", record(model="x" * 70_000))


@EVERY_FORMAT
def test_other_xmp_is_replaced(name: str) -> None:
    before = picture(name)
    old = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>old</x:xmpmeta>"
    if name == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", old.decode(), zip=True)
        info.add_itxt("Title", "kept")
        before = picture(name, pnginfo=info)
    else:
        before = picture(name, xmp=old)
    after = embed(before, TYPES[name], record())
    assert prompt_in(after) == "A cat"
    assert old not in after
    assert after.count(b"</x:xmpmeta>") == 1
    if name == "PNG":
        assert everything_else(after)[1]["Title"] == "kept"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def signed(name: str) -> bytes:
    """Return a picture with what stands for Content Credentials in its format."""
    content = picture(name)
    if name == "PNG":
        return content[:33] + chunk(b"caBX", b"jumb c2pa") + content[33:]
    if name == "JPEG":
        data = b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa"
        return content[:2] + b"\xff\xeb" + struct.pack(">H", len(data) + 2) + data + content[2:]
    body = content[8:] + b"C2PA\x04\0\0\0jumb"
    return b"RIFF" + struct.pack("<I", len(body)) + body


@EVERY_FORMAT
def test_signed_pictures_are_left_alone(name: str) -> None:
    inspect(signed(name), decode=True)
    with pytest.raises(CannotEmbedError, match="C2PA"):
        embed(signed(name), TYPES[name], record())


@EVERY_FORMAT
def test_what_follows_the_end_stays(name: str) -> None:
    assert embed(picture(name) + b"trailer", TYPES[name], record()).endswith(b"trailer")


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_damage_makes_another_error(data: Any) -> None:
    """Whatever the bytes, it is done or refused."""
    name = data.draw(st.sampled_from(sorted(TYPES)))
    content = bytearray(picture(name))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content) - 1, 60)))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    with contextlib.suppress(CannotEmbedError):
        embed(bytes(content), TYPES[name], record())


def test_other_formats_take_none() -> None:
    with pytest.raises(CannotEmbedError, match="image/gif takes none"):
        embed(picture("GIF"), "image/gif", record())
