"""
A small S3 of our own that lies on request: it loses answers, refuses, answers in another dialect, is slow, or away.

It knows what s3fs asks for: objects with conditional writes, ranges, copies, listings, uploads in parts. Signatures are
not checked; there is one bucket. Conditions are honoured under one lock, so that of many racing writers one wins.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from support.s3_answers import (
    ACCESS_DENIED,
    BODY_IS_LATE,
    CONFLICT,
    NO_SUCH_KEY,
    PRECONDITION_FAILED,
    SLOW_DOWN,
    Answer,
    Object,
    described,
    error,
    xml,
)

BUCKET = "lies"
CONN_ID = "lying_s3"
URI = f"s3://{CONN_ID}@{BUCKET}"
BODY_SECONDS = 2


class Asked(NamedTuple):
    """One request, and what became of it; status None: the answer was lost."""

    method: str
    key: str
    status: int | None


@dataclass
class _Lie:
    """Something to do to the next writes of some keys, instead of answering them truly."""

    times: int
    keys: str
    instead: Answer | None


@dataclass
class LyingS3:
    """
    The store. All of its lies are told by attributes and methods, and are over after :meth:`reset`.

    :param precondition_failed: what is answered where a condition does not hold; see OTHER_CODE and OTHER_HTML
    :param delay: seconds before each answer
    :param away: whether each request is answered 503
    :param closed: whether each connection is closed without an answer
    :param keeps_all: whether each delete is refused with 403
    """

    precondition_failed: Answer = PRECONDITION_FAILED
    delay: float = 0.0
    away: bool = False
    closed: bool = False
    keeps_all: bool = False
    objects: dict[str, Object] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    _listing: dict[str, Object] | None = None
    _lies: list[_Lie] = field(default_factory=list)
    _parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"store": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def reset(self) -> None:
        """Forget all objects, requests and lies."""
        with self._lock:
            self.precondition_failed = PRECONDITION_FAILED
            self.delay = 0.0
            self.away = self.closed = self.keeps_all = False
            self._listing = None
            for forgotten in (self.objects, self.asked, self._lies, self._parts):
                forgotten.clear()

    def lose_answers(self, times: int = 1, keys: str = "*") -> None:
        """Apply the next writes (of keys that match a pattern) and close the connection instead of answering."""
        self._lies.append(_Lie(times, keys, None))

    def refuse(self, answer: Answer = CONFLICT, times: int = 1, keys: str = "*") -> None:
        """Answer the next writes (of keys that match a pattern) with something else, and write nothing."""
        self._lies.append(_Lie(times, keys, answer))

    @contextmanager
    def stale_listing(self) -> Iterator[None]:
        """Meanwhile, list what is there now, whatever is written or deleted."""
        self._listing = dict(self.objects)
        try:
            yield
        finally:
            self._listing = None

    def names(self) -> list[str]:
        """Return the keys that are there."""
        with self._lock:
            return sorted(self.objects)

    def count(self, method: str, keys: str = "*") -> int:
        """Return how many requests of a method came in for keys that match a pattern."""
        return sum(asked.method == method and fnmatchcase(asked.key, keys) for asked in list(self.asked))

    def connection(self) -> str:
        """Return an Airflow connection to the store, as JSON."""
        extra = {"endpoint_url": self.url, "region_name": "us-east-1"}
        return json.dumps({"conn_type": "aws", "login": "x", "password": "x", "extra": extra})

    # What follows is called by the server's threads.

    def answer(self, method: str, key: str, query: dict[str, str], headers: Any, body: bytes) -> Answer | None:
        """Do what is asked, and return the answer, or None if the connection is to be closed without one."""
        time.sleep(self.delay)
        if self.closed:
            answer = None
        elif self.away:
            answer = SLOW_DOWN
        else:
            with self._lock:
                answer = self._answer(method, key, query, headers, body)
        self.asked.append(Asked(method, key, answer and answer.status))
        return answer

    def _answer(self, method: str, key: str, query: dict[str, str], headers: Any, body: bytes) -> Answer | None:
        act = self._action(method, key, query, headers, body)
        is_write = bool(key) and (method == "PUT" or "uploadId" in query)
        lie = self._next_lie(key) if is_write else None
        if lie and lie.instead:
            return lie.instead
        answer = act()
        return None if lie else answer

    def _next_lie(self, key: str) -> _Lie | None:
        for lie in self._lies:
            if lie.times and fnmatchcase(key, lie.keys):
                lie.times -= 1
                return lie
        return None

    def _action(self, method: str, key: str, query: dict[str, str], headers: Any, body: bytes) -> Callable[[], Answer]:
        match method:
            case "GET" | "HEAD" if key:
                return lambda: self._read(key, headers)
            case "GET":
                return lambda: self._list(query)
            case "HEAD":
                return lambda: Answer(200)
            case "PUT" if "partNumber" in query:
                return lambda: self._add_part(query, body)
            case "PUT" if key:
                return lambda: self._write(key, headers, self._copied(headers) or body)
            case "POST" if "uploads" in query:
                return lambda: self._begin_upload(key)
            case "POST" if "uploadId" in query:
                return lambda: self._end_upload(key, query, headers, body)
            case "POST" if "delete" in query:
                return lambda: self._delete_many(body)
            case "DELETE" if "uploadId" in query:
                return lambda: Answer(204 if self._parts.pop(query["uploadId"], None) is not None else 404)
            case "DELETE" if key:
                return lambda: self._delete(key)
            case _:
                return lambda: error(501, "NotImplemented", f"{method} {key} {query}")

    def _read(self, key: str, headers: Any) -> Answer:
        if not (found := self.objects.get(key)):
            return NO_SUCH_KEY
        described = {
            "Content-Type": found.content_type,
            "ETag": found.etag,
            "Last-Modified": formatdate(found.modified, usegmt=True),
        }
        if not (asked := headers.get("Range")):
            return Answer(200, found.content, described)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        size = len(found.content)
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last) + 1, size) if first and last else size
        if start >= size:
            return error(416, "InvalidRange")
        return Answer(206, found.content[start:end], {**described, "Content-Range": f"bytes {start}-{end - 1}/{size}"})

    def _write(self, key: str, headers: Any, content: bytes) -> Answer:
        found = self.objects.get(key)
        if headers.get("If-None-Match") == "*" and found:
            return self.precondition_failed
        if wanted := headers.get("If-Match"):
            if not found:
                return NO_SUCH_KEY
            if wanted.strip('"') != found.etag.strip('"'):
                return self.precondition_failed
        written = Object(content, headers.get("Content-Type") or "application/octet-stream", time.time())
        self.objects[key] = written
        if headers.get("x-amz-copy-source"):
            return xml("CopyObjectResult", f"<ETag>{escape(written.etag)}</ETag>")
        return Answer(200, b"", {"ETag": written.etag})

    def _copied(self, headers: Any) -> bytes | None:
        if not (source := headers.get("x-amz-copy-source")):
            return None
        return self.objects[unquote(source).lstrip("/").partition("?")[0].partition("/")[2]].content

    def _begin_upload(self, key: str) -> Answer:
        number = f"upload-{len(self._parts)}"
        self._parts[number] = {}
        return xml("InitiateMultipartUploadResult", f"<Key>{escape(key)}</Key><UploadId>{number}</UploadId>")

    def _add_part(self, query: dict[str, str], body: bytes) -> Answer:
        self._parts[query["uploadId"]][int(query["partNumber"])] = body
        return Answer(200, b"", {"ETag": Object(body).etag})

    def _end_upload(self, key: str, query: dict[str, str], headers: Any, body: bytes) -> Answer:
        if query["uploadId"] not in self._parts:
            return error(404, "NoSuchUpload")
        parts = self._parts[query["uploadId"]]
        numbers = [int(found.text or "") for found in ET.fromstring(body).iter() if found.tag.endswith("PartNumber")]
        written = self._write(key, headers, b"".join(parts[number] for number in numbers))
        if written.status != 200:
            return written
        del self._parts[query["uploadId"]]
        return xml("CompleteMultipartUploadResult", f"<Key>{escape(key)}</Key><ETag>{self.objects[key].etag}</ETag>")

    def _delete(self, key: str) -> Answer:
        if self.keeps_all:
            return ACCESS_DENIED
        self.objects.pop(key, None)
        return Answer(204)

    def _delete_many(self, body: bytes) -> Answer:
        keys = [found.text or "" for found in ET.fromstring(body).iter() if found.tag.endswith("Key")]
        done = ""
        for key in keys:
            refused = self._delete(key).status == 403
            code = "<Code>AccessDenied</Code><Message>Access Denied</Message>" if refused else ""
            name = "Error" if refused else "Deleted"
            done += f"<{name}><Key>{escape(key)}</Key>{code}</{name}>"
        return xml("DeleteResult", done)

    def _list(self, query: dict[str, str]) -> Answer:
        objects = self.objects if self._listing is None else self._listing
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token") or query.get("start-after") or ""
        limit = int(query.get("max-keys", 1000))
        contents: list[str] = []
        prefixes: list[str] = []
        for key in sorted(key for key in objects if key.startswith(prefix) and key > after):
            if delimiter and delimiter in key[len(prefix) :]:
                folder = prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter
                if folder not in prefixes:
                    prefixes.append(folder)
            elif len(contents) < limit:
                contents.append(key)
        more = sum(key.startswith(prefix) and key > after for key in objects) > limit and len(contents) == limit
        listed = "".join(described(key, objects[key]) for key in contents)
        listed += "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in prefixes)
        token = f"<NextContinuationToken>{escape(contents[-1])}</NextContinuationToken>" if more else ""
        return xml(
            "ListBucketResult",
            f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(contents) + len(prefixes)}</KeyCount>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{listed}",
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    """Reads requests and writes answers; what they mean is the store's business."""

    store: LyingS3
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        address = urlsplit(self.path)
        bucket, _, key = unquote(address.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        body = self._body()
        if body is None:
            answer: Answer | None = BODY_IS_LATE
            self.close_connection = True
        else:
            answer = self.store.answer(self.command, key, query, self.headers, body)
        if bucket != BUCKET:
            answer = error(404, "NoSuchBucket", bucket)
        if answer is None:
            self._hang_up()
            return
        with suppress(OSError):
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

    def _body(self) -> bytes | None:
        """Return the whole body, or None if it does not come: aiohttp < 3.13 repeats a PUT without its body."""
        length = int(self.headers.get("Content-Length") or 0)
        try:
            self.connection.settimeout(BODY_SECONDS)
            body = self.rfile.read(length)
        except TimeoutError:
            return None
        finally:
            self.connection.settimeout(None)
        if len(body) < length:
            return None
        return _unchunked(body) if "aws-chunked" in self.headers.get("Content-Encoding", "") else body

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Keep quiet: what was asked is in `asked`."""


def _unchunked(body: bytes) -> bytes:
    """Take Amazon's own chunks apart: a size, a signature, the bytes."""
    content = b""
    while body:
        head, _, body = body.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            break
        content, body = content + body[:size], body[size + 2 :]
    return content


@pytest.fixture(scope="session")
def lying_s3_server() -> Iterator[LyingS3]:
    """Run one store for all tests."""
    with LyingS3() as store:
        yield store


@pytest.fixture
def lying_s3(lying_s3_server: LyingS3, monkeypatch: pytest.MonkeyPatch) -> LyingS3:
    """Hand out the store, empty and honest, as the connection of `URI`."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", lying_s3_server.connection())
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")  # one repetition by botocore, beside those of s3fs
    lying_s3_server.reset()
    return lying_s3_server
