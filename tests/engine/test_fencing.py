"""An attempt that was frozen while a call waited to be sent again: somebody else may spend by then."""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from pathlib import Path

import pytest
from support.ledger_attempt import attempt, in_files
from support.raw_server import RawServer, answer

from airflow_provider_imagerouter.api.request import ImageRequest
from airflow_provider_imagerouter.engine.sender import Sender
from airflow_provider_imagerouter.exceptions import ImageRouterStorageError
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook
from airflow_provider_imagerouter.ledger.ledger import Ledger

TOO_MANY = answer(b'{"error": {"message": "Too many"}}', "429 Too Many Requests", retry_after=3)
MADE = answer(b'{"data": [{"url": "https://x.example/1.webp"}], "cost": 0.004}')


@pytest.mark.parametrize("another_comes", [True, False])
async def test_a_refused_call_is_sent_again_only_by_whoever_may_spend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another_comes: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__IMAGEROUTER__LEASE_SECONDS", "1")
    place = partial(in_files, tmp_path)
    with RawServer(TOO_MANY, MADE) as server:
        connection = {"conn_type": "imagerouter", "host": server.url, "password": "k" * 64}
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
        frozen = Ledger(await asyncio.to_thread(place), 0)
        await frozen.open()
        monkeypatch.setattr(frozen._lease, "_write", lambda: None)
        sender = Sender(ImageRouterAsyncHook(), frozen, None, outlives_task=False, log_level=logging.INFO)
        sending = asyncio.create_task(sender.send("key", ImageRequest(model="test/test", prompt="a cat")))
        if another_comes:
            async with attempt(place):  # which waits for the end of the lease
                with pytest.raises(ImageRouterStorageError, match="another one has taken over") as caught:
                    await sending
            assert caught.value.billed == "no"
        else:
            await sending
        await frozen.close()
        assert server.posts == (1 if another_comes else 2)
