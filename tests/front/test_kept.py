"""Window and item pages are answered in front of Django, the same to everybody, and never old for long."""

import gzip
import logging
import time
from collections.abc import Iterator
from typing import Any

import brotli
import psycopg
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY
from werkzeug.test import Client as WerkzeugClient

from kopeck.catalog.models import Item
from kopeck.front import kept
from kopeck.front.kept import KeptPages
from kopeck.front.watch import Watch
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.storefront.kept import look, mark, name_of
from kopeck.web.visitors import STAMPED_FOR, VISITOR_COOKIE, is_stamp, stamp
from tests.support.serving import database_url
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


class Shop:
    """The pages in front of Django, and a clock that tests put on."""

    def __init__(self) -> None:
        self.watch = Watch(look, mark)
        self.pages = KeptPages(WSGIHandler(), named=name_of, watch=self.watch)
        self.client = WerkzeugClient(self.pages, use_cookies=False)

    def get(self, path: str, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers={"Host": "testserver", **named})

    def text(self, path: str, **headers: str) -> str:
        answer = self.get(path, **headers)
        assert answer.status_code == 200
        return str(answer.text)

    def later(self) -> None:
        """A second goes by."""
        self.watch._looked = float("-inf")


def at_rest(shop: Shop) -> bool:
    """Whether pages stop being made anew. Transactions of other tests, on the same server, are waited for."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        before = shop.watch.generation()
        shop.later()
        if shop.watch.generation() == before:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def item() -> Item:
    return make_item(name="Pot", price=4820)


@pytest.fixture
def other() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url()) as other:
        yield other


def test_a_kept_page_asks_the_database_nothing(shop: Shop, item: Item) -> None:
    for address in ("/", f"/item/{item.pk}"):
        made = shop.text(address)
        with CaptureQueriesContext(connection) as queries:
            assert shop.text(address) == shop.text(f"{address}?utm_source=mail&x") == made
        assert len(queries) == 0, address
    shop.later()
    with CaptureQueriesContext(connection) as queries:
        shop.text("/")
    assert "storefront_changes" in queries[0]["sql"]  # the look, once a second


@pytest.mark.parametrize("way", ["the admin's form", "an update of many", "SQL by hand"])
def test_a_changed_price_shows_at_the_next_look(way: str, shop: Shop, item: Item) -> None:
    addresses = ("/", f"/item/{item.pk}")
    assert all("$48.20" in shop.text(address) for address in addresses)
    if way == "the admin's form":
        item.price = 4900
        item.save()
    elif way == "an update of many":
        Item.objects.update(price=4900)
    else:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE catalog_item SET price = 4900")
    shop.later()
    assert all("$49.00" in shop.text(address) for address in addresses)


def test_what_is_made_taken_off_sale_or_deleted_shows(shop: Shop, item: Item) -> None:
    assert shop.get(f"/item/{item.pk}").status_code == 200
    lamp = make_item(name="Lamp")
    Item.objects.filter(pk=item.pk).update(active=False)
    shop.later()
    page = shop.text("/")
    assert "Lamp" in page
    assert "Pot" not in page
    assert shop.get(f"/item/{item.pk}").status_code == 404
    lamp.delete()
    shop.later()
    assert "Lamp" not in shop.text("/")


def test_a_change_that_is_committed_late_shows_too(
    shop: Shop, item: Item, other: "psycopg.Connection[Any]"
) -> None:
    """The count is seen before the change itself: what is made in between must not stay."""
    address = f"/item/{item.pk}"
    assert "$48.20" in shop.text(address)
    other.execute("UPDATE catalog_item SET price = 4900")
    for _second in range(3):
        shop.later()
        assert "$48.20" in shop.text(address)
    other.commit()
    shop.later()
    assert "$49.00" in shop.text(address)
    assert at_rest(shop)


def test_a_late_change_shows_also_when_an_earlier_one_was_committed_meanwhile(
    shop: Shop, item: Item, other: "psycopg.Connection[Any]"
) -> None:
    lamp = make_item(name="Lamp", price=100)
    other.execute("UPDATE catalog_item SET price = 4900 WHERE id = %s", [item.pk])
    Item.objects.filter(pk=lamp.pk).update(price=200)
    for _second in range(4):
        shop.later()
        assert "$2.00" in shop.text("/")
    other.commit()
    shop.later()
    assert "$49.00" in shop.text("/")


def test_what_a_payment_holds_and_lets_go_shows(
    shop: Shop, sandbox: ShopSandbox, buyer: Client, item: Item
) -> None:
    Item.objects.update(stock=1)
    address = f"/item/{item.pk}"
    assert "Only 1 left" in shop.text(address)
    answer = buyer.get(f"/buy/{item.pk}", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 200
    shop.later()
    assert "Sold out for now" in shop.text(address)
    assert "Sold out for now" in shop.text("/")
    Payment.objects.update(status="expired")
    shop.later()
    assert "Only 1 left" in shop.text(address)


def test_payments_of_what_has_no_limit_make_no_page_anew(
    shop: Shop, sandbox: ShopSandbox, buyer: Client, item: Item
) -> None:
    shop.text("/")
    assert at_rest(shop)
    before = shop.watch.generation()
    assert buyer.get(f"/buy/{item.pk}").status_code == 200
    shop.later()
    assert shop.watch.generation() == before


def test_no_visitor_is_told_apart(shop: Shop, item: Item, buyer: Client) -> None:
    buyer.post("/order", {f"item_{item.pk}": "3"})
    visitor = buyer.cookies[VISITOR_COOKIE].value
    for address in ("/", f"/item/{item.pk}"):
        of_buyer = shop.get(address, Cookie=f"{VISITOR_COOKIE}={visitor}; sessionid=x")
        of_stranger = shop.get(address)
        assert of_buyer.data == of_stranger.data
        assert "Set-Cookie" not in of_buyer.headers
        assert "Cookie" not in of_buyer.headers["Vary"]
        assert f"/order/{Order.objects.get().pk}" not in of_buyer.text
    assert 'value="3"' in buyer.get("/cart").content.decode()


def test_the_headers_are_those_of_django_and_what_caches_need(shop: Shop, item: Item) -> None:
    address = f"/item/{item.pk}"
    by_django = Client().get(address)
    shop.get(address)
    answer = shop.get(address, Accept_Encoding="br")
    own = {"Vary", "Content-Length", "X-Request-ID", "ETag", "Content-Encoding"}
    ours = {name: value for name, value in answer.headers.items() if name not in own}
    assert ours == {name: value for name, value in by_django.headers.items() if name not in own}
    assert "Content-Security-Policy" in ours
    assert answer.headers["Vary"] == "Accept-Language, Accept-Encoding"
    assert shop.get(address).headers["X-Request-ID"] != shop.get(address).headers["X-Request-ID"]


def test_each_encoding_is_the_same_page_under_its_own_name(shop: Shop, item: Item) -> None:
    plain = shop.get("/")
    zipped, small = shop.get("/", Accept_Encoding="gzip"), shop.get("/", Accept_Encoding="gzip, deflate, br")
    assert gzip.decompress(zipped.data) == brotli.decompress(small.data) == plain.data
    assert [one.headers.get("Content-Encoding") for one in (plain, zipped, small)] == [None, "gzip", "br"]
    assert len({one.headers["ETag"] for one in (plain, zipped, small)}) == 3
    assert len(small.data) < len(plain.data) / 2
    refused = shop.get("/", Accept_Encoding="br;q=0, gzip;q=0.0, *;q=0.5")
    assert "Content-Encoding" not in refused.headers


def test_who_has_the_page_is_told_that_it_is_the_same(shop: Shop, item: Item) -> None:
    etag = shop.get("/").headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        same = shop.get("/", If_None_Match=known)
        assert (same.status_code, same.data) == (304, b"")
        assert same.headers["ETag"] == etag
    assert shop.get("/", If_None_Match='"other"').status_code == 200
    Item.objects.update(price=1)
    shop.later()
    assert shop.get("/", If_None_Match=etag).status_code == 200


def test_head_says_what_get_would_send_and_sends_nothing(shop: Shop, item: Item) -> None:
    for address in ("/", "/item/999"):
        for _time in range(2):
            head = shop.client.head(address, headers={"Host": "testserver"})
            assert head.data == b""
            assert head.headers["Content-Length"] == str(len(shop.get(address).data))


@pytest.mark.parametrize(
    "query", ["quantity=2", "cancelled", "notice=price_changed", "mine=1", "a=b&%71uantity=2", "quant%69ty=2"]
)
def test_what_makes_the_page_another_one_is_answered_by_django(query: str, shop: Shop, item: Item) -> None:
    address = f"/item/{item.pk}"
    shop.get(address)
    answer = shop.get(f"{address}?{query}")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "ETag" not in answer.headers
    assert shop.client.post(address, headers={"Host": "testserver"}).status_code == 405


def test_a_foreign_host_is_refused_and_stands_in_no_page(shop: Shop, item: Item) -> None:
    assert shop.get("/", Host="evil.example").status_code == 400
    shop.get("/")
    assert shop.get("/", Host="evil.example").status_code == 400
    assert "testserver" not in shop.text("/")


def test_over_plain_http_a_shop_of_https_leads_there(item: Item, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    shop = Shop()
    forged = shop.get("/", X_Forwarded_Proto="https")
    assert (forged.status_code, forged.headers["Location"]) == (301, "https://testserver/")
    secure = shop.client.get("/", base_url="https://testserver")
    assert secure.status_code == 200
    assert shop.get("/", X_Forwarded_Proto="https").status_code == 301


def test_money_is_written_as_each_language_writes_it(shop: Shop, item: Item) -> None:
    address = f"/item/{item.pk}"
    for _time in range(2):
        assert "48,20" in shop.text(address, Accept_Language="ru-RU,ru;q=0.9")
        assert "$48.20" in shop.text(address, Accept_Language="en-US")


def test_while_the_database_is_away_the_pages_stay_as_they_were(
    shop: Shop, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/item/{item.pk}"
    page = shop.text(address)

    def away() -> Any:
        raise OperationalError("away")

    monkeypatch.setattr(shop.watch, "look", away)
    monkeypatch.setattr(shop.pages, "application", lambda environ, start: start("503 Away", []) or [b"away"])
    shop.later()
    assert shop.text(address) == page
    assert shop.get("/").status_code == 503  # that one was never made
    monkeypatch.setattr(kept, "STAMPED_FOR", 1)  # its stamp is old by now, and a new page cannot be had
    assert shop.text(address) == page
    monkeypatch.undo()
    Item.objects.update(price=4900)
    shop.later()
    assert "$49.00" in shop.text(address)


def test_before_the_first_look_django_answers(item: Item, shop: Shop) -> None:
    def away() -> Any:
        raise OperationalError("away")

    shop.watch.look = away
    answer = shop.get("/")
    assert answer.status_code == 200
    assert "ETag" not in answer.headers


def test_a_kept_page_is_counted_and_written_like_any_other(
    shop: Shop, item: Item, caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> float:
        labels = {"route": "item", "method": "GET", "status": "2xx"}
        return REGISTRY.get_sample_value("kopeck_requests_total", labels) or 0.0

    address = f"/item/{item.pk}"
    before = counted()
    with caplog.at_level(logging.INFO, "kopeck.access"):
        names = [shop.get(f"{address}?key=secret").headers["X-Request-ID"] for _time in range(2)]
    assert counted() == before + 2
    made, ready = (record for record in caplog.records if record.name == "kopeck.access")
    assert {made.path, ready.path} == {address}  # type: ignore[attr-defined]
    assert (ready.status, ready.request) == (200, names[1])  # type: ignore[attr-defined]
    assert "secret" not in ready.getMessage()


def test_what_is_kept_has_a_bound(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 60_000)
    for number in range(20):
        assert shop.get(f"/item/{make_item(name=f'Pot {number}').pk}").status_code == 200
    assert 0 < shop.pages.size <= 60_000
    assert shop.pages.size == sum(page.size for page in shop.pages._pages.values())
    assert len(shop.pages._pages) > 1


# The stamp ------------------------------------------------------------------------------------------------


def test_a_stamp_is_good_for_a_day_and_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    given = stamp()
    second = int(given.partition(".")[0])
    assert is_stamp(given)
    assert not any(is_stamp(wrong) for wrong in ("", "x", f"{second}.x", f"{second + 1}{given[10:]}"))
    for later, is_good in ((86_400, True), (86_400 + 2 * STAMPED_FOR, False), (-STAMPED_FOR, False)):
        monkeypatch.setattr("kopeck.web.visitors.time.time", lambda later=later: second + later)
        assert is_stamp(given) == is_good
