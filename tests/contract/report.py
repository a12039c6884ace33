"""What was seen, for the eye and for an issue."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from contract import checks_account, checks_catalogue, checks_keys, checks_pictures
from contract.expectation import Check, Seen, Verdict
from contract.server import Server

Found = tuple[Check, Seen]

WORTH_TELLING = (Verdict.DIFFERS, Verdict.CHANGED)

NOT_LOOKED_AT = (
    "errors in a 200, what paid calls cost, and the answers of text models: not surely to be had for nothing",
    "links that die after 30 days",
    "lengths of videos, and videos from pictures: one video is all that is asked for",
)


def checks_for(server: Server) -> Sequence[Check]:
    """Return the lines that can be looked at with the keys there are; the one that runs into the limit is last."""
    keys = checks_keys.CHECKS if server.management_key else ()
    tables = (checks_account.CHECKS, checks_catalogue.CHECKS, checks_pictures.CHECKS, keys, checks_account.LAST_CHECKS)
    return [check for table in tables for check in table]


def look(server: Server, checks: Iterable[Check]) -> Iterator[Found]:
    """Return what is seen, line after line."""
    for check in checks:
        yield check, check.run(server)


def fits(found: Iterable[Found]) -> bool:
    """Return whether nothing breaks."""
    return all(seen.verdict is not Verdict.DIFFERS for _, seen in found)


def line(found: Found) -> str:
    """Return a line for the screen."""
    check, seen = found
    lines = [
        f"{seen.verdict:8}  {check.name}",
        f"{'':10}expected: {check.expected.text}",
        f"{'':10}seen:     {seen.text}",
    ]
    if seen.verdict in WORTH_TELLING:
        lines.append(f"{'':10}breaks:   {_breaks(found)}")
    return "\n".join(lines)


def summary(found: Sequence[Found]) -> str:
    """Say in a line what came of it."""
    number = Counter(seen.verdict for _, seen in found)
    return (
        f"{len(found)} checks: {number[Verdict.FITS]} fit, {number[Verdict.DIFFERS]} differ, "
        f"{number[Verdict.CHANGED]} changed and are read all the same, {number[Verdict.NOT_SEEN]} could not be seen"
    )


def _breaks(found: Found) -> str:
    check, seen = found
    return check.breaks if seen.verdict is Verdict.DIFFERS else "Nothing: the package reads it all the same"


def markdown(server: Server, found: Sequence[Found]) -> str:
    """Return the report."""
    differences = [each for each in found if each[1].verdict in WORTH_TELLING]
    without_keys = () if server.management_key else ("keys and books: there was no IMAGEROUTER_MANAGEMENT_KEY",)
    parts = [
        "# ImageRouter, as airflow-provider-imagerouter relies on it",
        f"{server.name}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, "
        f"airflow-provider-imagerouter {version('airflow-provider-imagerouter')}, Python {platform.python_version()}",
        f"**{summary(found)}.**",
        "## What differs",
        *(
            f"- **{_cell(check.name)}**: expected {_cell(check.expected.text)}; seen {_cell(seen.text)}. "
            f"Breaks: {_cell(_breaks((check, seen)))}."
            for check, seen in differences
        ),
        *(["Nothing."] if not differences else []),
        "## All checks",
        "\n".join(
            [
                "| | check | expected | seen |",
                "|---|---|---|---|",
                *(
                    f"| {seen.verdict} | {_cell(check.name)} | {_cell(check.expected.text)} | {_cell(seen.text)} |"
                    for check, seen in found
                ),
            ]
        ),
        "## Not looked at",
        "\n".join(f"- {what}" for what in (*without_keys, *NOT_LOOKED_AT)),
    ]
    return server.clean("\n\n".join(parts)) + "\n"


def _cell(text: str) -> str:
    """Return a text that cannot break out of a table's cell, nor be HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
