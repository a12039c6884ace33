"""One HTTP call, described: what to send, and how to read what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from airflow_provider_imagerouter.api import errors
from airflow_provider_imagerouter.api.parsing import JsonBody, parse_json

T = TypeVar("T")

UploadedFile = tuple[str, tuple[str, bytes, str]]
"""A file part as requests and httpx both take it: field name, (file name, content, content type)."""


@dataclass
class Reply:
    """
    What came back from one HTTP call.

    :param status_code: HTTP status
    :param headers: response headers; names are matched without case
    :param body: the whole body, until it is taken
    :param base_url: what relative links in it are relative to
    """

    status_code: int
    headers: Mapping[str, str]
    body: JsonBody = field(repr=False)
    base_url: str = ""

    def header(self, name: str) -> str | None:
        """Return a header's value, whatever the case of its name."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    @property
    def is_whole(self) -> bool:
        """Whether the body is a JSON value from beginning to end."""
        return parse_json(self.body) is not None

    def take_body(self) -> JsonBody:
        """Return the body, and forget it: pictures in base64 are large, and needed once."""
        body, self.body = self.body, b""
        return body


@dataclass(frozen=True)
class Call(Generic[T]):
    """
    One HTTP call that the hooks carry out.

    :param method: HTTP method
    :param path: path below the connection's base URL, beginning with ``/``
    :param read: turns the reply into its meaning, or raises an ImageRouterError
    :param params: query parameters
    :param json: a JSON body
    :param data: text fields of a multipart body
    :param files: file parts of a multipart body
    :param free: whether it costs nothing although it is no GET
    """

    method: str
    path: str
    read: Callable[[Reply], T]
    params: Mapping[str, str] | None = None
    json: Mapping[str, Any] | None = None
    data: Mapping[str, str] | None = None
    files: list[UploadedFile] | None = None
    free: bool = False

    @property
    def is_free(self) -> bool:
        """Whether it never costs anything: it may be sent again, whatever became of it."""
        return self.free or self.method == "GET"

    def result(self, reply: Reply) -> T:
        """
        Return what the reply means.

        :raises ImageRouterError: if it is no success
        """
        try:
            return self.read(reply)
        except errors.ImageRouterUnknownOutcomeError as error:
            if self.is_free:
                raise errors.ImageRouterConnectionError(str(error), status_code=error.status_code) from None
            raise
        except errors.ImageRouterResponseError as error:
            if self.is_free:
                error.billed = "no"
            raise
