"""How Stripe is reached: connections that threads share, what is asked again, and the proxy's login."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe

from kopeck.stripe_api.wire import BAD_PROXY, Wire
from tests.support.certificates import self_signed, serving

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


def test_who_speaks_no_tls_is_not_asked_again(server: Answering) -> None:
    with pytest.raises(stripe.APIConnectionError) as stranger:
        create(server.url.replace("http:", "https:"))
    assert (stranger.value.should_retry, server.connections, server.asked) == (False, 1, [])


def test_the_key_is_shown_to_who_proves_the_name_to_stripes_own_bundle(
    server: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "IP:127.0.0.1")
    server.socket = serving(certificate).wrap_socket(server.socket, server_side=True)
    monkeypatch.setattr(stripe, "ca_bundle_path", str(certificate))
    assert create(server.url.replace("http:", "https:")).id == "of_ours"


@pytest.mark.parametrize(("name", "is_trusted"), [("IP:127.0.0.1", False), ("DNS:stripe.example", True)])
def test_the_key_is_shown_to_no_stranger(
    server: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_trusted: bool
) -> None:
    certificate = self_signed(tmp_path, name)
    server.socket = serving(certificate).wrap_socket(server.socket, server_side=True)
    if is_trusted:
        monkeypatch.setattr(stripe, "ca_bundle_path", str(certificate))
    with pytest.raises(stripe.APIConnectionError, match="certificate verify failed") as stranger:
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


@pytest.mark.parametrize(
    "written", ["socks5://127.0.0.1:1080", "http://me:pa55@[bad", "http://127.0.0.1:99999"]
)
def test_a_proxy_that_cannot_be_one_is_said_at_the_call_without_its_password(
    monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    for name in ("all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, written)
    asking = client("http://stripe.example")
    with pytest.raises(stripe.APIConnectionError) as refusal:
        asking.v1.coupons.create({"percent_off": 5})
    assert not refusal.value.should_retry
    assert BAD_PROXY in str(refusal.value)
    assert "pa55" not in str(refusal.value)


@pytest.mark.parametrize("spared", ["::1", "[::1]", "[::1]:9", "*"])
def test_a_host_is_spared_the_proxy_by_each_way_to_name_it(
    server: Answering, monkeypatch: pytest.MonkeyPatch, spared: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, server.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, spared)
    with pytest.raises(stripe.APIConnectionError):
        create("http://[::1]:9")
    assert server.asked == []
