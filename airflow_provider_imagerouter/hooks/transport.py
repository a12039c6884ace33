"""What both transports share: how large an answer may be, and what a broken call means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.api.parsing import shorten
from airflow_provider_imagerouter.exceptions import (
    ImageRouterConnectionError,
    ImageRouterServerError,
    ImageRouterUnknownOutcomeError,
)

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Call
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

MAX_BODY_BYTES = 256 * 1024 * 1024
"""The largest answer that is read: room for several pictures in base64."""


class Body:
    """
    The bytes of an answer as they come in, no more than :data:`MAX_BODY_BYTES`.

    :param settings: the connection, whose key is kept out of the reply
    :param status_code: HTTP status
    :param headers: response headers
    """

    def __init__(self, settings: ConnectionSettings, status_code: int, headers: Mapping[str, str]) -> None:
        self._settings = settings
        self._status_code = status_code
        self._headers = headers
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """
        Add what just came.

        :raises ImageRouterServerError: if the answer is too large
        """
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_BODY_BYTES:
            start = shorten(self.reply().take_text())
            raise ImageRouterServerError(
                f"ImageRouter's answer is larger than {MAX_BODY_BYTES} bytes; it begins with: {start}",
                status_code=self._status_code,
                billed="unknown",
            )

    def reply(self) -> Reply:
        """Return the whole reply, without any key should a server or proxy have echoed it."""
        headers = {name: self._settings.redact(value) for name, value in self._headers.items()}
        body = b"".join(self._chunks)
        self._chunks.clear()  # at once, since a picture in base64 is large
        for key in self._settings.secrets:
            body = body.replace(key.encode(), b"***")
        return Reply(self._status_code, headers, body, self._settings.base_url)


def not_sent(settings: ConnectionSettings, error: Exception) -> ImageRouterConnectionError:
    """Return the error of a call that never left."""
    return ImageRouterConnectionError(f"Could not connect to {settings.base_url}: {_describe(settings, error)}")


def broken(
    settings: ConnectionSettings, call: Call[Any], error: Exception
) -> ImageRouterConnectionError | ImageRouterUnknownOutcomeError:
    """Return the error of a call that left, but whose answer did not arrive whole."""
    if call.is_free:
        return ImageRouterConnectionError(f"The connection to ImageRouter broke: {_describe(settings, error)}")
    return ImageRouterUnknownOutcomeError(
        f"The connection to ImageRouter broke before its answer was complete ({_describe(settings, error)}); "
        "the call may have run, and it may be billed"
    )


def _describe(settings: ConnectionSettings, error: Exception) -> str:
    """
    Say what happened, in place of the error itself.

    The transports' errors quote what a server sent; were they kept as the cause, a server that echoes the API key
    would put it into the task's log.
    """
    text = shorten(settings.redact(str(error)))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
