"""
What is told of paid calls: a span each (OpenTelemetry), and metrics (Airflow's own), where the deployment has these on.

Neither says a prompt or a key. What goes wrong with them is no failure of the call: it is paid for.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec
from urllib.parse import urlsplit

from airflow_provider_imagerouter import __version__
from airflow_provider_imagerouter.compat import legacy_names_of_metrics, stats
from airflow_provider_imagerouter.exceptions import ImageRouterError

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from airflow_provider_imagerouter.api.answer import Answer
    from airflow_provider_imagerouter.api.request import Request

LONGEST_VALUE = 80
"""Characters of a tag's value: Airflow drops metrics whose name and tags have more than 250 together."""

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")

_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_./-]")
"""What Airflow lets into no metric with InfluxDB's tags; other backends have tags of the same spelling."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def _harmless(tell: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Make a function that tells something say in the log what went wrong with that, once, and go on."""

    @wraps(tell)
    def harmless(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception as error:  # whatever a backend of metrics or an exporter of spans raises
            _say_once(f"{type(error).__name__}: {error}")

    return harmless


@lru_cache(maxsize=100)
def _say_once(error: str) -> None:
    log.warning("Metrics or spans of calls are missing: %s", error)


@dataclass
class PaidCall:
    """
    A call that is told of when it has ended.

    :param request: what was asked
    :param span: its span, if there is one
    :param answer: what came, once it is there
    """

    request: Request
    span: Span | None = None
    answer: Answer | None = None

    @_harmless
    def begin(self, base_url: str) -> None:
        """
        Begin its span, by the conventions for generative AI.

        :param base_url: where it is sent
        """
        from opentelemetry import trace

        tracer = trace.get_tracer("airflow_provider_imagerouter", __version__)
        self.span = tracer.start_span(f"generate_content {self.request.model}", kind=trace.SpanKind.CLIENT)
        server = urlsplit(base_url)
        self._note(
            {
                "gen_ai.operation.name": "generate_content",
                "gen_ai.provider.name": "imagerouter",
                "gen_ai.request.model": self.request.model,
                "gen_ai.output.type": self.request.output,
                "server.address": server.hostname,
                "server.port": server.port,
            }
        )

    @_harmless
    def end(self, error: BaseException | None) -> None:
        """
        End its span.

        :param error: how it failed, if it did
        """
        from opentelemetry.trace import StatusCode

        if self.span is None:
            return
        if self.answer:
            self._note(
                {
                    "imagerouter.pictures": len(self.answer.pictures),
                    "imagerouter.latency_ms": self.answer.latency_ms,
                }
            )
        if error:
            self.span.set_status(StatusCode.ERROR)
            self._note({"error.type": type(error).__name__})
        if isinstance(error, ImageRouterError):
            self._note({"imagerouter.billed": error.billed, "http.response.status_code": error.status_code})
        cost = self._cost(error)
        self._note({"imagerouter.cost_usd": None if cost is None else float(cost)})
        self.span.end()

    @_harmless
    def count(self, error: BaseException | None, seconds: float) -> None:
        """
        Count it.

        :param error: how it failed, if it did
        :param seconds: how long it took, with the times it was sent again
        """
        tags = {"model": self.request.model, "outcome": type(error).__name__ if error else "success"}
        _tell("calls", stats().incr, 1, tags)
        _tell("call_duration", stats().timing, timedelta(seconds=seconds), tags)
        if cost := self._cost(error):
            _tell("cost_micro_usd", stats().incr, int(cost * 1_000_000), tags)

    def _cost(self, error: BaseException | None) -> Decimal | None:
        """Return what was billed, USD, as far as the answer says."""
        if self.answer:
            return self.answer.cost
        return error.cost if isinstance(error, ImageRouterError) else None

    def _note(self, attributes: dict[str, Any]) -> None:
        """Note on the span what is known."""
        if self.span:
            self.span.set_attributes({name: value for name, value in attributes.items() if value is not None})


@contextmanager
def paid_call(request: Request, base_url: str) -> Iterator[PaidCall]:
    """
    Tell of the call that is carried out in this context, whose ``answer`` is to be set.

    :param request: what is asked
    :param base_url: where it is sent
    """
    call, failure, begun = PaidCall(request), None, time.monotonic()
    call.begin(base_url)
    try:
        with _current(call.span):
            yield call
    except BaseException as error:
        failure = error
        raise
    finally:
        call.end(failure)
        call.count(failure, time.monotonic() - begun)


def _current(span: Span | None) -> Any:
    """Return a context in which a span is the current one."""
    if span is None:
        return nullcontext()
    from opentelemetry.trace import use_span

    return use_span(span, record_exception=False, set_status_on_exception=False)  # a message may quote the prompt


@_harmless
def resent(error: BaseException | None) -> None:
    """
    Tell that a call which did not run is sent again.

    :param error: why it did not run
    """
    from opentelemetry.trace import get_current_span

    reason = type(error).__name__
    _tell("retries", stats().incr, 1, {"reason": reason})
    get_current_span().add_event("resent", {"error.type": reason})


@_harmless
def orphaned(model: str, billed: str) -> None:
    """
    Tell of a call of an earlier attempt whose end is not known.

    :param model: which was asked
    :param billed: ``yes``, ``no`` or ``unknown``
    """
    _tell("orphans", stats().incr, 1, {"model": model, "billed": billed})


@_harmless
def stored(model: str | None, size: int) -> None:
    """
    Tell of a stored picture.

    :param model: which made it, if that is known
    :param size: bytes
    """
    _tell("stored_bytes", stats().incr, size, {"model": model or "unknown"})


def _tell(name: str, tell: Callable[..., None], value: Any, tags: dict[str, str]) -> None:
    """Give Airflow's metrics a value, with tags; and under a name with the tags' values, for backends without tags."""
    cleaned = {tag: _NOT_IN_TAGS.sub("_", text[:LONGEST_VALUE]) for tag, text in tags.items()}
    tell(f"imagerouter.{name}", value, tags=cleaned)
    if legacy_names_of_metrics():
        parts = [_NOT_IN_NAMES.sub("_", text) for text in cleaned.values()]
        tell(".".join(["imagerouter", name, *parts]), value)
