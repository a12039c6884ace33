"""
What stored pictures are called; decided here alone.

A ``filename`` is a name or a pattern, ``{index:03d}-{prompt:slug}``, with fields of the task and of what it asks for
(:func:`fill`). Files are ``STEM[-CANDIDATE][-PICTURE].EXTENSION``: the stem is the task's (:func:`task_stem`) or, in a
batch, the request's (:class:`RequestNames`); candidates and further pictures of an answer are numbered
(:func:`candidate_stem`, :func:`picture_name`); the extension follows from the bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airflow_provider_imagerouter.api.request import check_n
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.media.formats import EXTENSIONS

MAX_CHARACTERS = 180
"""What file systems take (255 bytes), less room for map index, numbers and extension."""

SLUG_CHARACTERS = 60
"""How much of a prompt goes into a name."""

_EXTENSIONS = tuple(f".{extension}" for extension in (*EXTENSIONS.values(), "jpeg", "tif"))


FIELDS = (
    "index",
    "prompt",
    "model",
    "size",
    "quality",
    "seconds",
    "output_format",
    "metadata",
    "dag_id",
    "task_id",
    "run_id",
)
"""What a pattern may have between braces; ``metadata`` (of a batch's request) with a name: ``{metadata[sku]}``."""

_FIELD = re.compile(r"\{(?P<name>\w+)(?:\[(?P<key>[^\[\]{}]+)\])?(?::(?P<how>[^{}]*))?\}")
_HOW_INDEX = re.compile(r"0?\d{0,2}d?|slug")
_HOW_TEXT = re.compile(r"(slug)?")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_INDEX = r"\{index(:[^{}]*)?\}"
_INDEX_APART = re.compile(rf"{_INDEX}([-_. ].*)?|.*[-_. ]{_INDEX}|[^{{}}]*{_INDEX}[^{{}}]*", re.DOTALL)
"""Patterns whose index no other field can run into: no two indexes make the same name."""


def check_pattern(filename: Any) -> None:
    """
    Check the fields of a filename as it is written in a Dag; what a template makes of it is not known yet.

    :param filename: a name or a pattern
    :raises ImageRouterInputError: if something between braces is no field
    """
    if not isinstance(filename, str):
        return
    written = _TEMPLATE.sub("", filename)
    for field in _FIELD.finditer(written):
        name, key, how = field["name"], field["key"], field["how"] or ""
        allowed = _HOW_INDEX if name == "index" else _HOW_TEXT
        if name not in FIELDS or (key is not None) != (name == "metadata") or not allowed.fullmatch(how):
            raise _no_field(filename, field[0])
    rest = _FIELD.sub("", written)
    if brace := next((character for character in rest if character in "{}"), None):
        raise _no_field(filename, brace)


def _no_field(filename: str, found: str) -> ImageRouterInputError:
    fields = ", ".join("metadata[NAME]" if name == "metadata" else name for name in FIELDS)
    return ImageRouterInputError(
        f"filename {filename!r} has {found!r}, which is no field. There are {fields}; an index takes a width "
        "('{index:03d}'), and a text 'slug' ('{prompt:slug}')"
    )


def fill(filename: str, fields: Mapping[str, Any]) -> str:
    """
    Return a pattern with its fields filled in. What is no field stays: it may come from data.

    :param filename: a name or a pattern
    :param fields: values by name; those that are not given are empty
    """
    return _FIELD.sub(lambda field: _filled(field, fields), filename)


def _filled(field: re.Match[str], fields: Mapping[str, Any]) -> str:
    name, key, how = field["name"], field["key"], field["how"] or ""
    if name not in FIELDS or (key is not None) != (name == "metadata"):
        return field[0]
    value = fields.get(name)
    if key is not None:
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if how == "slug":
        return slug(str(value))
    return format(value, how) if name == "index" and _HOW_INDEX.fullmatch(how) else str(value)


def clean_name(filename: Any) -> str:
    """
    Return a file name that every file system takes, made of whatever was given, which may come from data.

    Letters lose their accents, other scripts are written in Latin letters, and what is neither letter, digit, ``.``,
    ``_`` nor ``-`` becomes ``-``; the extension of a picture is taken off, since that follows from the bytes. Of a very
    long name the end becomes a digest.

    :param filename: a name, with or without extension
    :raises ImageRouterInputError: if it is no text, or nothing can be made of it
    """
    from slugify import slugify

    if not isinstance(filename, str):
        raise ImageRouterInputError(f"filename must be a text, not {filename!r}")
    text = _without_extension(filename)
    name: str = slugify(
        text, lowercase=False, regex_pattern=r"[^-.\w]+", entities=False, decimal=False, hexadecimal=False
    ).strip("-.")
    if not name:
        raise ImageRouterInputError(f"filename must have a letter or a digit, like 'summer-poster', not {filename!r}")
    if len(name) > MAX_CHARACTERS:
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        name = f"{name[: MAX_CHARACTERS - 13]}-{digest}"
    return name


def _without_extension(filename: str) -> str:
    return next((filename[: -len(end)] for end in _EXTENSIONS if filename.lower().endswith(end)), filename)


def task_stem(
    filename: str | None,
    identity: Identity,
    *,
    is_mapped: bool = False,
    parameters: Mapping[str, Any] | None = None,
) -> str:
    """
    Return the name of a task instance's pictures, without extension.

    The index of a mapped task is added, unless it is in the pattern, or the filename itself was mapped
    (``expand(filename=…)``) and could be taken as it is: names that have to be changed may come to the same.

    :param filename: a name or a pattern; None for a name that no other task instance has
    :param identity: the task instance
    :param is_mapped: whether each instance was given a filename of its own
    :param parameters: what is asked for, for the pattern's fields
    """
    if filename is None:
        return identity.file_stem
    name = clean_name(fill(filename, {**(parameters or {}), **_fields_of(identity, max(identity.map_index, 0))}))
    is_unchanged = filename == name or filename.removeprefix(name) in _EXTENSIONS
    if (is_mapped and is_unchanged) or _INDEX_APART.fullmatch(_without_extension(filename)):
        return name
    return f"{name}{identity.map_suffix}"


class RequestNames:
    """
    The names of the pictures of a batch's requests, without extension.

    :param requests: the parameters of each; ``filename``, ``metadata`` and ``n`` among them
    :param identity: the task instance
    :param filename: a pattern, or what the names of all pictures begin with; None for names that no other task
        instance has
    :raises ImageRouterInputError: if no name can be made of one
    """

    def __init__(self, requests: Sequence[Mapping[str, Any]], identity: Identity, filename: str | None) -> None:
        is_pattern = any(field["name"] in FIELDS for field in _FIELD.finditer(filename or ""))
        self._prefix = clean_name(filename) if filename and not is_pattern else None
        self._names = [
            clean_name(fill(name, {**request, **_fields_of(identity, index)}))
            if (name := request.get("filename") or (filename if is_pattern else None))
            else None
            for index, request in enumerate(requests)
        ]
        self._numbers = [_number_of_candidates(request) for request in requests]
        self._taken = Counter(stem for index in range(len(requests)) for stem in self._wanted(index))

    def stem(self, index: int, digest: str) -> str:
        """
        Return the name of a request's pictures; its own, where no other request has the same.

        :param index: of the request
        :param digest: what tells the request from those of other tasks
        """
        name = self._names[index]
        if name is None:
            return request_stem(index, self._prefix, digest)
        is_free = all(self._taken[stem] == 1 for stem in self._wanted(index))
        return name if is_free else request_stem(index, name, digest)

    def candidates(self, index: int, stem: str) -> list[str]:
        """
        Return the names of a request's candidates.

        :param index: of the request
        :param stem: the name of all
        """
        n = self._numbers[index]
        return [candidate_stem(stem, number, n) for number in range(1, n + 1)]

    def _wanted(self, index: int) -> list[str]:
        """Return the names that a request would have, as file systems compare them that know no capitals."""
        name = self._names[index]
        return [] if name is None else [stem.casefold() for stem in self.candidates(index, name)]


def _number_of_candidates(request: Mapping[str, Any]) -> int:
    try:
        return check_n(request.get("n", 1))
    except ImageRouterInputError:  # the request's own error, which it ends with
        return 1


def _fields_of(identity: Identity, index: int) -> dict[str, Any]:
    return {"index": index, "dag_id": identity.dag_id, "task_id": identity.task_id, "run_id": identity.run_id}


def request_stem(index: int, prefix: str | None, digest: str) -> str:
    """
    Return the name of the pictures of a batch's request that has no filename of its own, without extension.

    :param index: of the request
    :param prefix: the batch's filename, if it was given one
    :param digest: what tells the request from those of other tasks
    """
    return f"{prefix}-{index:05d}" if prefix else f"{index:05d}-{digest}"


def slug(text: str) -> str:
    """
    Return the beginning of a text as a name: small letters, digits and hyphens; nothing if there is none in it.

    :param text: a prompt, for example
    """
    from slugify import slugify

    return str(slugify(text, max_length=SLUG_CHARACTERS, word_boundary=True))


def free_stem(stem: str, taken: Collection[str]) -> str:
    """
    Return a name without extension that no file has yet: the one that is wanted, or that with a number.

    :param stem: which one is wanted
    :param taken: names of the files that are there
    """
    stems = (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3)))
    return next(stem for stem in stems if not any(name.startswith((f"{stem}.", f"{stem}-")) for name in taken))


def candidate_stem(stem: str, number: int, n: int) -> str:
    """
    Return the name of one of `n` candidates' pictures, without extension.

    :param stem: the name of all
    :param number: which one, from 1
    :param n: how many there are; a single one needs no number
    """
    return stem if n == 1 else f"{stem}-{number}"


def picture_stem(stem: str, number: int) -> str:
    """
    Return the name of one of an answer's pictures, without extension.

    :param stem: the name of all pictures of the answer
    :param number: which one of them, from 1; the first has no number
    """
    return stem if number == 1 else f"{stem}-{number}"


def picture_name(stem: str, number: int, extension: str) -> str:
    """
    Return the name of a picture's file.

    :param stem: the name of all pictures of an answer
    :param number: which one of them, from 1
    :param extension: without a dot
    """
    return f"{picture_stem(stem, number)}.{extension}"
