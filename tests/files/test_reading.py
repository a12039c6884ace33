"""Reading bytes wherever they are: data URIs, links, files; what is said if they are not there."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st
from support.object_store import URI, ObjectStore
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.files import fetching, reading
from airflow_provider_imagerouter.files.errors import ReadError
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

SETTINGS = ConnectionSettings("http://127.0.0.1:1", "key", connect_timeout=2, read_timeout=2)
GOOD = answer(b"the picture", content_type="image/png")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(fetching.fetch.retry, "wait", tenacity.wait_none())


def read(location: str, settings: ConnectionSettings = SETTINGS, **options: int) -> bytes:
    return asyncio.run(reading.read(location, settings, **options))


@given(st.binary(min_size=1), st.sampled_from(["", "image/png", "image/svg+xml;charset=utf-8", "image/png;a=b"]))
def test_data_uris(content: bytes, kind: str) -> None:
    encoded = base64.b64encode(content).decode()
    assert read(f"data:{kind};base64,{encoded}") == content
    assert read(f"DATA:{kind};BASE64,{encoded.replace('+', '-').replace('/', '_').rstrip('=')}") == content
    assert read(f"data:{kind};base64,{encoded.replace('+', '%2B').replace('=', '%3D')}") == content
    assert read(f"data:{kind},{quote_from_bytes(content)}") == content


@given(st.text())
def test_whatever_is_in_a_data_uri_there_is_no_other_error(text: str) -> None:
    for uri in (f"data:{text}", f"data:image/png;base64,{text}"):
        with contextlib.suppress(ReadError):
            assert isinstance(read(uri), bytes)


@pytest.mark.parametrize(
    "uri", ["data:", "data:image/png;base64", "data:;base64,%%%", "data:;base64,", "data:;base64,ü"]
)
def test_what_is_no_data_uri(uri: str) -> None:
    with pytest.raises(ReadError, match=r"data:.* is not a data URI") as caught:
        read(uri)
    assert not caught.value.may_pass


def test_errors_do_not_print_pictures() -> None:
    for uri in ("data:image/png;base64,=" + "A" * 10_000_000, "data:image/png," + "A" * 10_000_000):
        with pytest.raises(ReadError) as caught:
            read(uri, max_bytes=1000)
        assert len(str(caught.value)) < 300


def test_what_is_too_large_is_an_error_everywhere(tmp_path: Path, object_store: ObjectStore) -> None:
    content = b"x" * 1001
    (tmp_path / "a.png").write_bytes(content)
    encoded = base64.b64encode(content).decode()
    with RawServer(answer(content)) as server:
        for place in (
            str(tmp_path / "a.png"),
            object_store.put("a.png", content),
            server.url,
            f"data:image/png;base64,{encoded}",
        ):
            with pytest.raises(ReadError, match="too large: more than 1000 bytes"):
                read(place, max_bytes=1000)
            assert read(place, max_bytes=1001) == content


@pytest.mark.parametrize(("status", "is_said"), [(403, True), (404, True), (410, True), (400, False), (503, False)])
def test_a_dead_link_of_the_api_says_that_links_die(status: int, is_said: bool) -> None:
    with RawServer(answer("", f"{status} No")) as api, pytest.raises(ReadError) as caught:
        read(f"{api.url}/a.png", ConnectionSettings(api.url, "key", connect_timeout=2, read_timeout=2))
    assert str(status) in str(caught.value)
    assert ("30 days" in str(caught.value)) == is_said
    with RawServer(answer("", f"{status} No")) as other, pytest.raises(ReadError) as caught:
        read(f"{other.url}/a.png")
    assert "30 days" not in str(caught.value)


def test_public_links_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files are no links, and the API's own host is trusted: it may be a sandbox."""
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__PUBLIC_LINKS_ONLY", "True")
    (tmp_path / "a.png").write_bytes(b"the picture")
    with RawServer(GOOD) as server:
        with pytest.raises(ReadError, match=r"127\.0\.0\.1, which is not a public host"):
            read(server.url)
        assert server.requests == []
        assert read(server.url, ConnectionSettings(server.url, "key", connect_timeout=2)) == b"the picture"
    assert read(str(tmp_path / "a.png")) == b"the picture"


def test_private_links_are_read_unless_that_is_refused() -> None:
    with RawServer(GOOD) as server:
        assert read(server.url) == b"the picture"


@pytest.mark.parametrize("place", ["", "/nowhere/a.png", f"{URI}/nowhere.png", "nosuch://x/a.png", "http://", "a\0b"])
def test_what_is_not_there(place: str, object_store: ObjectStore) -> None:
    with pytest.raises(ReadError):
        read(place)
