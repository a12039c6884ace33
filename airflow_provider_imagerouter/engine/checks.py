"""What is certainly wrong with a task, whichever operator it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_imagerouter.compat import is_final
from airflow_provider_imagerouter.exceptions import ImageRouterInputError

BASE64_FORMATS = ("b64_json", "b64_ephemeral")
"""The values of ``response_format`` that ask for a picture's bytes instead of a link."""


def check_bytes_have_a_place(response_format: str | None, folder: object) -> None:
    """
    Check that a picture that comes as base64 will be stored.

    :param response_format: as asked for
    :param folder: where pictures are stored, if anywhere
    :raises ImageRouterInputError: if it would have nowhere to go but XCom
    """
    if response_format in BASE64_FORMATS and not folder:
        raise ImageRouterInputError(
            f"response_format={response_format!r} needs an output_path: picture bytes do not go through XCom"
        )


def read_models(value: Any) -> list[str]:
    """
    Return the models that ``fallback_models`` names, checked as far as they are known.

    :param value: a list of model ids, the text of one as a template renders it, or a single id
    :raises ImageRouterInputError: if it is something else
    """
    if isinstance(value, str):
        value = _read_text(value)
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ImageRouterInputError(f"fallback_models must be a list of model ids, not {value!r:.200}")
    for index, model in enumerate(value):
        if is_final(model) and not (isinstance(model, str) and model.strip()):
            raise ImageRouterInputError(f"fallback_models[{index}] must be a model id, not {model!r:.200}")
    return list(value)


def _read_text(text: str) -> Any:
    """Read a list that a template rendered to text; any other text is a model's id."""
    if not text.lstrip().startswith("["):
        return [text]
    from airflow_provider_imagerouter.engine.inputs import parse_rendered

    return parse_rendered(text, "fallback_models")
