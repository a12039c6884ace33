"""Asking a server, for nothing: what may be sent, each question once, and no key in what comes back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from airflow_provider_imagerouter import __version__
from airflow_provider_imagerouter.api.call import Reply, UploadedFile
from airflow_provider_imagerouter.api.keys import read_made_key
from airflow_provider_imagerouter.api.parsing import clean, parse_json
from airflow_provider_imagerouter.exceptions import ImageRouterError

T = TypeVar("T")

IMAGES = "/v1/openai/images/generations"
EDITS = "/v1/openai/images/edits"
VIDEOS = "/v1/openai/videos/generations"
CHAT = "/v1/openai/chat/completions"
RESPONSES = "/v1/openai/responses"
API_KEYS = "/v1/api-keys"

TEST_IMAGE = "test/test"
TEST_VIDEO = "ir/test-video"
NO_MODEL = "airflow-provider-imagerouter/no-such-model"
FREE = {IMAGES: (TEST_IMAGE, NO_MODEL), EDITS: (TEST_IMAGE,), VIDEOS: (TEST_VIDEO,)}
"""Which models are asked for where: ImageRouter's own free dummies, and one that there is not."""

WRONG_KEYS = {"wrong": "contract-check-with-a-wrong-key".ljust(64, "0"), "short": "short", "none": None}

LONGEST_WAIT = 30.0
"""Seconds to wait, all in all, where a 429 asks for it."""

LONGEST_ANSWER = 300.0
"""Seconds after which an answer that still goes on is given up."""

LARGEST_ANSWER = 64 * 1024 * 1024

FAILURES = 2
"""After how many questions in a row without an answer nothing more is asked."""


class NoAnswerError(Exception):
    """The server did not answer, or not in HTTP."""


@dataclass(frozen=True, eq=False)
class Ask:
    """
    A question to the server; however many checks look at its answer, it is asked once.

    :param key: ``account``, ``management``, ``minted``, or one of :data:`WRONG_KEYS`
    :param json: a JSON body
    :param content: a body as it is
    :param data: the text fields of a form
    :param files: makes its file parts
    :raises ValueError: if it could cost anything
    """

    method: str
    path: str
    key: str = "account"
    json: Any = None
    content: bytes | None = field(default=None, repr=False)
    data: Mapping[str, str] | None = None
    files: Callable[[], list[UploadedFile]] | None = None

    def __post_init__(self) -> None:
        """See to it that nothing is paid."""
        if self.key in WRONG_KEYS or self.method == "GET" or self.path == API_KEYS:
            return
        model = (self.data or self.json or {}).get("model") if self.content is None else None
        if self.content is None and model not in FREE.get(self.path, ()):
            raise ValueError(f"{self.path} with {model!r} could cost something")
        if self.content is not None and parse_json(self.content) is not None:
            raise ValueError("a body that can be read could cost something")


@dataclass
class Answered(Reply):
    """
    An answer, and how it came.

    :param seconds: from the question to the answer's end
    """

    seconds: float = 0.0

    @property
    def payload(self) -> Any:
        """Its JSON; None if it is none."""
        return parse_json(self.body)

    def copy(self) -> Reply:
        """Return it for the package's readers, which take the body out."""
        return Reply(self.status_code, self.headers, self.body, self.base_url)


class Server:
    """
    The server that is looked at.

    :param url: base URL
    :param key: the account's key
    :param management_key: makes keys; None to leave keys and books out
    :param interval: seconds between two questions: the poorest account may send six a second
    :param patience: seconds of silence after which an answer is given up
    """

    def __init__(
        self, url: str, key: str, management_key: str | None = None, *, interval: float = 0.2, patience: float = 60
    ) -> None:
        self.url = url.rstrip("/")
        self.management_key = management_key
        self._keys: dict[str, str | None] = {"account": key, "management": management_key, **WRONG_KEYS}
        self._client = httpx.Client(
            timeout=httpx.Timeout(patience, connect=min(patience, 10)),
            headers={"User-Agent": f"airflow-provider-imagerouter-contract/{__version__}"},
        )
        self._interval = interval
        self._last = float("-inf")
        self._known: dict[object, Any] = {}
        self._in_vain = 0
        self._waited = 0.0
        self._videos = 0

    @property
    def has_made_a_key(self) -> bool:
        """Whether the answer to the making of a key had one in it."""
        return bool(self._keys.get("minted"))

    @property
    def name(self) -> str:
        """Its base URL, without a password."""
        url = urlsplit(self.url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def once(self, what: object, find: Callable[[], T]) -> T:
        """Return what was found the first time; if that was an error, raise it again."""
        if what not in self._known:
            try:
                self._known[what] = find()
            except Exception as error:
                self._known[what] = error
        found = self._known[what]
        if isinstance(found, Exception):
            raise found
        known: T = found
        return known

    def ask(self, ask: Ask) -> Answered:
        """
        Return the answer to a question; a 429 is waited out.

        :raises NoAnswerError: if there is none
        """
        return self.once(ask, lambda: self._ask(ask))

    def fetch(self, link: str) -> tuple[Answered, Any]:
        """
        Return what a link leads to, asked for without a key, and this end of the connection that it came over.

        :raises NoAnswerError: if nothing comes
        """
        self._pause()
        with self._answering(lambda: self._client.build_request("GET", link), follow=True) as (response, started):
            stream = response.extensions["network_stream"]
            return self._read(response, started), stream.get_extra_info("client_addr")

    def burst(self, ask: Ask, number: int) -> list[Answered]:
        """
        Ask the same many times at once.

        :raises NoAnswerError: if an answer is missing
        """
        self._check_that_it_answers()
        with ThreadPoolExecutor(number) as pool:
            return list(pool.map(lambda _: self._send(ask), range(number)))

    def clean(self, text: str) -> str:
        """Return a text that can be shown: without any of the keys, or half a character."""
        return clean(self._without_keys(text))

    def _without_keys(self, text: str) -> str:
        for name, secret in self._keys.items():
            if secret and name not in WRONG_KEYS:
                text = re.sub(re.escape(secret), "***", text, flags=re.IGNORECASE)
        return text

    def _ask(self, ask: Ask) -> Answered:
        self._check_that_it_answers()
        if ask.path == VIDEOS and ask.key not in WRONG_KEYS:
            self._videos += 1
            if self._videos > 1:
                raise NoAnswerError("not asked, since one video is enough")
        while True:
            self._pause()
            answered = self._send(ask)
            wait = _seconds(answered.header("Retry-After"))
            if answered.status_code != 429 or ask.path == VIDEOS or self._waited + wait > LONGEST_WAIT:
                return answered
            self._waited += wait
            time.sleep(wait)

    def _check_that_it_answers(self) -> None:
        if self._in_vain >= FAILURES:
            raise NoAnswerError("not asked, since the server does not answer")

    def _pause(self) -> None:
        time.sleep(max(0.0, self._last + self._interval - time.monotonic()))
        self._last = time.monotonic()

    def _send(self, ask: Ask) -> Answered:
        headers = {"Connection": "close", "Accept-Encoding": "identity"}
        secret = self._keys.get(ask.key)
        if secret is not None:
            headers["Authorization"] = f"Bearer {secret}"
        if ask.content is not None:
            headers["Content-Type"] = "application/json"
        body: dict[str, Any] = {"json": ask.json, "content": ask.content, "data": ask.data}
        body["files"] = ask.files() if ask.files else None

        def build() -> httpx.Request:
            return self._client.build_request(ask.method, self.url + ask.path, headers=headers, **body)

        with self._answering(build) as (response, started):
            return self._read(response, started)

    @contextmanager
    def _answering(
        self, build: Callable[[], httpx.Request], *, follow: bool = False
    ) -> Iterator[tuple[httpx.Response, float]]:
        started = time.monotonic()
        try:
            response = self._client.send(build(), stream=True, follow_redirects=follow)
            try:
                yield response, started
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            self._in_vain += 1
            raise NoAnswerError(self.clean(f"no answer: {type(error).__name__} {error}".rstrip())) from None
        self._in_vain = 0

    def _read(self, response: httpx.Response, started: float) -> Answered:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > LARGEST_ANSWER or time.monotonic() - started > LONGEST_ANSWER:
                raise httpx.ReadError("an answer without end")
        if response.request.url.path.endswith(API_KEYS):
            with suppress(ImageRouterError):
                self._keys["minted"] = read_made_key(Reply(response.status_code, {}, bytes(body))).key
        headers = {name.lower(): self.clean(value) for name, value in response.headers.items()}
        text = self._without_keys(body.decode("latin-1"))
        return Answered(response.status_code, headers, text.encode("latin-1"), self.url, time.monotonic() - started)


def _seconds(retry_after: str | None) -> float:
    try:
        return max(float(retry_after or 1), 0.1)
    except ValueError:
        return 1.0
