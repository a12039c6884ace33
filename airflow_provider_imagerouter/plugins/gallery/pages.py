"""Pages as HTML, with a content security policy of their own."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from airflow_provider_imagerouter.plugins.gallery.wording import FILTERS

if TYPE_CHECKING:
    from airflow_provider_imagerouter.plugins.gallery.items import Page

HERE = Path(__file__).parent


def render(page: Page) -> tuple[str, str]:
    """
    Return a page's HTML, and its content security policy.

    Style and script are in the page itself, marked with a nonce; pictures come from Airflow, and from the hosts of the
    links that the page shows.

    :param page: what it shows
    """
    nonce = secrets.token_urlsafe(16)
    html = _environment().get_template("page.html").render(page=page, nonce=nonce)
    sources = " ".join(("'self'", *page.links_to))
    policy = (
        "default-src 'none'",
        f"img-src {sources} data:",
        f"media-src {sources}",
        f"style-src 'nonce-{nonce}'",
        f"script-src 'nonce-{nonce}'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
    )
    return html, "; ".join(policy)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals.update(css=(HERE / "gallery.css").read_text(), js=(HERE / "gallery.js").read_text())
    return environment
