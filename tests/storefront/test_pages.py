"""The shop window, an item's page, errors: what a visitor without a purchase sees."""

from dataclasses import replace
from typing import Any
from urllib.robotparser import RobotFileParser

import pytest
from django.test import Client

from kopeck.web.visitors import VISITOR_COOKIE
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db


def test_the_window_shows_what_is_on_sale_and_nothing_else(buyer: Client) -> None:
    make_item(name="Lamp", position=2)
    make_item(name="Pot", position=1)
    make_item(name="Old chair", active=False)
    page = buyer.get("/").content.decode()
    assert page.index("Pot") < page.index("Lamp")
    assert "Old chair" not in page


def test_an_empty_shop_says_so(buyer: Client) -> None:
    answer = buyer.get("/")
    assert answer.status_code == 200
    assert "<h1" in answer.content.decode()


def test_an_item_page_shows_name_description_price_and_buy(buyer: Client) -> None:
    item = make_item(name="Pot <b>", description="Three & more.", price=4820)
    page = buyer.get(f"/item/{item.pk}").content.decode()
    assert "Pot &lt;b&gt;" in page
    assert "Three &amp; more." in page
    assert "$48.20" in page
    assert f'action="/buy/{item.pk}"' in page
    assert 'method="post"' in page


@pytest.mark.parametrize(
    ("language", "price"),
    [
        ("en-GB,en;q=0.9", "US$48.20"),
        ("ru", "48,20 $"),
        ("ru-UA,ru;q=0.9,en;q=0.8", "48,20 $"),
        ("de-DE,de;q=0.9", "$48.20"),
        ("xx,*;q=0.1", "$48.20"),
    ],
)
def test_the_price_is_written_as_the_pages_language_writes_it(
    buyer: Client, language: str, price: str
) -> None:
    item = make_item(price=4820)
    page = buyer.get(f"/item/{item.pk}", headers={"Accept-Language": language}).content.decode()
    assert price in page.replace("\xa0", " ")


def test_addresses_answer_with_and_without_a_slash_and_never_redirect(buyer: Client) -> None:
    item = make_item()
    for address in (f"/item/{item.pk}", "/healthz", "/readyz", "/api/v1/docs", "/api/v1/openapi.json"):
        assert buyer.get(address).status_code == buyer.get(f"{address}/").status_code == 200, address


@pytest.mark.parametrize(
    "address", ["/item/99", "/item/0", "/item/99999999999999999999999", "/item/abc", "/nope"]
)
def test_what_is_not_there_is_a_page_that_says_so(buyer: Client, address: str) -> None:
    answer = buyer.get(address)
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")
    assert "Back to the shop" in answer.content.decode()


def test_an_inactive_item_is_404_on_its_page_and_to_buy(buyer: Client) -> None:
    item = make_item(active=False)
    assert buyer.get(f"/item/{item.pk}").status_code == 404
    answer = buyer.get(f"/buy/{item.pk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "item_not_found")


@pytest.mark.parametrize("quantity", ["0", "100", "-1", "1.5", "x", "", "²", "1e1", "9" * 500, "\x00"])
def test_a_bad_quantity_is_422_with_a_sentence(buyer: Client, quantity: str) -> None:
    item = make_item()
    answer = buyer.get(f"/buy/{item.pk}", {"quantity": quantity})
    assert answer.status_code == 422
    assert answer.json() == {
        "error": {"code": "bad_quantity", "message": "Please choose a quantity from 1 to 99."}
    }
    posted = buyer.post(f"/buy/{item.pk}", {"quantity": quantity})
    assert posted.status_code == 422
    assert "Please choose a quantity" in posted.content.decode()


@pytest.mark.parametrize("method", ["put", "delete", "patch", "head"])
def test_buying_takes_get_and_post_only(buyer: Client, method: str) -> None:
    answer = getattr(buyer, method)(f"/buy/{make_item().pk}")
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, POST"


def test_another_site_cannot_make_a_browser_buy(buyer: Client) -> None:
    address = f"/buy/{make_item().pk}"
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = buyer.post(address, headers={**headers, "Accept": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_request")
    prefetched = buyer.get(address, headers={"Sec-Purpose": "prefetch;prerender"})
    assert prefetched.json()["error"]["code"] == "prefetch"


def test_pages_for_everybody_give_no_cookie_and_may_be_kept_by_others_for_a_second(buyer: Client) -> None:
    item = make_item()
    for address in ("/", f"/item/{item.pk}"):
        answer = buyer.get(address)
        assert not answer.cookies
        assert answer["Cache-Control"] == "public, max-age=0, s-maxage=1, must-revalidate"
        assert answer["Vary"] == "Accept-Language"


def test_the_visitors_cookie_comes_with_the_visitors_own_page_and_stays(buyer: Client) -> None:
    item = make_item()
    for query in ("mine=1", "cancelled", "quantity=2", "notice=price_changed"):
        answer = Client().get(f"/item/{item.pk}?{query}")
        first = answer.cookies[VISITOR_COOKIE]
        assert first["httponly"]
        assert first["samesite"] == "Lax"
        assert answer["Cache-Control"] == "private, no-cache"
    buyer.get(f"/item/{item.pk}?mine=1")
    assert VISITOR_COOKIE not in buyer.get(f"/item/{item.pk}?mine=1").cookies


def test_a_cookie_that_is_none_of_ours_is_replaced(buyer: Client) -> None:
    buyer.cookies[VISITOR_COOKIE] = "x' OR 1=1"
    assert VISITOR_COOKIE in buyer.get(f"/item/{make_item().pk}?mine=1").cookies


def test_every_page_says_that_keys_are_test_keys(buyer: Client, settings: Any) -> None:
    """pain 11"""
    assert 'data-testid="sandbox"' in buyer.get("/").content.decode()
    settings.STRIPE_SANDBOX = False
    assert 'data-testid="test-mode"' in buyer.get("/").content.decode()
    live = replace(settings.STRIPE_ACCOUNTS["default"], livemode=True)
    settings.STRIPE_ACCOUNTS = {"default": live}
    assert "ribbon" not in buyer.get("/").content.decode()


def test_the_foot_of_a_page_says_who_sells_and_where_the_terms_are(buyer: Client, settings: Any) -> None:
    item = make_item()
    assert '<nav class="links"' not in buyer.get("/").content.decode()
    settings.SELLER, settings.CONTACT_EMAIL = "Kopeck & Co, 1 Mint Street", "shop@shop.example"
    settings.TERMS_URL, settings.RETURNS_URL = "https://shop.example/terms", "https://shop.example/returns"
    for address in ("/", f"/item/{item.pk}", "/nope"):
        foot = buyer.get(address).content.decode().partition("<footer")[2]
        assert "Kopeck &amp; Co, 1 Mint Street" in foot
        assert 'href="mailto:shop@shop.example"' in foot
        assert '<a href="https://shop.example/terms">Terms</a>' in foot
        assert "Privacy" not in foot
    assert buyer.get(f"/item/{item.pk}").content.decode().count("https://shop.example/returns") == 2


def test_pages_do_not_wait_for_the_session_or_log_in(buyer: Client) -> None:
    item = make_item()
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for address, most in (("/", 1), (f"/item/{item.pk}", 3)):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            buyer.get(address)
        assert len(queries) <= most, address


def test_crawlers_are_kept_from_starting_payments_and_let_into_the_shop(client: Client) -> None:
    answer = client.get("/robots.txt")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert VISITOR_COOKIE not in answer.cookies
    rules = RobotFileParser()
    rules.parse(answer.content.decode().splitlines())
    for path in ("/", "/item/1", "/media/items/a.webp", "/static/kopeck.css"):
        assert rules.can_fetch("Googlebot", path), path
    private = (
        "/order",
        "/orders",
        "/cart",
        "/search?q=a",
        "/order/1",
        "/order/1/buy",
        "/order/1/pay",
        "/item/by_order/1",
        "/admin/",
    )
    for path in ("/buy/1", "/buy/1?quantity=50", "/intent/1", "/api/v1/items/1/orders", *private):
        assert not rules.can_fetch("Googlebot", path), path
