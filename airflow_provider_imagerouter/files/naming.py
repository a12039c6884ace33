"""
What stored pictures are called; decided here alone.

``STEM[-CANDIDATE][-PICTURE].EXTENSION``: the stem is the task's (:func:`task_stem`) or, in a batch, the request's
(:func:`request_stem`); candidates and further pictures of an answer are numbered (:func:`candidate_stem`,
:func:`picture_name`); the extension follows from the bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.media.formats import EXTENSIONS

MAX_CHARACTERS = 180
"""What file systems take (255 bytes), less room for map index, numbers and extension."""

SLUG_CHARACTERS = 60
"""How much of a prompt goes into a name."""

_EXTENSIONS = tuple(f".{extension}" for extension in (*EXTENSIONS.values(), "jpeg", "tif"))


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
    text = next((filename[: -len(end)] for end in _EXTENSIONS if filename.lower().endswith(end)), filename)
    name: str = slugify(
        text, lowercase=False, regex_pattern=r"[^-.\w]+", entities=False, decimal=False, hexadecimal=False
    ).strip("-.")
    if not name:
        raise ImageRouterInputError(f"filename must have a letter or a digit, like 'summer-poster', not {filename!r}")
    if len(name) > MAX_CHARACTERS:
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        name = f"{name[: MAX_CHARACTERS - 13]}-{digest}"
    return name


def task_stem(filename: str | None, identity: Identity, *, is_mapped: bool = False) -> str:
    """
    Return the name of a task instance's pictures, without extension.

    The index of a mapped task is added, unless the filename itself was mapped (``expand(filename=…)``) and could be
    taken as it is: names that have to be changed may come to the same.

    :param filename: as given; None for a name that no other task instance has
    :param identity: the task instance
    :param is_mapped: whether each instance was given a filename of its own
    """
    if filename is None:
        return identity.file_stem
    name = clean_name(filename)
    is_unchanged = filename == name or filename.removeprefix(name) in _EXTENSIONS
    return name if is_mapped and is_unchanged else f"{name}{identity.map_suffix}"


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


def picture_name(stem: str, number: int, extension: str) -> str:
    """
    Return the name of a picture's file.

    :param stem: the name of all pictures of an answer
    :param number: which one of them, from 1; the first has no number
    :param extension: without a dot
    """
    return f"{stem}.{extension}" if number == 1 else f"{stem}-{number}.{extension}"
