"""Pictures in base64: what they need of memory, and that nobody else in the event loop waits for them."""

from __future__ import annotations

import base64
import random
import threading
import tracemalloc

import pytest
from support.clients import Clients
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.api.parsing import decode_base64

MEGABYTE = 1024 * 1024
PICTURE = random.Random(7).randbytes(15 * MEGABYTE)


def encoded_answer() -> bytes:
    return answer(b'  {"data": [{"b64_json": "' + base64.b64encode(PICTURE) + b'"}], "cost": 0.004}')


def test_a_picture_takes_no_more_than_three_of_its_size(clients: Clients) -> None:
    with RawServer(encoded_answer()) as server:
        client = clients(server.url)
        tracemalloc.start()
        try:
            found = client.generate()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found.pictures[0].content == PICTURE
    assert peak < 3 * len(PICTURE)


async def test_it_is_read_outside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the event loop is late is measured by the benchmarks."""
    readers = []

    def decode(text: str | memoryview) -> bytes:
        readers.append(threading.current_thread())
        return decode_base64(text)

    monkeypatch.setattr("airflow_provider_imagerouter.api.answer.decode_base64", decode)
    with RawServer(encoded_answer()) as server:
        hook = Clients("httpx", monkeypatch)(server.url).hook
        found = await hook.generate("a cat", model="test/test")
    assert found.pictures[0].content == PICTURE
    assert readers
    assert threading.main_thread() not in readers
