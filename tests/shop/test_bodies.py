"""Bodies that are too large, have no length or break off, at the real web server."""

import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from kopeck.bodies import MOST_BYTES, WholeBodies
from kopeck.orders.models import Order
from tests.conftest import make_item
from tests.shop.serving import THREADS, Served, served

pytestmark = pytest.mark.django_db(transaction=True)
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, STRIPE_API_BASE="http://127.0.0.1:9") as shop:
        yield shop


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/api/v1/orders", 413, "body_too_large"),
        ("/webhooks/stripe/default", 400, "payload_unreadable"),
        ("/nowhere", 404, "not_found"),
        ("/", 405, "method_not_allowed"),
    ],
)
def test_who_sends_too_much_gets_the_answer(shop: Served, address: str, status: int, code: str) -> None:
    answers = Counter(
        (answer.status_code, answer.json()["error"]["code"])
        for answer in (
            requests.post(
                f"{shop.url}{address}",
                b" " * 10_000_000,
                headers={"Accept": JSON, "Content-Type": JSON},
                timeout=30,
            )
            for _ in range(20)
        )
    )
    assert answers == {(status, code): 20}


def test_a_body_without_a_length_is_read(shop: Served) -> None:
    item = make_item(price=1000)
    text = json.dumps({"lines": [{"item": item.pk, "quantity": 3}]}).encode()

    def in_pieces() -> Iterator[bytes]:
        yield from (text[:10], text[10:])

    answer = requests.post(
        f"{shop.url}/api/v1/orders", data=in_pieces(), headers={"Content-Type": JSON}, timeout=30
    )
    assert (answer.status_code, answer.json()["total"]) == (201, 3000)
    larger = requests.post(
        f"{shop.url}/api/v1/orders",
        data=(b" " * 100_000 for _ in range(40)),
        headers={"Content-Type": JSON},
        timeout=30,
    )
    assert (larger.status_code, larger.json()["error"]["code"]) == (413, "body_too_large")


def send(shop: Served, address: str, head: bytes, body: bytes) -> None:
    """A request that ends after `body`, whatever its head has said."""
    with socket.create_connection((urlsplit(shop.url).hostname, urlsplit(shop.url).port)) as line:
        line.sendall(b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n\r\n%s" % (address.encode(), head, body))
        line.shutdown(socket.SHUT_WR)
        line.settimeout(10)
        try:
            while line.recv(4096):
                pass
        except OSError:
            pass  # hung up without an answer, which is all the same to who has gone


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("announced", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_nobody_waits_for_the_body_of_a_get(shop: Served, method: str, announced: str) -> None:
    """More of them than there are threads, each announcing a body that never comes."""
    head = f"{method} /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {JSON}\r\n{announced}\r\n\r\n"
    address = (urlsplit(shop.url).hostname, urlsplit(shop.url).port)
    with ExitStack() as held:
        lines = [
            held.enter_context(socket.create_connection(address, timeout=30)) for _ in range(THREADS + 8)
        ]
        for line in lines:
            line.sendall(head.encode())
        assert requests.get(f"{shop.url}/", timeout=30).status_code == 200
        assert {line.recv(15) for line in lines} == {b"HTTP/1.1 200 OK"}


def test_a_get_with_a_body_is_answered_as_one_without(shop: Served) -> None:
    json_type = {"Content-Type": JSON}
    for body in (b"[1]", (piece for piece in [b"[1", b"]"]), b" " * 10_000):
        answer = requests.get(f"{shop.url}/healthz", data=body, headers=json_type, timeout=30)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def wait_for_log(file: Path, text: str) -> str:
    for _ in range(100):
        if text in (log := file.read_text()):
            return log
        time.sleep(0.1)
    raise AssertionError(f"{text!r} is not in:\n{log}")


@pytest.mark.parametrize("chunked", [False, True])
def test_half_a_form_orders_nothing(shop: Served, chunked: bool, tmp_path: Path) -> None:
    """Of `item_1=12` the `item_1=1` had come: an order of one would be another than was meant."""
    item = make_item()
    body = f"item_{item.pk}=1".encode()
    kind = b"Content-Type: %s\r\n" % FORM.encode()
    if chunked:
        send(shop, "/order", kind + b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(body), body))
    else:
        send(shop, "/order", kind + b"Content-Length: %d" % (len(body) + 1), body)
    log = wait_for_log(tmp_path / "web.log", "POST /order")
    assert f"POST /order {411 if chunked else 400}" in log
    assert "Traceback" not in log
    assert not Order.objects.exists()
    whole = requests.post(f"{shop.url}/order", body, headers={"Content-Type": FORM}, timeout=30)
    assert whole.url.startswith(f"{shop.url}/order/")
    assert Order.objects.count() == 1


def test_the_end_of_an_endless_body_is_not_waited_for() -> None:
    class Endless:
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b" " * size

        readline = read

    endless = Endless()
    refuses = WholeBodies(lambda environ, start_response: [b"no"])
    environ = {"REQUEST_METHOD": "POST", "wsgi.input": endless, "CONTENT_LENGTH": str(10**12)}
    assert list(refuses(environ, None)) == [b"no"]
    assert MOST_BYTES <= endless.given < 2 * MOST_BYTES
