"""
``python -m airflow_provider_imagerouter``: the commands of ``airflow imagerouter``, also before Airflow 3.2.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence

from airflow_provider_imagerouter.cli.definition import get_commands


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run a command.

    :param arguments: its name and arguments; those of the process if None
    """
    (group,) = get_commands()
    parser = ArgumentParser(prog="python -m airflow_provider_imagerouter", description=group.help)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in group.subcommands:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        subparser.set_defaults(func=command.func)
        for arg in command.args:
            arg.add_to_parser(subparser)
    args = parser.parse_args(arguments)
    args.func(args)


if __name__ == "__main__":
    main()
