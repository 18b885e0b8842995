"""Bodies that are too large, slow, without a length or break off, at the real web server."""

import io
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import FileField
from django.test import Client
from django.urls import reverse
from PIL import Image

from kopeck.catalog.models import Item
from kopeck.front import bodies
from kopeck.front.bodies import MOST, MOST_READ, UPLOADS, WholeBodies
from kopeck.orders.models import Order
from tests.support.serving import THREADS, Served, served
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db(transaction=True)
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.fixture(scope="module")
def shop(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("web"), STRIPE_API_BASE="http://127.0.0.1:9") as shop:
        yield shop


@pytest.mark.parametrize("address", ["/api/v1/orders", "/webhooks/stripe/default", "/nowhere", "/"])
def test_who_sends_too_much_gets_the_answer(shop: Served, address: str) -> None:
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
    assert answers == {(413, "body_too_large"): 20}
    least = requests.post(f"{shop.url}{address}", b" " * MOST, headers={"Accept": JSON}, timeout=30)
    assert least.status_code != 413


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


def wait_for_log(file: Path, text: str, start: int) -> str:
    """What the log has from its letter `start` on, as soon as `text` is in it."""
    for _ in range(100):
        if text in (log := file.read_text()[start:]):
            return log
        time.sleep(0.1)
    raise AssertionError(f"{text!r} is not in:\n{log}")


@pytest.mark.parametrize("chunked", [False, True])
def test_half_a_form_orders_nothing(shop: Served, chunked: bool) -> None:
    """Of `item_1=12` the `item_1=1` had come: an order of one would be another than was meant."""
    item = make_item()
    body = f"item_{item.pk}=1".encode()
    kind = b"Content-Type: %s\r\n" % FORM.encode()
    before = len(shop.log.read_text())
    if chunked:
        send(shop, "/order", kind + b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(body), body))
    else:
        send(shop, "/order", kind + b"Content-Length: %d" % (len(body) + 1), body)
    log = wait_for_log(shop.log, "POST /order", before)
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

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("413 Too Large", [])
        return [b"no"]

    endless = Endless()
    refuses = WholeBodies(application, threads=4)
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "wsgi.input": endless,
        "CONTENT_LENGTH": str(10**12),
    }
    assert list(refuses(environ, lambda *words: None)) == [b"no"]
    assert MOST_READ <= endless.given < 2 * MOST_READ


class Stopped:
    """A body that nobody goes on sending, until the connection ends."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def read(self, size: int = -1) -> bytes:
        self.ended.wait(60)
        return b""


@pytest.mark.parametrize(("grace", "longest", "next_one"), [(0.0, "too_slow", ""), (1000.0, "", "crowded")])
def test_where_there_is_no_room_who_waits_longest_goes_unless_that_is_not_long(
    monkeypatch: pytest.MonkeyPatch, grace: float, longest: str, next_one: str
) -> None:
    monkeypatch.setattr(bodies, "GRACE", grace)
    monkeypatch.setattr(bodies, "PATIENCE", 1000.0)
    room = bodies.Room(2)
    sources = [Stopped() for _ in range(3)]
    waiting = [bodies.Body(source, 9, uploads=False, room=room) for source in sources]
    with ThreadPoolExecutor(3) as pool:
        fetching = []
        for body in waiting:
            fetching.append(pool.submit(body.fetch))
            while body not in room._waiting and not body.refused:
                time.sleep(0.01)
        gone = 0 if longest else 2
        fetching[gone].result(30)
        assert [body.refused for body in waiting] == [longest, "", next_one]
        assert waiting[gone].is_stuck
        for source in sources:  # the others come to their end
            source.ended.set()
        for each in fetching:
            each.result(30)
    assert [body.refused for body in waiting] == [longest, "", next_one]
    assert not room._waiting
    for body in waiting:
        body.close()


SLOW = [
    ("/order", f"Content-Type: {FORM}\r\nContent-Length: 500000"),
    ("/api/v1/orders", f"Content-Type: {JSON}\r\nTransfer-Encoding: chunked"),
    ("/admin/login/", f"Content-Type: {FORM}\r\nContent-Length: 200"),
    ("/admin/catalog/item/add/", "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000"),
    ("/nowhere", "Content-Length: 90000000"),
]


@pytest.mark.slow
def test_slow_bodies_hold_nobody_else_and_come_to_an_end(tmp_path: Path) -> None:
    """Three times as many as there are threads; each would wait for as long as its sender likes."""
    with served(tmp_path, STRIPE_API_BASE="http://127.0.0.1:9") as shop:
        hold_with_slow_bodies(shop, make_item())


def hold_with_slow_bodies(shop: Served, item: Item) -> None:
    (worker,) = shop.process.children()
    requests.get(f"{shop.url}/", timeout=30)
    threads = worker.num_threads()
    with ExitStack() as held:
        lines = []
        for number in range(3 * THREADS):
            path, head = SLOW[number % len(SLOW)]
            line = held.enter_context(connect(shop))
            line.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n\r\n1\r\n".encode())
            lines.append(line)
        for _ in range(5):
            assert requests.get(f"{shop.url}/", timeout=30).status_code == 200
            form = {f"item_{item.pk}": "1"}
            placed = requests.post(f"{shop.url}/order", form, timeout=30, allow_redirects=False)
            assert placed.status_code in (303, 307)
        ends = Counter(everything(line)[9:12] for line in lines)
        assert ends.keys() <= {b"", b"408", b"503", b"403", b"413"}
        assert ends[b"408"] >= THREADS // 2
        # Those of the web server itself may be more than before, one a request; none reads any more.
        for _ in range(300):
            if worker.num_threads() <= threads + THREADS:
                break
            time.sleep(0.1)
        assert worker.num_threads() <= threads + THREADS
        assert requests.get(f"{shop.url}/", timeout=30).status_code == 200


def connect(shop: Served) -> socket.socket:
    return socket.create_connection((urlsplit(shop.url).hostname, urlsplit(shop.url).port), timeout=100)


def everything(line: socket.socket) -> bytes:
    """All that is said until the other side hangs up. TimeoutError where it does not."""
    said = b""
    with suppress(ConnectionError):
        while piece := line.recv(4096):
            said += piece
    return said


def test_who_is_too_slow_reads_a_sentence_and_is_hung_up_on(shop: Served) -> None:
    head = f"Host: 127.0.0.1\r\nContent-Type: {JSON}\r\nContent-Length: 9\r\n\r\n"
    with ExitStack() as held:
        lines = [held.enter_context(connect(shop)) for _ in range(5)]
        for line in lines:
            line.sendall(f"POST /api/v1/orders HTTP/1.1\r\n{head}".encode())
        answers = [everything(line).decode() for line in lines]
    assert {answer[:13] for answer in answers} == {"HTTP/1.1 408 "}
    sentence = "Your request came too slowly, so nothing was done. Please try again."
    error = {"error": {"code": "body_too_slow", "message": sentence}}
    # One may be lost where the server has no moment to send it.
    assert error in [json.loads(answer.partition("\r\n\r\n")[2] or "{}") for answer in answers]


def test_what_comes_slowly_but_whole_is_taken(shop: Served) -> None:
    item = make_item()

    def in_pieces() -> Iterator[bytes]:
        for piece in (b'{"lines": [', b'{"item": %d, ' % item.pk, b'"quantity": 2}]}'):
            yield piece
            time.sleep(0.7)

    answer = requests.post(
        f"{shop.url}/api/v1/orders", data=in_pieces(), headers={"Content-Type": JSON}, timeout=30
    )
    assert answer.status_code == 201


def picture(size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 90).save(out, "PNG")
    return out.getvalue()


def by_staff() -> dict[str, str]:
    """The cookies of somebody who works here."""
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    client.get("/admin/catalog/item/add/")
    return {name: morsel.value for name, morsel in client.cookies.items()}


def facts(cookies: dict[str, str]) -> dict[str, str]:
    token = cookies.get("csrftoken", "")
    return {"name": "Mug", "price": "1", "currency": "eur", "position": "1", "csrfmiddlewaretoken": token}


def test_staff_upload_what_nobody_else_may(shop: Served) -> None:
    address, large = f"{shop.url}/admin/catalog/item/add/", {"image": ("mug.png", picture((2500, 2500)))}
    assert len(large["image"][1]) > 4 * MOST
    refused = requests.post(address, facts({}), files=large, timeout=60, allow_redirects=False)
    assert refused.status_code == 403
    assert "Files are taken of staff only. Please log in, and send it again." in refused.text
    cookies = by_staff()
    elsewhere = requests.post(
        f"{shop.url}/admin/catalog/tax/add/", facts(cookies), files=large, cookies=cookies, timeout=60
    )
    assert elsewhere.status_code == 413
    assert "That is too much at once: 1024 kB is the most." in elsewhere.text
    too_large = {"image": ("mug.png", b" " * 13_000_000)}
    answer = requests.post(address, facts(cookies), files=too_large, cookies=cookies, timeout=60)
    assert answer.status_code == 413
    assert "12288 kB is the most" in answer.text
    answer = requests.post(
        address, facts(cookies), files=large, cookies=cookies, timeout=60, allow_redirects=False
    )
    assert answer.status_code == 302, answer.text
    assert Item.objects.get().image_url


def test_no_connection_is_held_while_an_upload_arrives(tmp_path: Path) -> None:
    cookies = by_staff()
    large = {"image": ("mug.png", picture((2500, 2500)))}
    prepared = requests.Request(
        "POST", "http://127.0.0.1/admin/catalog/item/add/", data=facts(cookies), files=large, cookies=cookies
    ).prepare()
    assert isinstance(prepared.body, bytes)
    head = "".join(f"{name}: {value}\r\n" for name, value in prepared.headers.items())
    with (
        served(tmp_path, STRIPE_API_BASE="http://127.0.0.1:9", DATABASE_POOL="1") as shop,
        connect(shop) as line,
    ):
        line.sendall(f"POST {prepared.path_url} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode())
        line.sendall(prepared.body[:2_000_000])
        for _ in range(10):
            assert requests.get(f"{shop.url}/", timeout=30).status_code == 200
            time.sleep(0.1)
        line.sendall(prepared.body[2_000_000:])
        assert line.recv(4096).startswith(b"HTTP/1.1 302")


def test_every_form_that_takes_a_file_is_at_an_address_where_staff_upload() -> None:
    with_files = [
        model
        for model in admin.site._registry
        if any(isinstance(field, FileField) for field in model._meta.get_fields())
    ]
    assert with_files == [Item]
    for view, words in (("add", []), ("change", [1])):
        path = reverse(f"admin:catalog_item_{view}", args=words)
        assert UPLOADS.fullmatch(path)
        assert UPLOADS.fullmatch(path.rstrip("/"))
    for path in ("/admin/catalog/item/", "/admin/login/", "/order", "/admin/catalog/item/1/delete/"):
        assert not UPLOADS.fullmatch(path)
