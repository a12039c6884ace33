"""
The package's exceptions, for the modules of this wing: ``raise errors.ImageRouterInputError(…)``.

They are Airflow's exceptions, and this wing knows no Airflow: they are loaded when the first one is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_imagerouter.exceptions import *  # noqa: F403
else:

    def __getattr__(name: str) -> Any:
        from airflow_provider_imagerouter import exceptions

        return getattr(exceptions, name)
