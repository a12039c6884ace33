"""The page at `/`: what the sandbox drew, what it cost, and what was asked."""

from __future__ import annotations

import json
from html import escape
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_imagerouter.sandbox.books import Call
from airflow_provider_imagerouter.sandbox.stored_files import CONTENT_TYPES, find_file
from airflow_provider_imagerouter.sandbox.world import World

CALLS_SHOWN = 200

_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#ddd, #444); --quiet: light-dark(#666, #aaa); }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; }
.quiet { color: var(--quiet); font-size: .85rem; }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); margin-top: 1.5rem; }
article { border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; }
article > div { padding: .6rem .8rem; overflow-wrap: anywhere; }
img, video { display: block; width: 100%; }
p { margin: 0 0 .3rem; }
.error, .refused { color: light-dark(#b00020, #ff8a80); }
"""


async def page(request: Request) -> Response:
    """Answer `GET /`."""
    world: World = request.app.state.world
    report = world.ledger.report(calls=False)["totals"]
    calls = world.ledger.latest(CALLS_SHOWN)
    accounts = {key.account.name: key.account for key in world.keys.values()}.values()
    left = " · ".join(f"{escape(account.name)} ${account.balance_usd:.4f}" for account in accounts)
    counted = f"{report['calls']} calls, {report['succeeded']} succeeded, {report['in_flight']} in flight"
    # While something is in flight, the page looks again by itself.
    again = '<meta http-equiv="refresh" content="2">' if report["in_flight"] else ""
    cards = "".join(map(_card, calls)) or "<p>Nothing was asked for yet.</p>"
    return Response(
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">{again}<title>ImageRouter sandbox</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>'
        f"<h1>ImageRouter sandbox</h1>\n<p>{counted}; <strong>${report['billed_usd']:.4f}</strong> billed</p>\n"
        f'<p class="quiet">Left: {left}</p>\n<main>{cards}</main>\n</body></html>\n',
        media_type="text/html; charset=utf-8",
    )


async def picture(request: Request) -> Response:
    """Answer `GET /sandbox/pictures/<name>`: a stored file for the page, without a trace in the ledger."""
    world: World = request.app.state.world
    name: str = request.path_params["name"]
    file = await find_file(world.storage, name)
    if file is None:
        return Response("It had to make room.", 404)
    return Response(file.body, media_type=CONTENT_TYPES[PurePosixPath(name).suffix.removeprefix(".")])


def _card(call: Call) -> str:
    parameters = [f"{name}: {_short(value)}" for name, value in call.parameters.items()]
    inputs = [f"input pictures: {len(call.images)}"] if call.images else []
    details = " · ".join([call.api_key or "no key", *inputs, *parameters, call.time[11:19]])
    status = f"{call.status}, HTTP {call.http_status}" if call.http_status else call.status
    return (
        f"<article>{''.join(map(_shown, call.made))}<div><p>{_text(call.prompt or '(no prompt)')}</p>"
        f'<p class="quiet">{_text(call.model or "(no model)")}</p>'
        f'<p><strong>${call.cost:.4f}</strong> <span class="{call.status}">{status}</span></p>'
        f'<p class="quiet">{_text(details)}</p></div></article>\n'
    )


def _shown(name: str) -> str:
    source = escape(f"/sandbox/pictures/{name}")
    if name.endswith(".mp4"):
        return f'<video src="{source}" controls preload="none"></video>'
    return f'<img src="{source}" alt="" loading="lazy">'


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"


def _text(text: str) -> str:
    """Write a text into the page; of half characters, which no page can hold, question marks are left."""
    return escape(text.encode("utf-8", "replace").decode())
