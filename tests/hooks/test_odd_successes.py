"""Answers that look odd, and are successes: a picture that was paid for is not thrown away."""

from __future__ import annotations

import base64
import gzip
import json
import random
import textwrap
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from support.clients import KEY, Client, Clients
from support.raw_server import RawServer, Visitor, answer, chunked

from airflow_provider_imagerouter.hooks.pace import Pace

LINK = "https://pictures.invalid/a.png"
CREATED = datetime(2026, 11, 22, 13, 30, 2, tzinfo=UTC)


def success(**changes: Any) -> str:
    body = {"created": int(CREATED.timestamp()), "data": [{"url": LINK}], "latency": 6942, "cost": 0.004}
    return json.dumps(body | changes)


def generate(clients: Clients, played: bytes) -> Any:
    with RawServer(played) as server:
        found = clients(server.url).generate()
        assert server.posts == 1
    assert found.pictures[0].url == LINK
    return found


def test_a_plain_success(clients: Clients) -> None:
    found = generate(clients, chunked(b" ", b" ", success().encode()))
    assert (found.cost, found.latency_ms, found.created_at) == (Decimal("0.004"), 6942, CREATED)
    assert found.pictures[0].content is None
    assert found.pictures[0].revised_prompt is None


def test_created_in_milliseconds(clients: Clients) -> None:
    assert generate(clients, answer(success(created=int(CREATED.timestamp()) * 1000 + 440))).created_at == CREATED


@pytest.mark.parametrize(
    "cost",
    [
        *("null", '"0.004"', "true", "[]", "{}", "-1", "NaN", "Infinity", "-Infinity", "1000000"),
        *("1e999", "1e99999999999999999999", "9" * 5000),
    ],
)
def test_a_cost_that_makes_no_sense_is_unknown(clients: Clients, cost: str) -> None:
    assert generate(clients, answer(success().replace("0.004", cost))).cost is None


def test_no_cost_at_all(clients: Clients) -> None:
    body = json.dumps({"data": [{"url": LINK}]})
    found = generate(clients, answer(body))
    assert (found.cost, found.latency_ms, found.created_at) == (None, None, None)


@pytest.mark.parametrize("cost", ["0", "0.0", "0.0001", "0.3", "3", "0.1e-3", "1.5e2"])
def test_costs_are_exact(clients: Clients, cost: str) -> None:
    assert generate(clients, answer(success().replace("0.004", cost))).cost == Decimal(cost)


def test_a_cost_with_endless_digits(clients: Clients) -> None:
    found = generate(clients, answer(success().replace("0.004", "0.00400000000000000000000000000000000000000001")))
    assert found.cost == Decimal("0.004")


@pytest.mark.parametrize("odd", ['"soon"', "null", "-5", "NaN", "[1]", "1e300", "999999999999999", "9" * 5000])
def test_times_that_make_no_sense_are_unknown(clients: Clients, odd: str) -> None:
    created = str(int(CREATED.timestamp()))
    found = generate(clients, answer(success().replace(created, odd)))
    assert found.created_at is None or odd == "999999999999999"
    latency = generate(clients, answer(success().replace("6942", odd))).latency_ms
    assert latency is None or odd == "999999999999999"


def test_a_byte_order_mark(clients: Clients) -> None:
    generate(clients, answer(b"\xef\xbb\xbf" + success().encode()))


def test_bytes_that_are_no_utf_8(clients: Clients) -> None:
    body = success(data=[{"url": LINK, "revised_prompt": "caf?"}]).encode().replace(b"?", b"\xe9")
    assert generate(clients, answer(body)).pictures[0].revised_prompt == "caf\ufffd"


def test_a_revised_prompt_that_no_database_takes(clients: Clients) -> None:
    found = generate(clients, answer(success(data=[{"url": LINK, "revised_prompt": "a\0b\ud83d"}])))
    assert found.pictures[0].revised_prompt == "ab?"


@pytest.mark.parametrize("revised", [None, 5, [], {}])
def test_a_revised_prompt_that_is_no_text(clients: Clients, revised: Any) -> None:
    found = generate(clients, answer(success(data=[{"url": LINK, "revised_prompt": revised}])))
    assert found.pictures[0].revised_prompt is None


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies(clients: Clients, encoding: str, pack: Any) -> None:
    generate(clients, answer(pack(success().encode()), content_encoding=encoding))


@pytest.mark.parametrize("content_type", [None, "text/html"])
def test_the_content_type_does_not_matter(clients: Clients, content_type: str | None) -> None:
    generate(clients, answer(success(), content_type=content_type))


def test_unknown_keys_and_a_null_error(clients: Clients) -> None:
    generate(clients, answer(success(error=None, usage={"tokens": 5}, data=[{"url": LINK, "seed": 7}])))


def test_several_pictures(clients: Clients) -> None:
    found = generate(clients, answer(success(data=[{"url": LINK}, {"b64_json": "aGk="}, {"url": LINK + "?2"}])))
    assert [(picture.url, picture.content) for picture in found.pictures] == [
        (LINK, None),
        (None, b"hi"),
        (LINK + "?2", None),
    ]


BYTES = bytes(range(256)) * 20
ENCODED = base64.b64encode(BYTES).decode()


@pytest.mark.parametrize(
    "encoded",
    [
        ENCODED,
        "\n".join(textwrap.wrap(ENCODED, 76)),
        "\r\n".join(textwrap.wrap(ENCODED, 61)) + "\r\n",
        f"  {ENCODED}\t",
        ENCODED.rstrip("="),
        base64.urlsafe_b64encode(BYTES).decode(),
        base64.urlsafe_b64encode(BYTES).decode().rstrip("="),
        f"data:image/png;base64,{ENCODED}",
        f"DATA:image/svg+xml;charset=utf-8;BASE64,{ENCODED}",
    ],
    ids="{:.30}".format,
)
def test_base64_as_browsers_read_it(clients: Clients, encoded: str) -> None:
    for item in ({"b64_json": encoded}, {"url": f"data:;base64,{encoded.partition(',')[2] or encoded}"}):
        with RawServer(answer(success(data=[item]))) as server:
            (found,) = clients(server.url).generate().pictures
        assert (found.url, found.content) == (None, BYTES)


def test_several_megabytes_of_base64(clients: Clients) -> None:
    content = random.Random(5).randbytes(4_000_001)
    for encoded in (base64.b64encode(content), base64.encodebytes(content)):
        with RawServer(answer(success(data=[{"b64_json": encoded.decode()}]))) as server:
            assert clients(server.url).generate().pictures[0].content == content


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/files/a.png?x=1", "/files/a.png?x=1"),
        ("files/a.png", "/gateway/files/a.png"),
        ("./a.png", "/gateway/a.png"),
        (" /files/a.png\n", "/files/a.png"),
    ],
)
def test_relative_links_are_relative_to_the_base_url(clients: Clients, link: str, path: str) -> None:
    with RawServer(answer(success(data=[{"url": link}]))) as server:
        (found,) = clients(f"{server.url}/gateway").generate().pictures
        assert found.url == server.url + path


def test_a_link_without_a_scheme(clients: Clients) -> None:
    with RawServer(answer(success(data=[{"url": "//pictures.invalid/a.png"}]))) as server:
        assert clients(server.url).generate().pictures[0].url == "http://pictures.invalid/a.png"


USELESS = [None, {}, {"url": None}, {"url": "file:///etc/passwd"}, {"b64_json": "!"}, "a.png", {"url": 5}, [[]]]


@pytest.mark.parametrize("useless", USELESS, ids=repr)
def test_what_can_be_used_of_a_paid_answer_is(clients: Clients, useless: Any, caplog: Any) -> None:
    found = generate(clients, answer(success(data=[{"url": LINK}, useless, {"url": f"{LINK}?2"}])))
    assert [picture.url for picture in found.pictures] == [LINK, f"{LINK}?2"]
    assert len(found.dropped) == 1
    assert found.cost == Decimal("0.004")
    assert "2 picture(s) can be used, but not: " in caplog.text


def test_a_link_stands_in_for_base64_that_cannot_be_read(clients: Clients) -> None:
    assert generate(clients, answer(success(data=[{"url": LINK, "b64_json": "!"}]))).dropped == ()


def test_a_picture_beside_an_error_is_a_picture(clients: Clients, caplog: Any) -> None:
    found = generate(clients, answer(success(error={"message": "one of two failed", "type": "provider_error"})))
    assert "one of two failed" in found.dropped[0]
    assert "one of two failed" in caplog.text


def test_one_picture_that_is_in_no_list(clients: Clients) -> None:
    generate(clients, answer(success(data={"url": LINK})))


HEADERS = {
    "Latin-1": b"X-Provider: caf\xe9",
    "UTF-8": "X-Provider: café 漢".encode(),
    "neither": b"X-Provider: \xff\xfe\x80",
    "many digits": b"RateLimit-Policy: " + b"9" * 5000 + b";w=1",
    "a policy for ever": b"RateLimit-Policy: 1;w=999999999",
    "a policy of nothing": b"RateLimit-Policy: 0;w=0",
    "the key": f"X-Echo: {KEY}".encode(),
    "twice": b"RateLimit-Policy: 6;w=1\r\nRateLimit-Policy: x",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_no_header_can_lose_an_answer(clients: Clients, header: bytes) -> None:
    generate(clients, answer(success()).replace(b"Content-Type: application/json", header))


def test_no_pace_can_lose_an_answer(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(self: Any, reply: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Pace, "learn", learn)
    generate(clients, answer(success()))


def test_an_answer_without_a_length_that_ends_with_the_connection(clients: Clients) -> None:
    generate(clients, answer(success(), content_length=None))


def test_heartbeats_for_longer_than_the_read_timeout(clients: Clients) -> None:
    """Silence is what is limited, not how long a call takes."""

    def play(visitor: Visitor) -> None:
        visitor.send(chunked(ended=False))
        for _ in range(12):
            visitor.stopping.wait(0.25)
            visitor.send(b"1\r\n \r\n")
        body = success().encode()
        visitor.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    with RawServer(play) as server:
        client: Client = clients(server.url, read_timeout=2)
        assert client.generate().pictures[0].url == LINK
        assert server.posts == 1
