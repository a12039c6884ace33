"""The types of pictures and videos that are read and stored, and what is said of one."""

from __future__ import annotations

from dataclasses import dataclass

EXTENSIONS = {
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
}
"""The types that are read and stored, and the extension each is stored with."""


class UnreadablePictureError(ValueError):
    """The bytes are no picture, or only a part of one."""


@dataclass(frozen=True)
class PictureInfo:
    """
    What a picture's or video's bytes say.

    :param content_type: media type, e.g. ``image/webp``
    :param width: pixels; None for a vector picture
    :param height: pixels; None for a vector picture
    :param duration_seconds: length of a video, where known
    """

    content_type: str
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None

    @property
    def extension(self) -> str:
        """The file extension of this type, without a dot."""
        return EXTENSIONS[self.content_type]
