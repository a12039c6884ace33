"""``make contract``: look whether a server is as the package relies on; costs nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from airflow_provider_imagerouter.hooks.defaults import API_URL
from contract import checks_account, report
from contract.expectation import describe
from contract.server import NoAnswerError, Server

REPORT = Path("contract-report.md")


def main() -> int:
    """Print what is seen, write the report, and return 0 if all fits, 1 if something differs."""
    key, management_key = (_key(f"IMAGEROUTER_{name}KEY") for name in ("API_", "MANAGEMENT_"))
    if not key:
        sys.exit("An API key is needed: make contract IMAGEROUTER_API_KEY=…  (nothing is paid with it)")
    server = Server(os.environ.get("IMAGEROUTER_URL") or API_URL, key, management_key)
    _check_key(server)
    found = []
    for each in report.look(server, report.checks_for(server)):
        found.append(each)
        print(report.line(each), flush=True)
    REPORT.write_text(report.markdown(server, found), encoding="utf-8")
    print(f"\n{report.summary(found)}. The report, for an issue: {REPORT}")
    return 0 if report.fits(found) else 1


def _check_key(server: Server) -> None:
    """Let nobody take a wrong key for a changed API."""
    try:
        answered = server.ask(checks_account.CREDITS)
    except NoAnswerError:
        return
    if answered.status_code == 401:
        sys.exit(f"{server.name} refuses IMAGEROUTER_API_KEY: {describe(answered)}")


def _key(name: str) -> str | None:
    key = os.environ.get(name, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        sys.exit(f"{name} has characters that no key has")
    return key or None


if __name__ == "__main__":
    sys.exit(main())
