"""Who sends a request slowly, or not to its end, waits at the door and holds no thread of the shop."""

import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import psutil
import pytest

from tests.system.ship.servers import Servers, get, status

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
            line = held.enter_context(socket.create_connection((door.hostname, door.port), timeout=240))
            line.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + b" " * 100_000)
        for _ in range(10):
            assert status(f"{servers.shop}/") == 200
        for web in servers.web:
            assert get(f"{web}/healthz")[0] == 200


def test_what_came_slowly_but_whole_is_answered(servers: Servers) -> None:
    connection = http.client.HTTPConnection(urlsplit(servers.shop).netloc, timeout=240)
    connection.putrequest("POST", "/api/v1/orders")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    for _ in range(10):
        connection.send(b" " * 100_000)
    assert connection.getresponse().status == 400
    connection.close()


@pytest.mark.parametrize(
    ("path", "length"), [("/order", 1024 * 1024), ("/admin/catalog/item/add/", 12 * 1024 * 1024)]
)
def test_bodies_that_lack_a_byte_cost_the_door_little(servers: Servers, path: str, length: int) -> None:
    door = urlsplit(servers.shop)
    process = psutil.Process(servers.door.pid)
    head = f"POST {path} HTTP/1.1\r\nHost: {door.netloc}\r\nContent-Length: {length}\r\n"
    piece = b" " * 65_536

    def send(line: socket.socket) -> int:
        """All but one byte, or what is taken of it; the memory of the door afterwards."""
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
        with suppress(OSError):
            for start in range(0, length - 1, len(piece)):
                line.sendall(piece[: length - 1 - start])
        return int(process.memory_info().rss)

    with ExitStack() as held, ThreadPoolExecutor(60) as pool:
        before = process.memory_info().rss
        lines = [
            held.enter_context(socket.create_connection((door.hostname, door.port), timeout=60))
            for _ in range(60)
        ]
        sent = [pool.submit(send, line) for line in lines]
        for _ in range(10):
            assert status(f"{servers.shop}/") == 200
            time.sleep(0.1)
        most = max(each.result() for each in sent)

    assert most - before < 100_000_000, f"{before} grew to {most}"


@pytest.mark.parametrize(
    ("path", "length", "wanted"),
    [
        ("/order", 2_000_000, 413),
        ("/api/v1/orders", 2_000_000, 413),
        ("/admin/login/", 2_000_000, 413),
        ("/admin/catalog/item/add/", 2_000_000, 403),
        ("/admin/catalog/item/add/", 13_000_000, 413),
    ],
)
def test_the_door_and_the_shop_take_large_bodies_only_where_staff_upload(
    servers: Servers, path: str, length: int, wanted: int
) -> None:
    answers, kind = set(), {"Content-Type": "multipart/form-data; boundary=x"}
    for _ in range(5):
        connection = http.client.HTTPConnection(urlsplit(servers.shop).netloc, timeout=60)
        with suppress(OSError):  # it may hang up before all is sent
            connection.request("POST", path, b" " * length, kind)
        answers.add(connection.getresponse().status)
        connection.close()
    assert answers == {wanted}
