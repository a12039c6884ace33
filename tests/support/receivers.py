"""What a deployment sends its metrics and spans to: StatsD over UDP, and OpenTelemetry over HTTP, on loopback."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class StatsD:
    """A StatsD server that keeps what it is told; to be used in ``with``."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._receive, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _receive(self) -> None:
        while packet := self._socket.recv(65536):
            self._lines += packet.decode().splitlines()

    @property
    def environ(self) -> dict[str, str]:
        """What an Airflow needs to send its metrics here."""
        section = "AIRFLOW__METRICS__STATSD_"
        return {f"{section}ON": "True", f"{section}HOST": "127.0.0.1", f"{section}PORT": str(self.port)}

    def told(self) -> list[tuple[str, str]]:
        """Return the metrics of this package so far: names, and values with their kind (``1|c``)."""
        pairs = [line.partition(":") for line in list(self._lines)]
        return [(name, value) for name, _, value in pairs if name.startswith("airflow.imagerouter.")]


class Span(NamedTuple):
    """What a span says."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    events: list[str]
    failed: bool
    service: str


class Collector:
    """An OpenTelemetry collector that keeps the spans; to be used in ``with``."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                spans.extend(_spans(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environ(self) -> dict[str, str]:
        """What an Airflow needs to send its spans here."""
        return {
            "AIRFLOW__TRACES__OTEL_ON": "True",
            "OTEL_TRACES_EXPORTER": "otlp_proto_http",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }


def _spans(body: bytes) -> list[Span]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Span(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes={each.key: _value(each.value) for each in span.attributes},
            events=[event.name for event in span.events],
            failed=span.status.code == 2,
            service=next((_value(each.value) for each in of.resource.attributes if each.key == "service.name"), ""),
        )
        for of in request.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


class Receivers(NamedTuple):
    """Where a real Airflow tells of its runs: metrics, spans, and a file of OpenLineage's events."""

    statsd: StatsD
    collector: Collector
    lineage: Path

    @property
    def environ(self) -> dict[str, str]:
        """What an Airflow needs to tell all of it; lineage only of Dags that ask for it: its provider forks."""
        transport = {"type": "file", "log_file_path": str(self.lineage), "append": True}
        return {
            **self.statsd.environ,
            **self.collector.environ,
            "AIRFLOW__OPENLINEAGE__SELECTIVE_ENABLE": "True",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        }

    def events(self) -> list[dict[str, Any]]:
        """Return OpenLineage's events so far."""
        return [json.loads(line) for line in self.lineage.read_text().splitlines()] if self.lineage.exists() else []
