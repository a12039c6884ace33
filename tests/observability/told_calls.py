"""
Makes calls, as a process of Airflow does, whose metrics and spans the test receives.

Usage: python told_calls.py NAME, where the connection is in the environment. Prints what it got, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from statsd import StatsClient

from airflow_provider_imagerouter.exceptions import ImageRouterError
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterAsyncHook, ImageRouterHook

FLUX = "black-forest-labs/FLUX-1-schnell"
SPANS: list[dict[str, Any]] = []


class InMemory(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        SPANS.extend(json.loads(span.to_json()) for span in spans)
        return SpanExportResult.SUCCESS


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
        async with asyncio.timeout(1):
            await ImageRouterAsyncHook().generate("A lighthouse", model="sandbox/slow-8")

    try:
        asyncio.run(main())
    except TimeoutError:
        return ["TimeoutError"]
    return []


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
        trace_to(SimpleSpanProcessor(InMemory()))
    got = {"all_kinds": all_kinds, "side_by_side": side_by_side, "cancelled": cancelled}.get(name, one)()
    print(json.dumps({"got": got, "spans": SPANS}))


if __name__ == "__main__":
    main(sys.argv[1])
