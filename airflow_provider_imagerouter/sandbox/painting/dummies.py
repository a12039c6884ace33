"""The API's own free test models: they draw nothing, and answer with a stored file."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import Any

from airflow_provider_imagerouter.sandbox.painting.landscape import draw_picture
from airflow_provider_imagerouter.sandbox.painting.movie import encode_video
from airflow_provider_imagerouter.sandbox.validation import Parameters

TEST_IMAGE = "test/test"
TEST_VIDEO = "ir/test-video"

_PICTURES = {f"{quality}.png": quality for quality in ("auto", "low", "medium", "high")}
_VIDEO = "test-video.mp4"


@lru_cache
def stored_file(name: str) -> bytes | None:
    """Draw a stored file, None if there is none of that name. The pictures are JPEGs, whatever their names say.

    :param name: last part of its link
    """
    if name == _VIDEO:
        return encode_video(draw_picture("A stored test video", TEST_VIDEO, (320, 180)), 5)
    if name not in _PICTURES:
        return None
    file = io.BytesIO()
    draw_picture(f"A stored test picture: {_PICTURES[name]} quality", TEST_IMAGE, (1024, 1024)).save(file, "JPEG")
    return file.getvalue()


def dummy_name(parameters: Parameters) -> str:
    """Say which stored file a test model answers with, below `/storage/`."""
    return f"test/{_VIDEO if parameters.model.id == TEST_VIDEO else f'{parameters.quality}.png'}"


def dummy_item(parameters: Parameters, link_base: str) -> dict[str, Any] | None:
    """Build the item of a test model's answer, None for any other model.

    :param link_base: what links begin with
    """
    if parameters.model.id == TEST_VIDEO:
        return {"url": f"{link_base}/storage/{dummy_name(parameters)}", "revised_prompt": None}
    if parameters.model.id != TEST_IMAGE:
        return None
    if parameters.response_format == "url":
        return {"revised_prompt": None, "url": f"{link_base}/storage/{dummy_name(parameters)}"}
    body = stored_file(f"{parameters.quality}.png") or b""
    return {"revised_prompt": None, "b64_json": base64.b64encode(body).decode()}
