"""What is stored of a picture besides its bytes."""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_imagerouter.exceptions import ImageRouterInputError


class Extras(NamedTuple):
    """
    What is stored of a picture besides its bytes.

    :param sidecar: whether a file beside it says what it is, and what was asked for
    :param embed_metadata: whether its own file does
    """

    sidecar: bool = False
    embed_metadata: bool = False


NO_EXTRAS = Extras()


def check_extras(sidecar: object, embed_metadata: object, folder: object) -> None:
    """
    Check what else is to be stored.

    :param sidecar: True, False, or None for the deployment's default
    :param embed_metadata: True or False
    :param folder: where pictures are stored; None if nowhere
    :raises ImageRouterInputError: if that makes no sense
    """
    if not (sidecar is None or isinstance(sidecar, bool)):
        raise ImageRouterInputError(f"sidecar must be True, False or None, not {sidecar!r}")
    if not isinstance(embed_metadata, bool):
        raise ImageRouterInputError(f"embed_metadata must be True or False, not {embed_metadata!r}")
    wanted = [name for name, value in {"sidecar": sidecar, "embed_metadata": embed_metadata}.items() if value]
    if wanted and folder is None:
        raise ImageRouterInputError(f"{' and '.join(wanted)} need an output_path: without one no picture is stored")


def with_default(sidecar: bool | None) -> bool:
    """
    Return whether sidecars are wanted: ``[imagerouter] sidecars``, if the task does not say.

    :param sidecar: what the task says
    """
    from airflow.providers.common.compat.sdk import conf

    return bool(conf.getboolean("imagerouter", "sidecars", fallback=False)) if sidecar is None else sidecar
