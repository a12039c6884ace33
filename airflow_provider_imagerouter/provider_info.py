"""What the package brings, described to Airflow's providers manager."""

from __future__ import annotations

from typing import Any

from airflow_provider_imagerouter import __version__
from airflow_provider_imagerouter.hooks.form import (
    AI_CONNECTION_FIELDS,
    AI_UI_FIELD_BEHAVIOUR,
    CONNECTION_FIELDS,
    UI_FIELD_BEHAVIOUR,
)

INTEGRATION = "ImageRouter"


def get_provider_info() -> dict[str, Any]:
    """Describe the package (Airflow's ``provider_info.schema.json``); the entry point ``apache_airflow_provider``."""
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
                "python-modules": [f"{package}.hooks.imagerouter", f"{package}.hooks.pydantic_ai"],
            }
        ],
        "operators": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [
                    f"{package}.operators.generate",
                    f"{package}.operators.edit",
                    f"{package}.operators.batch",
                    f"{package}.operators.download",
                    f"{package}.operators.video",
                ],
            }
        ],
        "sensors": [{"integration-name": INTEGRATION, "python-modules": [f"{package}.sensors.credits"]}],
        "triggers": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [f"{package}.triggers.imagerouter", f"{package}.triggers.credits"],
            }
        ],
        "cli": [f"{package}.cli.definition.get_commands"],
        "task-decorators": [
            {"name": "imagerouter", "class-name": f"{package}.decorators.imagerouter.imagerouter_task"}
        ],
        "config": {
            "imagerouter": {
                "description": "ImageRouter provider.",
                "options": {
                    "ledger_path": {
                        "description": (
                            "The folder, local or any fsspec URI, where tasks keep notes of what they sent and paid, "
                            "so that a retry does not pay again. If empty, they are kept in a hidden folder under "
                            "each task's own output_path, or in Airflow's task state store. max_run_cost_usd needs it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@my-bucket/imagerouter-ledger",
                        "default": "",
                    },
                    "deployment": {
                        "description": (
                            "A name for this Airflow deployment. Set it where several deployments share one "
                            "ledger_path: their tasks may have the same ids."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "production",
                        "default": "",
                    },
                    "ledger_days": {
                        "description": (
                            "For how many days the ledger of a task that has succeeded is kept, in files. "
                            "Within them, a retry by Airflow pays for nothing again."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "30",
                    },
                    "lease_seconds": {
                        "description": (
                            "How many seconds after its last sign of life an attempt of a task is taken for dead, and "
                            "its calls for lost. The machines' clocks must agree within two thirds of it."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "30",
                    },
                    "verify": {
                        "description": (
                            "How a picture is checked before it is stored: 'structure' (its format's structure and its "
                            "header) or 'decode' (its pixels, too, which takes a hundred times as long)."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "decode",
                        "default": "structure",
                    },
                    "sidecars": {
                        "description": (
                            "Whether tasks that do not say so store a file beside each picture (picture.webp.json) "
                            "with its record and what was asked for."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "public_links_only": {
                        "description": (
                            "Whether links to hosts that are not public are refused: of this machine, or of a private "
                            "network. Links on the connection's own host are fetched nevertheless. A redirect never "
                            "leads from a public host to one that is not, whatever is set here."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "gallery_roots": {
                        "description": (
                            "From where the gallery (the tab Pictures) shows files: local folders and URIs, separated "
                            "by commas; the API server reads them, with its own connections. A URI that names no "
                            "connection is meant with any. If empty: from all object stores, and no local files."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://my-bucket/pictures, /mnt/pictures",
                        "default": "",
                    },
                },
            }
        },
        "extra-links": [f"{package}.links.pictures.PictureLink", f"{package}.links.pictures.ResultsLink"],
        "connection-types": [
            {
                "connection-type": "imagerouter",
                "hook-name": INTEGRATION,
                "hook-class-name": f"{package}.hooks.imagerouter.ImageRouterHook",
                "conn-fields": CONNECTION_FIELDS,
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
            },
            {
                "connection-type": "pydanticai_imagerouter",
                "hook-name": "Pydantic AI (ImageRouter)",
                "hook-class-name": f"{package}.hooks.pydantic_ai.PydanticAIImageRouterHook",
                "conn-fields": AI_CONNECTION_FIELDS,
                "ui-field-behaviour": AI_UI_FIELD_BEHAVIOUR,
            },
        ],
    }
