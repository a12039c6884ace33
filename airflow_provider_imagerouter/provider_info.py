"""What the package brings, described to Airflow's providers manager."""

from __future__ import annotations

from typing import Any

from airflow_provider_imagerouter.hooks.form import CONNECTION_FIELDS, UI_FIELD_BEHAVIOUR

INTEGRATION = "ImageRouter"


def get_provider_info() -> dict[str, Any]:
    """Return the provider info (Airflow's ``provider_info.schema.json``)."""
    from airflow_provider_imagerouter import __version__

    package = "airflow_provider_imagerouter"
    return {
        "package-name": "airflow-provider-imagerouter",
        "name": INTEGRATION,
        "description": "Generate, edit and store pictures with `ImageRouter <https://imagerouter.io>`__.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": INTEGRATION, "external-doc-url": "https://docs.imagerouter.io", "tags": ["ai"]}
        ],
        "hooks": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [f"{package}.hooks.imagerouter", f"{package}.hooks.imagerouter_async"],
            }
        ],
        "operators": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [
                    f"{package}.operators.generate",
                    f"{package}.operators.edit",
                    f"{package}.operators.download",
                ],
            }
        ],
        "connection-types": [
            {
                "connection-type": "imagerouter",
                "hook-name": INTEGRATION,
                "hook-class-name": f"{package}.hooks.imagerouter.ImageRouterHook",
                "conn-fields": CONNECTION_FIELDS,
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
            }
        ],
    }
