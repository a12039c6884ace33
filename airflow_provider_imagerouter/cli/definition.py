"""
The commands and their arguments, for Airflow and for ``python -m airflow_provider_imagerouter``.

Every ``airflow`` command imports this, so it imports nothing before it is asked. Each command is in a file of its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_imagerouter.hooks.defaults import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

PACKAGE = "airflow_provider_imagerouter.cli"

FORMATS = ("table", "json", "yaml", "plain")


def get_commands() -> list[GroupCommand]:
    """Return the one group of commands, ``imagerouter``."""
    from airflow.cli.cli_config import GroupCommand

    commands = (_models(), _credits(), _spending(), _estimate(), _generate(), _sandbox())
    return [GroupCommand("imagerouter", "Models, credits and prices of ImageRouter, a picture, a sandbox", commands)]


def _models() -> ActionCommand:
    return _command(
        "models",
        "List models, cheapest first",
        _arg(
            "--output",
            choices=("image", "video", "text"),
            help="those that make this; pictures and videos if left out (the format is -o)",
        ),
        _arg("--edit", action="store_true", help="those that take pictures"),
        _arg("--mask", action="store_true", help="those that take a mask"),
        _arg("--video", action="store_true", help="those that make videos"),
        _arg("--max-price", metavar="USD", help="those whose pictures never cost more than this"),
        _arg("--provider", help="those whose id has this before the slash, like black-forest-labs"),
        _arg("--name", help="those whose id has this in it"),
        _arg(
            "--sort",
            choices=("price", "name", "date"),
            default="price",
            help="by average price (if left out), by name, or the newest first",
        ),
        *_asking(),
    )


def _credits() -> ActionCommand:
    return _command("credits", "Show what the account holds", *_asking("-o", "--output"))


def _spending() -> ActionCommand:
    return _command(
        "spending",
        "Sum up what each Dag, run and task spent; needs a management key on the connection while they run",
        _arg("--dag", help="only this Dag"),
        _arg("--since", metavar="DATE", help="only what began then or later: 2026-11-24, or with a time; UTC"),
        *_asking("-o", "--output"),
    )


def _estimate() -> ActionCommand:
    return _command(
        "estimate",
        "Estimate what generations cost",
        _arg("requests", nargs="?", metavar="FILE", help="requests as a batch takes them: .json, .jsonl or .csv"),
        *_parameters(),
        _arg("--n", help="how many pictures; 1 if left out"),
        *_asking("-o", "--output"),
    )


def _generate() -> ActionCommand:
    return _command(
        "generate",
        "Make a picture or a video; says what it costs, and asks",
        _arg("prompt", help="what to make"),
        *_parameters(),
        _arg("--output-format", choices=("webp", "jpeg", "jpg", "png"), help="the model's own if left out"),
        _arg("--output", default=".", metavar="FOLDER", help="where to store it; this folder if left out"),
        _arg("-y", "--yes", action="store_true", help="do not ask"),
        *_asking(),
    )


def _sandbox() -> ActionCommand:
    return _command(
        "sandbox",
        "Run a local ImageRouter, which spends nothing",
        _arg("--host", default="127.0.0.1", help="address to listen on; 127.0.0.1 if left out"),
        _arg("--port", type=int, default=8787, help="8787 if left out; 0 picks a free one"),
    )


def _parameters() -> tuple[Arg, ...]:
    """Return what is asked of a model."""
    return (
        _arg("--model", help="model id; the connection's default model if left out"),
        _arg("--size", help="auto or WIDTHxHEIGHT"),
        _arg("--quality", help="auto, low, medium or high"),
        _arg("--seconds", help="length of a video"),
    )


def _asking(*flags: str) -> tuple[Arg, ...]:
    """Return what all commands take that ask ImageRouter: over which connection, and how to print what it says."""
    return (
        _arg(
            "--conn-id", default=DEFAULT_CONN_ID, help=f"connection of type imagerouter; {DEFAULT_CONN_ID} if left out"
        ),
        _arg(
            *(flags or ("-o",)),
            dest="format",
            choices=FORMATS,
            default="table",
            help="how to print it; a table if left out",
        ),
        _arg("--json", action="store_true", help="the same as -o json"),
    )


def _command(name: str, description: str, *args: Arg) -> ActionCommand:
    from airflow.cli.cli_config import ActionCommand, lazy_load_command

    return ActionCommand(name, description, lazy_load_command(f"{PACKAGE}.{name}.run"), args)


def _arg(*flags: str, **options: Any) -> Arg:
    from airflow.cli.cli_config import Arg

    return Arg(flags, **options)  # type: ignore[no-untyped-call]
