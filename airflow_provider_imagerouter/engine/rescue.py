"""A last place for pictures that are paid for, and can be put nowhere else."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.answer import Answer, Picture


def into_temporary_files(answer: Answer) -> Answer:
    """
    Return an answer with links to files in the machine's temporary folder, where it had bytes.

    :param answer: what was paid for, and has no other place
    :raises OSError: if there is no space for them, either
    """
    return replace(answer, pictures=tuple(map(_into_temporary_file, answer.pictures)))


def _into_temporary_file(picture: Picture) -> Picture:
    if picture.content is None:
        return picture
    with tempfile.NamedTemporaryFile(prefix="imagerouter-", delete=False) as file:
        file.write(picture.content)
    return replace(picture, url=Path(file.name).as_uri(), content=None)
