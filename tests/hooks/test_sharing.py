"""What many tasks of one event loop want to know is asked once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from support.clients import Clients
from support.raw_server import RawServer, Script, Visitor, answer

from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
from airflow_provider_imagerouter.hooks.sharing import share

LISTING = (Path(__file__).parents[1] / "api" / "catalogues" / "v2_array.json").read_bytes()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    return Clients("httpx", monkeypatch)


def paths(server: RawServer) -> Counter[str]:
    return Counter(request.split()[1].decode() for request in server.requests)


async def test_a_hundred_tasks_at_once_ask_for_one_catalogue(clients: Clients) -> None:
    with RawServer(answer(LISTING)) as server:
        conn_id = clients(server.url).hook.imagerouter_conn_id
        catalogues = await asyncio.gather(*(ImageRouterAsyncHook(conn_id).get_catalogue() for _ in range(100)))
        assert paths(server) == {"/v1/models": 1, "/v2/models": 1}
        assert all(catalogue is catalogues[0] for catalogue in catalogues)
        await ImageRouterAsyncHook(conn_id).get_catalogue()
        assert len(server.requests) == 2


async def test_another_connection_asks_for_itself(clients: Clients) -> None:
    with RawServer(answer(LISTING)) as server:
        for key in ("a" * 64, "b" * 64):
            await clients(server.url, key=key).hook.get_catalogue()
        assert len(server.requests) == 4


async def test_the_first_to_ask_may_be_stopped(clients: Clients) -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def play(visitor: Visitor) -> None:
        loop.call_soon_threadsafe(arrived.set)
        visitor.send(answer(LISTING))

    with RawServer(play) as server:
        hook = clients(server.url).hook
        first, second = (asyncio.create_task(hook.get_catalogue()) for _ in range(2))
        await arrived.wait()
        first.cancel()
        assert "acme/painter" in await second
        assert paths(server)["/v1/models"] == 1


async def test_an_error_is_shared_and_not_kept(clients: Clients) -> None:
    broken: list[Script] = [answer(json.dumps({"error": {"message": "broke"}}))] * 3
    with RawServer(*broken, answer(LISTING)) as server:
        hook = clients(server.url).hook
        errors = await asyncio.gather(*(hook.get_catalogue() for _ in range(5)), return_exceptions=True)
        assert all(isinstance(error, ImageRouterError) for error in errors)
        assert len(server.requests) == 3
        assert "acme/painter" in await hook.get_catalogue()


async def test_an_answer_is_kept_for_so_long() -> None:
    asked = []

    async def ask() -> int:
        asked.append(1)
        return len(asked)

    assert await share("it", ask, 0) == 1
    for _ in range(3):  # turns of the event loop: the answer is let go in one of them
        await asyncio.sleep(0)
    assert await share("it", ask, 60) == 2
    await asyncio.sleep(0)
    assert await share("it", ask, 60) == 2


def test_every_event_loop_asks_for_itself() -> None:
    async def ask() -> object:
        return object()

    assert asyncio.run(share("it", ask, 60)) is not asyncio.run(share("it", ask, 60))


def test_event_loops_in_many_threads_do_not_disturb_each_other(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)  # seconds: threads interrupt each other wherever they can

    async def ask() -> int:
        await asyncio.sleep(0.01)
        return 7

    def run(_: int) -> int:
        return asyncio.run(share("what", ask, 0))

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(run, range(500))) == [7] * 500
