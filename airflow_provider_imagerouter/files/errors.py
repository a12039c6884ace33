"""What goes wrong where bytes are read."""

from __future__ import annotations


class ReadError(Exception):
    """
    The bytes at a location could not be read. What that means for a task and its bill, the caller knows.

    :param message: which location, and what was wrong
    :param status_code: HTTP status of a link, if it answered
    :param may_pass: whether another try may have them
    """

    def __init__(self, message: str, *, status_code: int | None = None, may_pass: bool = False) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.may_pass = may_pass
