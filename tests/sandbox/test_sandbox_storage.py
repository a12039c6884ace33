from __future__ import annotations

from airflow_provider_imagerouter.sandbox.books import MAX_CALLS, Ledger
from airflow_provider_imagerouter.sandbox.stored_files import MAX_BYTES, Storage


def test_the_oldest_files_make_room():
    storage = Storage()
    piece = bytes(MAX_BYTES // 8)
    for number in range(10):
        storage.keep(f"{number}.png", piece)
    assert [storage.get(f"{number}.png") is not None for number in range(10)] == [False] * 2 + [True] * 8


def test_the_totals_outlive_dropped_calls():
    ledger = Ledger()
    for _ in range(MAX_CALLS + 5):
        ledger.refuse(ledger.open("/v1/openai/images/generations"), 400)
    report = ledger.report(calls=True)
    assert (report["totals"]["calls"], len(report["calls"])) == (MAX_CALLS + 5, MAX_CALLS)
