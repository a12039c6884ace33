"""What both transports share: how large an answer may be, and what a broken call means."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.api.parsing import shorten, to_text
from airflow_provider_imagerouter.exceptions import (
    ImageRouterConnectionError,
    ImageRouterServerError,
    ImageRouterUnknownOutcomeError,
)

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.call import Call
    from airflow_provider_imagerouter.hooks.connection import ConnectionSettings

log = logging.getLogger(__name__)

SIGN_OF_LIFE_SECONDS = 60.0
"""How often the log says that an answer is still being waited for."""

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
        self._begun = self._told = time.monotonic()
        self._content = bytearray()  # grows without being copied, as joined chunks would be

    def add(self, chunk: bytes) -> None:
        """
        Add what just came.

        :raises ImageRouterServerError: if the answer is too large
        """
        self._content += chunk
        if time.monotonic() - self._told >= SIGN_OF_LIFE_SECONDS and self._content.isspace():
            self._told = time.monotonic()
            log.info(
                "ImageRouter has worked on it for %.0f s; its heartbeats arrive, the last one just now",
                self._told - self._begun,
            )
        if len(self._content) > MAX_BODY_BYTES:
            start = shorten(to_text(self.reply().take_body()))
            raise ImageRouterServerError(
                f"ImageRouter's answer is larger than {MAX_BODY_BYTES} bytes; it begins with: {start}",
                status_code=self._status_code,
                billed="unknown",
            )

    def reply(self) -> Reply:
        """Return the whole reply, without any key should a server or proxy have echoed it."""
        headers = {name: self._settings.redact(value) for name, value in self._headers.items()}
        for key in self._settings.secrets:
            if key.encode() in self._content:
                self._content = self._content.replace(key.encode(), b"***")
        return Reply(self._status_code, headers, self._content, self._settings.base_url)


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
