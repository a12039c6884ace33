"""
Makes calls, as a process of Airflow does, whose metrics and spans the test receives.

Usage: python told_calls.py NAME, where the connection is in the environment. Prints what it got, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from contextlib import suppress
from typing import Any, ClassVar

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from statsd import StatsClient
from support.pictures import picture

from airflow_provider_imagerouter.api.request import ImageRequest
from airflow_provider_imagerouter.engine.pictures import PictureStore
from airflow_provider_imagerouter.engine.settling import heed_orphan
from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook, ImageRouterHook
from airflow_provider_imagerouter.ledger.entries import Orphaned
from airflow_provider_imagerouter.records import Record, record_of_location

FLUX = "black-forest-labs/FLUX-1-schnell"
SPANS: list[dict[str, Any]] = []


class InMemory(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        SPANS.extend(json.loads(span.to_json()) for span in spans)
        return SpanExportResult.SUCCESS


class Begun(SimpleSpanProcessor):
    """Notes which spans have begun."""

    spans: ClassVar[list[str]] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.spans.append(span.name)


class Raises(SpanProcessor):
    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("no span begins")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("no span ends")


def trace_to(processor: SpanProcessor) -> None:
    provider = TracerProvider()
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)


def ask(model: str, prompt: str = "A secret lighthouse") -> str:
    try:
        return str(ImageRouterHook().generate(prompt, model=model))
    except ImageRouterError as error:
        return type(error).__name__


def all_kinds() -> list[str]:
    """Ask for what succeeds, fails, is billed though it fails, is sent again, and has an odd name."""
    models = ("flaky", "fails", "fails-and-bills", "null-cost", "rate-limited", "refuses")
    asked = [FLUX, *(f"sandbox/{name}" for name in models), "a:b|c,d=é#"]
    with trace.get_tracer("test").start_as_current_span("the task"):
        return [ask(model) for model in asked]


def side_by_side() -> list[str]:
    async def main() -> list[str]:
        hook = ImageRouterAsyncHook()
        with trace.get_tracer("test").start_as_current_span("the task"):
            answers = await asyncio.gather(*(hook.generate(str(i), model="sandbox/slow-0.5") for i in range(3)))
        return [str(answer) for answer in answers]

    return asyncio.run(main())


def cancelled() -> list[str]:
    async def main() -> None:
        call = asyncio.create_task(ImageRouterAsyncHook().generate("A lighthouse", model="sandbox/slow-8"))
        while not Begun.spans:
            await asyncio.sleep(0.05)
        call.cancel()
        await call

    try:
        asyncio.run(main())
    except asyncio.CancelledError:
        return ["CancelledError"]
    return []


def engine() -> list[str]:
    """Store a picture, and meet orphaned calls: one that is sent again, one that is not yet judged."""
    request = ImageRequest(model=FLUX, prompt="A secret lighthouse")
    heed_orphan(request, Orphaned(billed="unknown", said="it may be billed"), "resubmit")
    with suppress(ImageRouterError):
        heed_orphan(request, Orphaned(said="it may be at work", may_be_known_later=True), "resubmit_unbilled")

    async def store() -> Record:
        settings = await ImageRouterAsyncHook().get_settings()
        with tempfile.TemporaryDirectory() as folder:
            pictures = await PictureStore.open(folder, settings)
            return await pictures.add({**record_of_location(""), "model": FLUX}, picture(), "picture", 1)

    return [str(asyncio.run(store())["size_bytes"])]


def one() -> list[str]:
    return [ask(FLUX)]


class RaisingStatsClient(StatsClient):
    """What Airflow sends metrics with where `[metrics] statsd_custom_client_path` says so."""

    def incr(self, stat: str, *_: Any, **__: Any) -> None:
        if "imagerouter" in stat:
            raise RuntimeError("no counter counts")


def main(name: str) -> None:
    if name == "broken":
        trace_to(Raises())
    elif name != "untraced":
        trace_to(Begun(InMemory()))
    got = {"all_kinds": all_kinds, "side_by_side": side_by_side, "cancelled": cancelled, "engine": engine}.get(
        name, one
    )()
    print(json.dumps({"got": got, "spans": SPANS}))


if __name__ == "__main__":
    main(sys.argv[1])
