"""What is certainly wrong with a task, whichever operator it is of."""

from __future__ import annotations

from airflow_provider_imagerouter.exceptions import ImageRouterInputError

BASE64_FORMATS = ("b64_json", "b64_ephemeral")
"""The values of ``response_format`` that ask for a picture's bytes instead of a link."""


def check_bytes_have_a_place(response_format: str | None, output: object) -> None:
    """
    Check that a picture that comes as base64 will be stored.

    :param response_format: as asked for
    :param output: where pictures are stored, if anywhere
    :raises ImageRouterInputError: if it would have nowhere to go but XCom
    """
    if response_format in BASE64_FORMATS and not output:
        raise ImageRouterInputError(
            f"response_format={response_format!r} needs an output_path: picture bytes do not go through XCom"
        )
