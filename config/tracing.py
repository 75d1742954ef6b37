"""Traces, where somebody collects them (OpenTelemetry); where nobody does, nothing of it is even imported.

The standard variables say where to: ``OTEL_EXPORTER_OTLP_ENDPOINT`` and all others of the OpenTelemetry SDK. Spans hold
what log lines hold, which is ids, codes, routes and durations; never what somebody typed.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import structlog

from config import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span
    from temporalio.client import Interceptor

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN: Final = "http/protobuf"
_SERVER_ERROR: Final = 500
# A process that ends does not wait longer for a collector that does not answer.
_LAST_SECONDS: Final = 2.0

_provider: "TracerProvider | None" = None


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names a collector, and does not switch tracing off.

    Raises ``ValueError`` for an exporter or a protocol that is not ours.
    """
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER") or (
        "otlp" if any(environment.get(name) for name in _ENDPOINTS) else "none"
    )
    if exporter == "none":
        return False
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _SPOKEN)
    if (exporter, protocol) != ("otlp", _SPOKEN):
        raise ValueError(f"OTEL_TRACES_EXPORTER must be otlp or none, and OTEL_EXPORTER_OTLP_PROTOCOL {_SPOKEN}")
    return True


def start(process: str, exporter: "SpanExporter | None" = None) -> bool:
    """Trace this process, if the environment asks for it or an ``exporter`` is given; whether it is traced.

    ``process`` names it where ``OTEL_SERVICE_NAME`` does not. Raises ``RuntimeError`` where the extra ``otel`` is
    missing, and what ``is_wanted`` raises.
    """
    global _provider  # noqa: PLW0603  # a process is traced once, as it is logged once
    if _provider is None and (exporter is not None or is_wanted()):
        _provider = _new_provider(process, exporter)
    return _provider is not None


def _new_provider(process: str, exporter: "SpanExporter | None") -> "TracerProvider":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        msg = "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces; they need the extra otel (pip install 'laurel[otel]')"
        raise RuntimeError(msg) from None
    named = Resource.create({"service.name": f"laurel-{process}", "service.version": __version__})
    provider = TracerProvider(resource=named.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    return provider


def stop() -> None:
    """Send what was not sent yet, for at most two seconds, and trace no more."""
    global _provider
    provider, _provider = _provider, None
    if provider is not None:
        last = Thread(target=provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(_LAST_SECONDS)


def temporal_interceptors() -> "list[Interceptor]":
    """What has Temporal's client and workers hand traces on and add their own spans."""
    if _provider is None:
        return []
    from temporalio.contrib.opentelemetry import TracingInterceptor  # noqa: PLC0415

    return [TracingInterceptor(_provider.get_tracer("laurel", __version__))]


def span(name: str) -> AbstractContextManager[Any]:
    """A step within what is being traced."""
    if _provider is None:
        return nullcontext()
    return _provider.get_tracer("laurel", __version__).start_as_current_span(name, record_exception=False)


def note(**ids: str) -> None:
    """Have every further log line of this request or activity, and its span, name these ids."""
    structlog.contextvars.bind_contextvars(**ids)
    if _provider is not None:
        from opentelemetry.trace import get_current_span  # noqa: PLC0415

        get_current_span().set_attributes({f"laurel.{name}": value for name, value in ids.items()})


def trace_id() -> str | None:
    """The trace that this code runs in, in hex, as a log line names it."""
    if _provider is None:
        return None
    from opentelemetry.trace import format_trace_id, get_current_span  # noqa: PLC0415

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


@contextmanager
def request(headers: Mapping[str, str]) -> "Iterator[Span]":
    """The span of one request; it continues the trace that the caller names (``traceparent``), and none of its baggage.

    Only while this process is traced.
    """
    assert _provider is not None  # noqa: S101  # its layer is only there then
    from opentelemetry.trace import SpanKind, use_span  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    parent = TraceContextTextMapPropagator().extract(headers)
    tracer = _provider.get_tracer("laurel", __version__)
    begun = tracer.start_span("request", context=parent, kind=SpanKind.SERVER)
    with use_span(begun, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        yield begun


def describe_request(of: "Span", method: str, route: str, status: int, request_id: str) -> None:
    """Say of a request's span what it was, once that is known."""
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    of.update_name(f"{method} {route}")
    of.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "laurel.request_id": request_id,
        }
    )
    if status >= _SERVER_ERROR:
        of.set_status(StatusCode.ERROR)
