"""How Stripe is reached: connections that threads share, what is asked again, and the proxy's login."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from kopeck.stripe_api.wire import Wire

pytestmark = pytest.mark.sockets


class Answering(ThreadingHTTPServer):
    """Counts its connections, notes the path and headers of each request, and answers as it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.connections, self.asked = 0, list[tuple[str, Any]]()
        self.status, self.headers = 200, dict[str, str]()

    def get_request(self) -> tuple[Any, Any]:
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # what is no HTTP: a handshake of TLS

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answering

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers))
        body = json.dumps({"object": "coupon", "id": "of_ours"}).encode()
        self.send_response(self.server.status)
        for name, value in {**self.server.headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)


def client(base: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        "sk_test_a",
        http_client=Wire("default", base, 5),
        base_addresses={"api": base},
        max_network_retries=2,
    )


def create(base: str) -> stripe.Coupon:
    return client(base).v1.coupons.create({"percent_off": 5})


def test_all_threads_ask_by_the_connections_that_are_kept(server: Answering) -> None:
    asking = client(server.url)
    for _ in range(4):
        thread = threading.Thread(target=lambda: asking.v1.coupons.create({"percent_off": 5}))
        thread.start()
        thread.join()
    assert (len(server.asked), server.connections) == (4, 1)


def test_who_does_not_answer_is_asked_again_with_the_same_key(server: Answering) -> None:
    server.status = 503
    with pytest.raises(stripe.APIError):
        create(server.url)
    keys = {headers["Idempotency-Key"] for _path, headers in server.asked}
    assert (len(server.asked), len(keys)) == (3, 1)
    with pytest.raises(stripe.APIConnectionError) as nobody:
        create("http://127.0.0.1:9")
    assert nobody.value.should_retry


def test_who_is_not_stripe_by_its_certificate_is_not_asked_again(server: Answering) -> None:
    with pytest.raises(stripe.APIConnectionError) as stranger:
        create(server.url.replace("http:", "https:"))
    assert (stranger.value.should_retry, server.connections, server.asked) == (False, 1, [])


def test_no_redirect_takes_the_key_elsewhere(server: Answering) -> None:
    server.status, server.headers = 307, {"Location": f"{server.url}/elsewhere"}
    with pytest.raises(stripe.StripeError):
        create(server.url)
    assert [path for path, _headers in server.asked] == ["/v1/coupons"]


@pytest.mark.parametrize("written", ["http://me:p%40ss@", "me:p%40ss@"])
def test_a_proxy_of_the_environment_is_told_its_login(
    server: Answering, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"{written}127.0.0.1:{server.server_port}")
    assert create("http://stripe.example").id == "of_ours"
    ((path, headers),) = server.asked
    assert path == "http://stripe.example/v1/coupons"
    login = base64.b64encode(b"me:p@ss").decode()
    assert headers["Proxy-Authorization"] == f"Basic {login}"
    assert headers["Authorization"] == "Bearer sk_test_a"
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "stripe.example")
    with pytest.raises(stripe.APIConnectionError):
        create("http://stripe.example:9")
    assert len(server.asked) == 1
