"""What an S3 store answers, in its own words and in others'."""

from __future__ import annotations

import hashlib
import time
from typing import NamedTuple
from xml.sax.saxutils import escape


class Answer(NamedTuple):
    """What is answered: a status, a body, and headers."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012


def error(status: int, code: str, message: str = "") -> Answer:
    """Refuse as S3 does."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


PRECONDITION_FAILED = error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
CONFLICT = error(409, "ConditionalRequestConflict", "A conflicting operation occurred")
ACCESS_DENIED = error(403, "AccessDenied", "Access Denied")
SLOW_DOWN = error(503, "SlowDown", "Please reduce your request rate")
BODY_IS_LATE = error(400, "RequestTimeout", "Your socket connection to the server was not read from in time")
NO_SUCH_KEY = error(404, "NoSuchKey", "The specified key does not exist.")

OTHER_CODE = error(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
OTHER_HTML = Answer(412, b"<html><h1>412 Precondition Failed</h1></html>", {"Content-Type": "text/html"})
"""Two ways in which other stores than Amazon's say that a condition does not hold."""


def xml(name: str, content: str) -> Answer:
    """Answer with an XML document."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{content}</{name}>'
    return Answer(200, body.encode(), {"Content-Type": "application/xml"})


class Object(NamedTuple):
    """One object of the bucket."""

    content: bytes
    content_type: str = "application/octet-stream"
    modified: float = 0.0

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content).hexdigest()}"'


def described(key: str, found: Object) -> str:
    """Describe an object as a listing does."""
    modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(found.modified))
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{modified}</LastModified>"
        f"<ETag>{escape(found.etag)}</ETag><Size>{len(found.content)}</Size></Contents>"
    )
