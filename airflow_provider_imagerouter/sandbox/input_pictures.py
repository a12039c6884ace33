"""Input pictures and masks: uploaded as files, or named by a link or a data URI."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import httpx

from airflow_provider_imagerouter.sandbox.validation import InvalidParameterError

MAX_PICTURES = 16
FETCH_SECONDS = 20.0


class LinkFailedError(Exception):
    """A link to an input picture gives none."""


@dataclass
class InputPicture:
    """One input picture or mask.

    :param body: its bytes; empty until a link was fetched
    :param link: where it is, None if it came with the request
    """

    body: bytes = b""
    link: str | None = None

    @property
    def sha256(self) -> str:
        """Its checksum, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()

    async def fetch(self, client: httpx.AsyncClient) -> None:
        """Fetch it, if it is a link.

        :raises LinkFailedError: if that fails
        """
        if self.link is None:
            return
        try:
            answer = await client.get(self.link)
            answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LinkFailedError(self.link) from error
        self.body = answer.content


async def fetch_all(pictures: list[InputPicture]) -> None:
    """Fetch the pictures that are links.

    :raises LinkFailedError: if one of them gives nothing
    """
    if not any(picture.link for picture in pictures):
        return
    async with httpx.AsyncClient(follow_redirects=True, timeout=FETCH_SECONDS, trust_env=False) as client:
        for picture in pictures:
            await picture.fetch(client)


def named_pictures(body: object, field: str, files: list[InputPicture]) -> list[InputPicture]:
    """Put the pictures that a text parameter names behind the uploaded ones.

    :param body: JSON, or the text fields of a form
    :param field: `image` or `mask`
    :param files: those that were uploaded
    :raises InvalidParameterError: if one is neither a link nor a data URI, or there are too many
    """
    value = body.get(field) if isinstance(body, Mapping) else None
    names = value if isinstance(value, list) else [] if value is None or value == "" else [value]
    pictures = [*files, *(_named(name, field) for name in names)]
    if len(pictures) > MAX_PICTURES:
        raise InvalidParameterError(f"Maximum of {MAX_PICTURES} {field}s can be uploaded")
    return pictures


def _named(name: object, field: str) -> InputPicture:
    if isinstance(name, str) and name.startswith(("http://", "https://")):
        return InputPicture(link=name)
    head, comma, data = name.partition(",") if isinstance(name, str) else ("", "", "")
    if not head.startswith("data:") or not comma:
        raise InvalidParameterError(f"'{field}' must be a file, a URL or a data URI")
    if not head.endswith(";base64"):
        return InputPicture(unquote_to_bytes(data))
    try:
        return InputPicture(base64.b64decode(data))
    except binascii.Error as error:
        raise InvalidParameterError(f"'{field}' is no valid data URI") from error
