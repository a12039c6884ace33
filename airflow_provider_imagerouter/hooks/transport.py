"""What both transports share: how large an answer may be, and what a broken call means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.api.reply import shorten
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

    :param settings: the connection, whose key is kept out of the body
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._content = bytearray()

    def add(self, chunk: bytes) -> None:
        """
        Add what just came.

        :raises ImageRouterServerError: if the answer is too large
        """
        self._content += chunk
        if len(self._content) > MAX_BODY_BYTES:
            start = shorten(self._settings.redact(bytes(self._content[:4096])))
            raise ImageRouterServerError(
                f"ImageRouter's answer is larger than {MAX_BODY_BYTES} bytes; it begins with: {start}",
                billed="unknown",
            )

    def content(self) -> bytes:
        """Return the whole body, without the API key should a server or proxy have echoed it."""
        return self._settings.redact(bytes(self._content))


def not_sent(settings: ConnectionSettings, error: Exception) -> ImageRouterConnectionError:
    """Return the error of a call that never left."""
    return ImageRouterConnectionError(f"Could not connect to {settings.base_url}: {_describe(error)}")


def broken(call: Call[Any], error: Exception) -> ImageRouterConnectionError | ImageRouterUnknownOutcomeError:
    """Return the error of a call that left, but whose answer did not arrive whole."""
    if call.method == "GET":
        return ImageRouterConnectionError(f"The connection to ImageRouter broke: {_describe(error)}")
    return ImageRouterUnknownOutcomeError(
        f"The connection to ImageRouter broke before its answer was complete ({_describe(error)}); "
        "the call may have run, and it may be billed"
    )


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
