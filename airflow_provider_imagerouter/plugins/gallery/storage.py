"""Which files the gallery may show, and reading them: checked, and kept on the API server's disk for a while."""

from __future__ import annotations


class NotShownError(Exception):
    """
    A file cannot be shown.

    :param message: why, as a sentence that the person who looks at the page can do something with
    :param status_code: of HTTP
    """

    def __init__(self, message: str, status_code: int = 404) -> None:
        super().__init__(message)
        self.status_code = status_code


def why_hidden(location: str | None, sha256: str | None, size: float | None) -> str | None:
    """
    Return why a file is not shown, as far as its record tells; None if it is.

    :param location: where it was stored
    :param sha256: of its bytes
    :param size: bytes
    """
    return None
