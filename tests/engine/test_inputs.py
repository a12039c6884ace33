"""Input pictures in all the ways they can be given."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tenacity
from airflow.sdk import ObjectStoragePath
from support.object_store import URI, ObjectStore
from support.pictures import picture
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.engine.inputs import InputPictures, records
from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterStorageError
from airflow_provider_imagerouter.files import fetching
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings
from airflow_provider_imagerouter.records import Record, record_of_location

LINK = "https://pictures.invalid/a.png"
RECORD: Record = {**record_of_location(LINK), "prompt": 'It\'s a "cat"\nin {braces} 🦊', "cost_usd": 0.004}
STORED: Record = {**RECORD, "path": "s3://conn@bucket/a.png", "uri": "s3://conn@bucket/a.png"}
SETTINGS = ConnectionSettings("http://127.0.0.1:1", "key", connect_timeout=2, read_timeout=2)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(fetching.fetch.retry, "wait", tenacity.wait_none())


class Lazy(Sequence[Any]):
    """What a mapped task's output arrives as."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        if index > 1:
            raise IndexError
        return [RECORD]


GIVEN: dict[str, tuple[Any, list[str]]] = {
    "link": (LINK, [LINK]),
    "path": ("/data/a.png", ["/data/a.png"]),
    "Path": (Path("/data/a.png"), ["/data/a.png"]),
    "URI": ("s3://conn@bucket/a.png", ["s3://conn@bucket/a.png"]),
    "ObjectStoragePath": (ObjectStoragePath("file:///data/a.png"), ["file:///data/a.png"]),
    "record": (RECORD, [LINK]),
    "stored record": (STORED, ["s3://conn@bucket/a.png"]),
    "records": ([RECORD, STORED], [LINK, "s3://conn@bucket/a.png"]),
    "tuple": ((LINK, "/data/a.png"), [LINK, "/data/a.png"]),
    "lists in a list": ([[RECORD], [STORED, [LINK]]], [LINK, "s3://conn@bucket/a.png", LINK]),
    "mapped output": (Lazy(), [LINK, LINK]),
    "all sorts": ([RECORD, LINK, Path("/a"), [STORED]], [LINK, LINK, "/a", "s3://conn@bucket/a.png"]),
    "rendered as JSON": (json.dumps([RECORD, STORED]), [LINK, "s3://conn@bucket/a.png"]),
    "rendered as Python": (str([RECORD, STORED]), [LINK, "s3://conn@bucket/a.png"]),
    "a record rendered as JSON": (json.dumps(RECORD, indent=2), [LINK]),
    "a record rendered as Python": (f"  {RECORD}\n", [LINK]),
    "a list of rendered records": ([str(RECORD), json.dumps([STORED])], [LINK, "s3://conn@bucket/a.png"]),
    "rendered tuple in a list": (f"[({LINK!r},)]", [LINK]),
    "only a url": ({"url": LINK}, [LINK]),
    "only a uri": ({"uri": LINK}, [LINK]),
    "only a path": ({"path": "/data/a.png"}, ["/data/a.png"]),
    "nothing": ([], []),
}


@pytest.mark.parametrize(("given", "places"), GIVEN.values(), ids=GIVEN)
def test_given(given: Any, places: list[str]) -> None:
    found = records(given, "image")
    assert [record["uri"] for record in found] == places
    assert all(set(record) == set(Record.__annotations__) for record in found)


def test_what_is_known_of_a_record_is_kept() -> None:
    assert records([str(RECORD)], "image") == [RECORD]


NOT_GIVEN: dict[str, Any] = {
    "None": None,
    "number": 5,
    "bytes": b"\x89PNG",
    "bytearray": bytearray(b"\x89PNG"),
    "empty": "",
    "blank": "  \n",
    "object without a place": {"width": 5},
    "object with an odd place": {"url": 5},
    "record of nothing": {"uri": "", "url": None, "path": None},
    "list with None": [LINK, None],
    "broken JSON": "[1, 2",
    "expression": "[__import__('os').getcwd()]",
    "numbers": "[1, 2]",
    "deep": "[" * 100_000,
    "set": {LINK},
}


@pytest.mark.parametrize("given", NOT_GIVEN.values(), ids=NOT_GIVEN)
def test_not_given(given: Any) -> None:
    with pytest.raises(ImageRouterInputError, match="mask"):
        records(given, "mask")


def load(image: Any, mask: Any = None) -> list[bytes]:
    async def read() -> list[bytes]:
        images, masks = await InputPictures(image, mask, SETTINGS).load()
        return [found.content for found in (*images, *masks)]

    return asyncio.run(read())


def test_local_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = picture()
    (tmp_path / "a b#c?d%20ü.png").write_bytes(content)
    place = tmp_path / "a b#c?d%20ü.png"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in (
        str(place),
        place,
        f"file://{place}",
        ObjectStoragePath(f"file://{place}"),
        place.name,
        f"~/{place.name}",
    ):
        assert load(given) == [content]


def test_data_uris() -> None:
    content = picture()
    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    assert load([uri, {"url": uri}], mask=[uri]) == [content] * 3
    with pytest.raises(ImageRouterInputError, match="not a readable picture") as caught:
        load(uri[:-80])
    assert len(str(caught.value)) < 300


def test_links() -> None:
    content = picture()
    with RawServer(answer("", "503 Busy"), answer(content, content_type="text/plain")) as server:
        assert load(server.url) == [content]
        assert load({"url": server.url}) == [content]


def test_objects(object_store: ObjectStore) -> None:
    content = picture("WEBP")
    uri = object_store.put("folder/a b.webp", content)
    assert load([uri, {"path": uri}, ObjectStoragePath(uri)], mask=uri) == [content] * 4


def test_several_and_a_mask(tmp_path: Path) -> None:
    contents = [picture(color=color) for color in ("red", "green", "blue")]
    places = [tmp_path / f"{number}.png" for number in range(3)]
    for place, content in zip(places, contents, strict=True):
        place.write_bytes(content)
    assert load(places[:2], mask=[places[2]]) == contents
    assert load(places[:1], mask=places[1:]) == contents


@pytest.mark.parametrize("mask", [[], [[]], [LINK] * 17, [[RECORD, STORED]] * 9])
def test_no_mask_and_too_many(mask: Any) -> None:
    with pytest.raises(ImageRouterInputError, match=r"mask takes 1 to 16 pictures, not (0|17|18)"):
        load(LINK, mask=mask)


@pytest.mark.parametrize("number", [0, 17])
def test_numbers_of_images(number: int) -> None:
    with pytest.raises(ImageRouterInputError, match=f"not {number}"):
        load([LINK] * number)


BAD = {"empty": b"", "text": b"Once upon a time", "HTML": b"<html></html>", "truncated": picture()[:-60]}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_picture(tmp_path: Path, object_store: ObjectStore, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with RawServer(answer(content, content_type="image/png")) as server:
        for given in (tmp_path / "a.png", object_store.put("a.png", content), server.url + "/a.png"):
            with pytest.raises(ImageRouterInputError, match=r"image .*not a readable picture") as caught:
                load(given)
            assert str(given) in str(caught.value)


def test_what_is_too_large(tmp_path: Path, object_store: ObjectStore) -> None:
    content = picture() + b"\0" * 26_214_400
    (tmp_path / "a.png").write_bytes(content)
    with RawServer(answer(content)) as server:
        for given in (tmp_path / "a.png", object_store.put("a.png", content), server.url):
            with pytest.raises(ImageRouterInputError, match="too large"):
                load(given)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_link_that_leads_nowhere(status: int) -> None:
    with RawServer(answer("", f"{status} No")) as server:
        with pytest.raises(ImageRouterInputError, match=str(status)) as caught:
            load(server.url)
        assert (caught.value.billed, len(server.requests)) == ("no", 1)


@pytest.mark.parametrize("script", [answer("", "503 Busy"), answer("", "429 Slow down"), b""])
def test_a_link_that_does_not_work_now(script: bytes) -> None:
    """Another try of the task may have it; nothing was paid."""
    with RawServer(script) as server:
        with pytest.raises(ImageRouterStorageError) as caught:
            load(server.url)
        assert (caught.value.billed, len(server.requests)) == ("no", fetching.ATTEMPTS)


def test_files_that_are_not_there(tmp_path: Path, object_store: ObjectStore) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "a.png", tmp_path, tmp_path / "file" / "a.png", f"{URI}/a.png", "s3://aws_tests@none/a"):
        with pytest.raises(ImageRouterInputError, match="cannot be read"):
            load(place)


@pytest.mark.parametrize("place", ["nosuch://bucket/a.png", "s4://bucket/a.png", "://"])
def test_places_of_no_known_kind(place: str) -> None:
    with pytest.raises((ImageRouterInputError, ImageRouterStorageError)):
        load(place)
