"""Pictures, edits and one video of the free models; the parameters and limits that are checked before sending."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from PIL import Image

from airflow_provider_imagerouter.api.call import UploadedFile
from airflow_provider_imagerouter.api.request import (
    MAX_FILE_BYTES,
    MAX_IMAGES,
    MAX_MASKS,
    MAX_PROMPT_LENGTH,
    OUTPUT_FORMATS,
    QUALITIES,
    RESPONSE_FORMATS,
)
from contract.expectation import (
    LINK,
    TEXT_OR_NULL,
    Check,
    Expectation,
    Kind,
    Seen,
    Verdict,
    field,
    header,
    made,
    read,
    refusal,
    taken,
    verdict,
)
from contract.server import EDITS, IMAGES, TEST_IMAGE, TEST_VIDEO, VIDEOS, Ask, Server

HEARTBEAT_SECONDS = 7.0
"""How long a call takes in which a heartbeat must have come: they come every three seconds."""


def _ask(**parameters: object) -> Ask:
    return Ask("POST", IMAGES, json={"model": TEST_IMAGE, "prompt": "contract", **parameters})


def _edit(images: int = 1, masks: int = 0, field: str = "image[]", length: int = 0) -> Ask:
    def files() -> list[UploadedFile]:
        part = ("picture.png", _png().ljust(length, b"\0"), "image/png")
        return [(field, part)] * images + [("mask[]", part)] * masks

    return Ask("POST", EDITS, data={"model": TEST_IMAGE, "prompt": "contract"}, files=files)


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    return file.getvalue()


PICTURE = _ask(n=3, airflow_provider_imagerouter="contract")
IN_BASE64 = {name: _ask(response_format=name) for name in RESPONSE_FORMATS if name != "url"}
VALUES = [
    {"quality": quality, "output_format": output_format, "size": size}
    for quality, output_format, size in zip_longest(QUALITIES, OUTPUT_FORMATS, ("auto", "512x512"), fillvalue="auto")
]
EDIT = _edit(images=MAX_IMAGES)
MASKED = _edit(masks=MAX_MASKS)
VIDEO = Ask("POST", VIDEOS, json={"model": TEST_VIDEO, "prompt": "contract"})


def _link(server: Server, ask: Ask) -> str:
    link = read(server, ask).pictures[0].url
    if link is None:
        raise ValueError("there is no link")
    return link


def _fetched(ask: Ask, *, what: str, begins: bytes) -> Expectation:
    """Expect that a link leads, without a key, to a file that is recognised by what it has at its beginning."""

    def look(server: Server) -> Seen:
        answered, _ = server.once(("fetched", ask), lambda: server.fetch(_link(server, ask)))
        fits = answered.status_code == 200 and re.match(begins, answered.body, re.DOTALL) is not None
        return verdict(f"{answered.status_code}, {len(answered.body)} bytes, {answered.header('Content-Type')}", fits)

    return Expectation(f"200 with {what}, without a key", look)


def _kept(server: Server) -> Seen:
    """Fetch a link again over the connection that it came over."""
    _, first = server.once(("fetched", PICTURE), lambda: server.fetch(_link(server, PICTURE)))
    answered, second = server.fetch(_link(server, PICTURE))
    connection = "the same connection" if first == second else "a new connection"
    return verdict(f"{answered.status_code} over {connection}", answered.status_code == 200)


def _heartbeats(server: Server) -> Seen:
    each = [server.ask(ask) for ask in (VIDEO, PICTURE)]
    number = max(len(answered.body) - len(answered.body.lstrip()) for answered in each)
    longest = max(answered.seconds for answered in each)
    text = f"{number or 'none'} in {longest:.1f} s"
    return verdict(text, number > 0) if number or longest >= HEARTBEAT_SECONDS else Seen(text, Verdict.NOT_SEEN)


def _has_cost(ask: Ask) -> Expectation:
    return made(ask, "cost", FREE, lambda answer: answer.cost)


def _has_link(ask: Ask) -> Expectation:
    return made(ask, "data[0].url", LINK, lambda answer: answer.pictures[0].url)


FREE = Kind("the number 0", lambda cost: cost == 0)
KNOWN = Kind("a number", lambda latency: latency is not None)
NOW = Kind("now, in seconds or milliseconds since 1970", lambda time: abs(datetime.now(UTC) - time) < timedelta(days=1))
ONE = Kind("one picture", lambda pictures: pictures == 1)
BYTES = Kind("base64", lambda content: len(content) > 0, is_private=True)
POLICY = Kind("like 20;w=1", lambda value: re.match(r"[0-9]+;\s*w=[0-9]+", value) is not None)
CLOSE = Kind("close", lambda value: value.lower() == "close")

_LIMIT = "The package refuses before sending what the API would take"
_REFUSED_LATE = "What the package lets through is refused, or fails at the provider"
_COST = "`cost_usd` of records and tasks is null or wrong, and budgets count the catalogue's highest price instead"

CHECKS = (
    Check("a picture", taken(PICTURE), "Nothing can be generated"),
    Check("a picture: its link", _has_link(PICTURE), "Records have no `url`, and nothing can be stored"),
    Check("a picture: its cost", _has_cost(PICTURE), _COST),
    Check(
        "a picture: its latency",
        made(PICTURE, "latency", KNOWN, lambda answer: answer.latency_ms),
        "`latency_ms` of records is null",
    ),
    Check(
        "a picture: its time",
        made(PICTURE, "created", NOW, lambda answer: answer.created_at),
        "`created_at` of records is when the answer came, or wrong",
    ),
    Check(
        "a picture: the prompt as changed",
        field(PICTURE, "data.0.revised_prompt", TEXT_OR_NULL),
        "`revised_prompt` of records is null",
    ),
    Check(
        "n and unknown parameters",
        made(PICTURE, "data", ONE, lambda answer: len(answer.pictures)),
        "One call makes, and bills, several pictures, or `extra_body` is refused: `n` sends a call for each candidate",
    ),
    *(
        Check(
            f"a picture as {name}",
            made(ask, "data[0].b64_json", BYTES, lambda answer: answer.pictures[0].content),
            f'`response_format="{name}"` gives nothing',
        )
        for name, ask in IN_BASE64.items()
    ),
    *(
        Check(", ".join(f"{name} {value}" for name, value in values.items()), taken(_ask(**values)), _REFUSED_LATE)
        for values in VALUES
    ),
    *(
        Check(f"{name} {value}", refusal(_ask(**{name: value}), 400, "invalid_request_error"), _LIMIT)
        for name, value in (
            ("quality", "best"),
            ("size", "large"),
            ("response_format", "bytes"),
            ("output_format", "bmp"),
        )
    ),
    Check("the longest prompt", taken(_ask(prompt="a" * MAX_PROMPT_LENGTH)), _REFUSED_LATE),
    Check(
        "a longer prompt",
        refusal(_ask(prompt="a" * (MAX_PROMPT_LENGTH + 1)), 400, "invalid_request_error"),
        _LIMIT,
    ),
    Check(f"{MAX_IMAGES} input pictures", taken(EDIT), "Edits of so many pictures, or all edits, are refused"),
    Check("an edit: its link", _has_link(EDIT), "Records have no `url`, and nothing can be stored"),
    Check("an edit: its cost", _has_cost(EDIT), _COST),
    Check(f"{MAX_IMAGES + 1} input pictures", refusal(_edit(MAX_IMAGES + 1), 400, "invalid_request_error"), _LIMIT),
    Check(f"{MAX_MASKS} masks", taken(MASKED), "Edits with so many masks, or with any, are refused"),
    Check(f"{MAX_MASKS + 1} masks", refusal(_edit(masks=MAX_MASKS + 1), 400, "invalid_request_error"), _LIMIT),
    Check(
        "a file under another name",
        refusal(_edit(field="picture"), 400, "invalid_request_error"),
        "Uploads may go by other names now, and may be ignored under ours: an edit is then billed as text to image",
    ),
    Check(
        f"a file of {MAX_FILE_BYTES} bytes",
        refusal(_edit(length=MAX_FILE_BYTES), 400, "invalid_request_error"),
        _LIMIT,
    ),
    Check(
        "a picture's link",
        _fetched(PICTURE, what="a picture", begins=rb"\xff\xd8\xff|\x89PNG|RIFF....WEBP|GIF8"),
        "Nothing can be stored: `output_path` and the download operator fail",
    ),
    Check(
        "a picture's link, again",
        Expectation("200 over a kept or a new connection", _kept),
        "Several pictures cannot be stored one after the other",
    ),
    Check("a video", taken(VIDEO), "No videos can be made"),
    Check("a video: its link", _has_link(VIDEO), "Videos cannot be stored"),
    Check("a video: its cost", _has_cost(VIDEO), _COST),
    Check(
        "a video's link",
        _fetched(VIDEO, what="an MP4 or WebM file", begins=rb"....ftyp|\x1a\x45\xdf\xa3"),
        "Videos cannot be stored, or come out with the wrong type",
    ),
    Check(
        "the rate limit's policy",
        header(PICTURE, "RateLimit-Policy", POLICY),
        "Calls are spaced by what the account holds, not by what is allowed: slower than they could be, or met by 429",
    ),
    Check(
        "a connection that is to be closed",
        header(PICTURE, "Connection", CLOSE),
        "The server keeps connections that the package does not use again: many tasks may use up what it allows",
    ),
    Check(
        "heartbeats",
        Expectation(f"a space every 3 seconds, if a call takes {HEARTBEAT_SECONDS:g} s", _heartbeats),
        "Calls longer than the connection's `read_timeout` (90 s) are given up, and may be billed all the same",
    ),
)
