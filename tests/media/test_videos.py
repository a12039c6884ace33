"""What a video's bytes say."""

from __future__ import annotations

import httpx
import pytest
from support.pictures import picture, webm

from airflow_provider_imagerouter.media.formats import UnreadablePictureError
from airflow_provider_imagerouter.media.videos import inspect_video, is_video
from airflow_provider_imagerouter.sandbox.process import SandboxProcess


@pytest.fixture
def mp4(imagerouter_sandbox: SandboxProcess) -> bytes:
    """A video as the sandbox makes them: 2 seconds, 640 by 480 pixels."""
    answer = httpx.post(
        f"{imagerouter_sandbox.url}/v1/openai/videos/generations",
        json={"model": "bytedance/seedance-1-pro-fast", "prompt": "Waves", "seconds": 2},
        headers={"Authorization": f"Bearer {imagerouter_sandbox.rich_key}"},
        timeout=30,
    ).json()
    return httpx.get(answer["data"][0]["url"]).content


def test_an_mp4_says_its_type_size_and_length(mp4: bytes) -> None:
    info = inspect_video(mp4)

    assert is_video(mp4)
    assert (info.content_type, info.extension, info.duration_seconds) == ("video/mp4", "mp4", 2)
    assert info.width
    assert info.height


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_video_that_is_cut_short_is_not_readable(mp4: bytes, kept: float) -> None:
    with pytest.raises(UnreadablePictureError):
        inspect_video(mp4[: int(len(mp4) * kept)])


@pytest.mark.parametrize("is_live", [False, True])
def test_a_webm_that_is_cut_short_is_not_readable(is_live: bool) -> None:
    """Also a live recording, which does not say how long it is, if it is cut in the middle of something."""
    content = webm(is_live=is_live)
    for length in range(len(content) - 20, len(content)):
        with pytest.raises(UnreadablePictureError, match="cut short"):
            inspect_video(content[:length])


def test_a_quicktime_and_a_webm_video_are_told_by_their_first_bytes(mp4: bytes) -> None:
    assert inspect_video(mp4[:8] + b"qt  " + mp4[12:]).content_type == "video/quicktime"
    assert inspect_video(webm()).content_type == "video/webm"


def test_a_long_box_and_a_last_box_without_size_are_read() -> None:
    header = b"\0\0\0\x01ftyp" + (24).to_bytes(8, "big") + b"isom\0\0\0\0"
    movie = b"\0\0\0\x08mdat" + b"\0\0\0\x00moov"
    content = b"\0\0\0\x10ftypisom\0\0\0\0" + header + movie

    assert inspect_video(content).duration_seconds is None


@pytest.mark.parametrize("content", [picture(), b"", b"text", b"\0\0\0\x20ftypavif" + bytes(20)])
def test_pictures_and_other_bytes_are_no_videos(content: bytes) -> None:
    assert not is_video(content)
