"""Errors to Sentry, traces by OpenTelemetry, for who asks for them: SENTRY_DSN, the standard OTEL_ variables.

Nothing of either is imported otherwise. What leaves the shop holds no query, no body, no cookie, no local
variable and no value of an SQL statement, and goes through `redaction.scrub` besides.
"""

import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kopeck.telemetry.redaction import scrub

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

WITH_QUERIES = ("http.url", "http.target", "url.full", "url.query")
_NUMBER = re.compile(r"/\d+(?=/|$)")


def wanted() -> bool:
    """Whether the standard variables ask for traces."""
    asked = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(os.environ.get(name) for name in asked)


def start(sentry_dsn: str, sentry_traces: float) -> None:
    """Called once a process, by the settings. `sentry_traces`: the share of requests that Sentry traces."""
    if sentry_dsn:
        _tell_sentry(sentry_dsn, sentry_traces)
    if wanted():
        _trace()


def wrapped(application: Any) -> Any:
    """The WSGI application, with a span around each request where traces are asked for."""
    if not wanted():
        return application
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware(application)


def of_job(name: str) -> AbstractContextManager[Any]:
    """The span of a job of the worker."""
    if not wanted():
        return nullcontext()
    from opentelemetry import trace

    return trace.get_tracer(__name__).start_as_current_span(name, kind=trace.SpanKind.CONSUMER)


def _tell_sentry(dsn: str, traces: float) -> None:
    import sentry_sdk
    from sentry_sdk.integrations.django import DjangoIntegration

    sentry_sdk.init(
        dsn=dsn,
        traces_sample_rate=traces,
        integrations=[DjangoIntegration()],
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=_without_secrets,
        before_send_transaction=_without_secrets,
        before_breadcrumb=lambda crumb, hint: _scrubbed(crumb),
    )


def _without_secrets(event: Any, hint: dict[str, Any]) -> Any:
    request = event.get("request")
    if request:
        kept = {name: request[name] for name in ("method", "url") if name in request}
        event["request"] = kept | {"url": str(request.get("url", "")).partition("?")[0]}
    return _scrubbed(event)


def _scrubbed(value: Any) -> Any:
    """All strings in it, however deep, without queries' and other secrets."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        # `http.query` is how Sentry calls the query of an address that was asked.
        return {
            name: _scrubbed(each) for name, each in value.items() if name not in ("http.query", "cookies")
        }
    if isinstance(value, list | tuple):
        return [_scrubbed(each) for each in value]
    return value


def _trace() -> None:
    os.environ.setdefault("OTEL_SERVICE_NAME", "kopeck")
    from opentelemetry import propagate, trace
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not os.environ.get("OTEL_PROPAGATORS"):
        # No ids of ours go to Stripe, and nobody who asks us decides what is traced.
        propagate.set_global_textmap(_silence())
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    trace.set_tracer_provider(provider)
    URLLib3Instrumentor().instrument()
    PsycopgInstrumentor().instrument()


def _silence() -> Any:
    """The propagator that says and hears nothing (the library's "none" fails where a request begins)."""
    from opentelemetry.context import get_current
    from opentelemetry.propagators.composite import CompositePropagator

    class Silence(CompositePropagator):
        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
            return get_current() if context is None else context

    return Silence([])


def _exporter() -> Any:
    """Sends each span without queries, exception texts and secrets.

    Not what belongs to no request and no job: the worker's own questions for work, all day.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    class Cleaning(OTLPSpanExporter):
        def export(self, spans: "Sequence[ReadableSpan]") -> SpanExportResult:
            kept = [_clean(span) for span in spans if span.parent or span.kind.name != "CLIENT"]
            return super().export(kept) if kept else SpanExportResult.SUCCESS

    return Cleaning()


def _clean(span: "ReadableSpan") -> "ReadableSpan":
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Status

    attributes = {
        name: _scrubbed(value.partition("?")[0] if name in WITH_QUERIES and isinstance(value, str) else value)
        for name, value in (span.attributes or {}).items()
        if name != "url.query"
    }
    return ReadableSpan(
        name=_name(span),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=(),  # exceptions: their texts may hold values of the database
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def name_of(method: str, url: str) -> str:
    """A call of Stripe as its library names it, without ids: `checkout.sessions.create`, `refunds.list`."""
    path, asked = urlsplit(url).path.partition("/v1/")[2].replace("checkout/", "checkout."), method.upper()
    name, *rest = path.split("/")
    if name == "account":  # there is one
        return "account.retrieve"
    if not rest:
        verb = "list" if asked == "GET" else "create"
    elif len(rest) == 1:  # an id
        verb = {"GET": "retrieve", "DELETE": "delete"}.get(asked, "update")
    else:  # what belongs to the object, or is done to it
        verb = ".".join([*rest[1:], "list"] if asked == "GET" else rest[1:])
    return f"{name}.{verb}"


def _name(span: "ReadableSpan") -> str:
    """Without ids: `GET /order/{id}`, `stripe checkout.sessions.create`."""
    asked = span.attributes or {}
    url, method = asked.get("http.url") or asked.get("url.full"), asked.get("http.method", "")
    method = method or asked.get("http.request.method", "")
    if span.kind.name == "CLIENT" and "/v1/" in str(url):
        return f"stripe {name_of(str(method), str(url))}"
    return _NUMBER.sub("/{id}", span.name)
