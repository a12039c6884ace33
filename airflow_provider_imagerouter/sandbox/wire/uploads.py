"""Reads multipart bodies as multer does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from airflow_provider_imagerouter.sandbox.input_pictures import MAX_PICTURES, InputPicture

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_LIMIT = 25 * 1024 * 1024
FIELD_LIMIT = 1024 * 1024
"""A text field must stay below this."""

_ENCODED_FILENAME = re.compile(r";\s*filename\*=([^;\s]+)", re.IGNORECASE)
_NESTED_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")

IMAGE_FIELDS = ("image", "image[]", "mask", "mask[]")
VIDEO_FIELDS = ("image", "image[]")
"""The names of file parts; each may come sixteen times."""


class BrokenBodyError(Exception):
    """The body is no multipart form, or ends too early."""


@dataclass
class Form:
    """What a body held.

    :param body: JSON, or the text fields of a form, in which a repeated one is a list
    :param problem: what is wrong with the files, in the API's words
    """

    body: object
    images: list[InputPicture] = field(default_factory=list)
    masks: list[InputPicture] = field(default_factory=list)
    problem: str | None = None


@dataclass
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    header: list[bytes] = field(default_factory=lambda: [b"", b""])
    body: bytearray = field(default_factory=bytearray)
    name: str = ""
    filename: bytes = b""
    is_file: bool = False
    too_large: bool = False


class _Reader:
    """Collects parts from the parser's callbacks, holding no more of a file than is allowed."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.complete = False

    def on_part_begin(self) -> None:
        """Begin a part."""
        self.parts.append(_Part())

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's name."""
        self.parts[-1].header[0] += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's value."""
        self.parts[-1].header[1] += data[start:end]

    def on_header_end(self) -> None:
        """Keep a whole header."""
        part = self.parts[-1]
        part.headers[part.header[0].decode("latin-1").lower()] = part.header[1].decode("latin-1")
        part.header = [b"", b""]

    def on_headers_finished(self) -> None:
        """Read from the headers whether the part is a file, and its names."""
        part = self.parts[-1]
        disposition = part.headers.get("content-disposition", "")
        _, options = parse_options_header(disposition)
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        octets = part.headers.get("content-type", "").startswith("application/octet-stream")
        # The parser leaves out names in the form of RFC 5987, which some clients send.
        encoded = _ENCODED_FILENAME.search(disposition)
        part.filename = options.get(b"filename", b"") or (encoded[1].encode("latin-1") if encoded else b"")
        part.is_file = b"filename" in options or bool(encoded) or octets

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of the part's body, unless it is a file that is too large already."""
        part = self.parts[-1]
        part.too_large = part.too_large or (part.is_file and len(part.body) + end - start >= FILE_LIMIT)
        if not part.too_large:
            part.body += data[start:end]

    def on_end(self) -> None:
        """Note that the body came to its end."""
        self.complete = True


async def read_form(content_type: str, body: AsyncIterator[bytes], allowed: tuple[str, ...]) -> Form:
    """Read a multipart body to its end.

    :param content_type: the request's, with the boundary
    :param allowed: the fields that take files
    :raises BrokenBodyError: if it cannot be read
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise BrokenBodyError("no form, or no boundary")
    reader = _Reader()
    callbacks: MultipartCallbacks = {
        "on_part_begin": reader.on_part_begin,
        "on_header_field": reader.on_header_field,
        "on_header_value": reader.on_header_value,
        "on_header_end": reader.on_header_end,
        "on_headers_finished": reader.on_headers_finished,
        "on_part_data": reader.on_part_data,
        "on_end": reader.on_end,
    }
    try:
        parser = MultipartParser(options[b"boundary"], callbacks)
        async for chunk in body:
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise BrokenBodyError(str(error)) from error
    if not reader.complete:
        raise BrokenBodyError("unexpected end of form")
    return _sort(reader.parts, allowed)


def _sort(parts: list[_Part], allowed: tuple[str, ...]) -> Form:
    fields: dict[str, object] = {}
    form = Form(fields)
    files: dict[str, list[InputPicture]] = {}
    for part in parts:
        if not part.is_file:
            form.problem = form.problem or _problem(part)
            _add_field(fields, part.name, part.body.decode("utf-8", "replace"))
        if not part.filename:
            continue
        known = files.setdefault(part.name, [])
        known.append(InputPicture(bytes(part.body)))
        if part.name not in allowed or len(known) > MAX_PICTURES:
            form.problem = form.problem or "Unexpected field"
        elif part.too_large:
            form.problem = form.problem or "File too large"
    form.images = files.get("image") or files.get("image[]", [])
    form.masks = files.get("mask") or files.get("mask[]", [])
    return form


def _problem(part: _Part) -> str | None:
    if not part.name:
        return "Field name missing"
    return "Field value too long" if len(part.body) >= FIELD_LIMIT else None


def _add_field(fields: dict[str, object], name: str, value: str) -> None:
    """Add a text field as multer does: `a[]` and `a[0]` make lists, `a[b]` makes objects."""
    nested = _NESTED_NAME.fullmatch(name)
    base = nested[1] if nested else name
    fields[base] = _nest(fields.get(base), re.findall(r"\[(.*?)\]", nested[2]) if nested else [], value)


def _nest(known: object, steps: list[str], value: str) -> object:
    if steps and steps[0] and not steps[0].isdecimal():
        members = known if isinstance(known, dict) else {}
        return members | {steps[0]: _nest(members.get(steps[0]), steps[1:], value)}
    if not steps and known is None:
        return value
    items = known if isinstance(known, list) else [] if known is None else [known]
    return [*items, _nest(None, steps[1:], value)]
