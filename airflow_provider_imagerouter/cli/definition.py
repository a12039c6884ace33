"""
The commands and their arguments, for Airflow and for ``python -m airflow_provider_imagerouter``.

Every ``airflow`` command imports this, so it imports nothing before it is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

PACKAGE = "airflow_provider_imagerouter.cli"


def get_commands() -> list[GroupCommand]:
    """Return the one group of commands, ``imagerouter``."""
    from airflow.cli.cli_config import GroupCommand

    models = _command(
        "models",
        "List models, pictures first, cheapest first",
        _arg(
            "--output", choices=("image", "video", "text"), help="those that make this; pictures and videos if left out"
        ),
        _arg("--edit", action="store_true", help="those that take pictures"),
        _arg("--mask", action="store_true", help="those that take a mask"),
        _arg("--video", action="store_true", help="those that make videos"),
        _arg("--max-price", metavar="USD", help="those whose pictures never cost more than this"),
        _arg("--provider", help="those whose id has this before the slash, like black-forest-labs"),
        _arg("--name", help="those whose id has this in it"),
    )
    credits_ = _command("credits", "Show what the account holds")
    estimate = _command(
        "estimate",
        "Estimate what generations cost",
        _arg("--model", help="model id; the connection's default model if left out"),
        _arg("--n", default="1", help="how many pictures; 1 if left out"),
    )
    return [
        GroupCommand("imagerouter", "Look at ImageRouter's models, credits and prices", (models, credits_, estimate))
    ]


def _command(name: str, description: str, *args: Arg) -> ActionCommand:
    from airflow.cli.cli_config import ActionCommand, lazy_load_command

    common = (
        _arg(
            "--conn-id", default=DEFAULT_CONN_ID, help=f"connection of type imagerouter; {DEFAULT_CONN_ID} if left out"
        ),
        _arg("--json", action="store_true", help="print JSON instead of a table"),
    )
    return ActionCommand(name, description, lazy_load_command(f"{PACKAGE}.{name}.run"), (*args, *common))


def _arg(flag: str, **options: Any) -> Arg:
    from airflow.cli.cli_config import Arg

    return Arg((flag,), **options)  # type: ignore[no-untyped-call]
