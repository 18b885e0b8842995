"""Who sends a request slowly, or not to its end, waits at the door and holds no thread of the shop."""

import http.client
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.ship.servers import Servers, get, status

pytestmark = pytest.mark.timeout(240)
HELD = 2 * 16 + 8  # more than both servers have threads


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/order", "application/x-www-form-urlencoded"),
        ("/api/v1/orders", "application/json"),
        ("/healthz", ""),
    ],
)
def test_half_sent_requests_hold_nobody_else(servers: Servers, path: str, kind: str) -> None:
    door = urlsplit(servers.shop)
    facts = {"Host": door.netloc, "Content-Type": kind, "Content-Length": "500000"}
    head = "".join(f"{name}: {value}\r\n" for name, value in facts.items())
    with ExitStack() as held:
        for _ in range(HELD):
            line = held.enter_context(socket.create_connection((door.hostname, door.port), timeout=30))
            line.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + b" " * 100_000)
        for _ in range(10):
            assert status(f"{servers.shop}/") == 200
        for web in servers.web:
            assert get(f"{web}/healthz")[0] == 200


def test_what_came_slowly_but_whole_is_answered(servers: Servers) -> None:
    connection = http.client.HTTPConnection(urlsplit(servers.shop).netloc, timeout=30)
    connection.putrequest("POST", "/api/v1/orders")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "2000000")
    connection.endheaders()
    for _ in range(20):
        connection.send(b" " * 100_000)
    assert connection.getresponse().status == 400
    connection.close()
