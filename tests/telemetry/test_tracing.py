"""Sentry and OpenTelemetry, as a web server really speaks to them: what arrives, and what never does."""

import gzip
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from django.db import connection
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from kopeck.orders.models import Order
from kopeck.stripe_api.accounts import SANDBOX_SECRET_KEY
from tests.support.shop import ShopSandbox, make_item
from tests.support.starting import free_port

pytestmark = pytest.mark.django_db(transaction=True)
BASE_DIR = Path(__file__).resolve().parents[2]


class Collector:
    """Plays Sentry's ingest and an OTLP collector: takes all, keeps it."""

    def __init__(self) -> None:
        self.bodies: queue.Queue[tuple[str, bytes]] = queue.Queue()
        taken = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                elif self.headers.get("Content-Encoding") == "br":  # Sentry's, where brotli is installed
                    body = import_module("brotli").decompress(body)
                taken.put((self.path, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def error(self) -> tuple[dict[str, Any], str]:
        """The next event that tells of an exception, and its whole envelope as text."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            body = self.bodies.get(timeout=240)[1].decode()
            for line in body.splitlines():
                event = json.loads(line)
                if "exception" in event:
                    return event, body
        raise AssertionError("no error came")

    def spans(self, until: str) -> tuple[list[Any], bytes]:
        """All spans up to the batch that holds one of this name, and all bodies."""
        found, bodies = [], b""
        while not any(span.name == until for span in found):
            body = self.bodies.get(timeout=240)[1]
            bodies += body
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += scope.spans
        return found, bodies


@pytest.fixture
def collector() -> Iterator[Collector]:
    started = Collector()
    yield started
    started.stop()


@contextmanager
def web(sandbox: ShopSandbox, **more: str) -> Iterator[str]:
    """The shop's web server on the tests' database; its address."""
    port = free_port()
    at = connection.settings_dict
    url = f"postgresql://{at['USER']}:{at['PASSWORD']}@/{at['NAME']}?host={at['HOST']}&port={at['PORT']}"
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "ENV_FILE": os.devnull, "SECRET_KEY": settings.SECRET_KEY, "DATABASE_URL": url, "STRIPE_SANDBOX": "1",
        "STRIPE_API_BASE": sandbox.url, "STRIPE_WEBHOOK_SECRET": "whsec_tests", "DATABASE_POOL": "4", **more,
    }  # fmt: skip
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    listen = ["--port", str(port), "--workers", "1", "--blocking-threads", "2", "kopeck.wsgi:application"]
    server = subprocess.Popen(
        [*command, *listen], env=env, cwd=BASE_DIR, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/healthz", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.communicate(timeout=240)


def _wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            requests.get(address, timeout=5)
        except requests.ConnectionError:
            assert server.poll() is None, server.communicate()[0].decode()
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the web server did not start")


def test_an_exception_arrives_at_sentry_without_what_must_stay_here(
    sandbox: ShopSandbox, collector: Collector
) -> None:
    order = Order.objects.create(currency="usd", email="buyer@example.com")
    with web(sandbox, SENTRY_DSN=f"http://public@{collector.host}/1") as shop:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE orders_orderline RENAME TO orders_orderline_away")
        try:
            answer = requests.get(
                f"{shop}{order.link}&client_secret=pi_1_secret_Abc",
                cookies={settings.VISITOR_COOKIE_NAME: "v" * 43, "sessionid": "staffs-session"},
                headers={"Authorization": "Bearer owners-token"},
                timeout=240,
            )
            event, envelope = collector.error()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE orders_orderline_away RENAME TO orders_orderline")
    assert answer.status_code == 500
    assert event["exception"]["values"][-1]["type"] == "ProgrammingError"
    assert event["request"] == {"method": "GET", "url": f"{shop}/order/{order.pk}"}
    assert "vars" not in json.dumps(event["exception"])
    keys = [order.key, "secret_Abc", "v" * 43, "staffs-session", "owners-token", "buyer@example.com"]
    ours = [settings.SECRET_KEY, "whsec_tests", SANDBOX_SECRET_KEY]
    assert [secret for secret in [*keys, *ours] if secret in envelope] == []


def test_a_buy_is_one_trace_of_request_sql_and_stripe(sandbox: ShopSandbox, collector: Collector) -> None:
    item = make_item()
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.host}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with web(sandbox, **asked) as shop:
        cookies = {settings.VISITOR_COOKIE_NAME: "v" * 43}
        made = requests.get(f"{shop}/buy/{item.pk}?key=order-key-1", cookies=cookies, timeout=240)
        spans, sent = collector.spans(until="GET /buy/{id}")
    assert made.status_code == 200
    (request,) = [span for span in spans if span.name == "GET /buy/{id}"]
    trace = [span for span in spans if span.trace_id == request.trace_id]
    names = [span.name for span in trace]
    assert names.count("stripe checkout.sessions.create") == 1
    assert {"INSERT", "SELECT"} <= set(names)
    below = {span.span_id for span in trace}
    assert all(span.parent_span_id in below for span in trace if span is not request)
    statements = [a.value.string_value for span in trace for a in span.attributes if a.key == "db.statement"]
    assert any("INSERT INTO" in statement and "%s" in statement for statement in statements)
    order = Order.objects.get()
    secrets = [
        order.key,
        order.visitor,
        "order-key-1",
        "v" * 43,
        SANDBOX_SECRET_KEY,
        made.json()["session_id"],
    ]
    assert [secret for secret in secrets if secret.encode() in sent] == []


def test_stripe_is_told_no_ids_of_ours_and_strangers_decide_no_trace() -> None:
    code = """if True:
        import kopeck.wsgi
        from opentelemetry import propagate, trace
        with trace.get_tracer("x").start_as_current_span("x", kind=trace.SpanKind.SERVER):
            headers = {}
            propagate.inject(headers)
        theirs = propagate.extract({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
        print(headers, trace.get_current_span(theirs).get_span_context().is_valid)
    """
    here, there = "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"
    assert run(code, **{here: there}) == "{} False\n"
    assert "traceparent" in run(code, **{here: there}, OTEL_PROPAGATORS="tracecontext")


def run(code: str, **more: str) -> str:
    """What a process of the shop prints."""
    env = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**env, **more}, cwd=BASE_DIR, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_of_the_shop(**more: str) -> set[str]:
    """What a web server's process imports."""
    imported = run("import kopeck.wsgi, sys; print(*sys.modules)", **more)
    return {name.split(".")[0] for name in imported.split()}


def test_without_the_settings_nothing_of_them_is_imported() -> None:
    assert {"sentry_sdk", "opentelemetry"} & modules_of_the_shop() == set()


@pytest.mark.slow
def test_with_the_settings_each_is_imported_by_itself() -> None:
    sentry = modules_of_the_shop(SENTRY_DSN="http://public@127.0.0.1:9/1")
    assert {"sentry_sdk", "opentelemetry"} & sentry == {"sentry_sdk"}
    traces = modules_of_the_shop(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert {"sentry_sdk", "opentelemetry"} & traces == {"opentelemetry"}
