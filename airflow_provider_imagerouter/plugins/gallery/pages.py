"""Pages as HTML, with a content security policy of their own."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from airflow_provider_imagerouter.plugins.gallery.items import Page

TEMPLATES = Path(__file__).parent / "templates"


def render(page: Page) -> tuple[str, str]:
    """
    Return a page's HTML, and its content security policy.

    Styles and scripts are those of the template, marked with a nonce; pictures come from Airflow, and from the hosts
    of the links that the page shows.

    :param page: what it shows
    """
    nonce = secrets.token_urlsafe(16)
    html = _environment().get_template(f"{page.scope}.html").render(page=page, nonce=nonce)
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
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
