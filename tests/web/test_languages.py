"""The address says the language ("/ru/item/7"), and without one the browser. Its links stay in it."""

import re
from typing import Any

import pytest
from django.core import mail as outgoing
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_script_prefix

from kopeck.front.bodies import UPLOADS
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.front.test_kept import Shop
from tests.support.buying import settle
from tests.support.shop import ShopSandbox, make_item, make_rate
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)
RUSSIAN = {"Accept-Language": "ru-RU,ru;q=0.9"}
OURS = re.compile(r'\b(?:href|action|formaction|data-own|data-intent|data-order)="(/[^"]*)"')


def language(answer: Any) -> str:
    assert answer.status_code == 200, answer
    (found,) = re.findall(r'<html lang="([a-z]+)">', answer.content.decode())
    assert answer["Content-Language"] == found
    return str(found)


def switch(answer: Any) -> str:
    (found,) = set(re.findall(r'<a href="([^"]*)"[^>]*data-testid="language"', answer.content.decode()))
    return str(found)


def order_of(buyer: Client, begin: str = "/ru") -> Order:
    """An order made at an address of this language, by a form that its page shows."""
    item = make_item(price=4820, shipped=True)
    make_rate()
    buyer.get(f"{begin}/item/{item.pk}?mine=1")
    made = buyer.post(f"{begin}/order", {f"item_{item.pk}": "1"}, follow=True)
    assert made.status_code == 200
    order = Order.objects.latest("pk")
    assert made.redirect_chain[-1][0].startswith(f"{begin}/order/{order.pk}")
    return order


@pytest.mark.parametrize(
    ("begin", "accepted", "expected"),
    [("", "ru", "ru"), ("", "de,en;q=0.5", "en"), ("", "", "en"), ("/ru", "en", "ru"), ("/en", "ru", "en")],
)
def test_the_address_says_the_language_and_else_the_browser(
    begin: str, accepted: str, expected: str, buyer: Client
) -> None:
    item = make_item()
    for path in ("/", f"/item/{item.pk}", f"/item/{item.pk}/", "/cart", "/orders"):
        answer = buyer.get(f"{begin}{path}", headers={"Accept-Language": accepted})
        assert language(answer) == expected, path
        assert "Accept-Language" in answer["Vary"]
    if begin:
        assert language(buyer.get(begin)) == expected


@pytest.mark.parametrize("begin", ["", "/ru"])
def test_every_link_and_form_of_a_page_stays_in_the_language_of_its_address(
    begin: str, buyer: Client, sandbox: ShopSandbox
) -> None:
    order = order_of(buyer, begin)
    item = order.lines.first().item_id  # type: ignore[union-attr]
    own = f"{begin}/order/{order.pk}"
    at = ("/", f"/item/{item}", "/cart", "/search?q=moka", "/orders", f"/item/by_order/{item}", "/nowhere")
    for address in (*(f"{begin}{path}" for path in at), own, f"{own}/pay", f"{own}?confirming=1"):
        page = buyer.get(address).content.decode()
        page = re.sub(r'<a [^>]*data-testid="language"|<link rel="alternate"[^>]*>', "", page)
        found = [one for one in OURS.findall(page) if not one.startswith(("/static/", "/media/"))]
        assert found, address
        if begin:
            assert [one for one in found if not f"{one}/".startswith("/ru/")] == [], address
        else:
            assert [one for one in found if one.startswith(("/ru", "/en"))] == [], address


def test_the_switch_leads_to_the_same_page_in_the_other_language(
    buyer: Client, stranger: Client, sandbox: ShopSandbox
) -> None:
    order = order_of(buyer)
    for path in ("/", f"/item/{order.goods[0].item_id}", "/orders", f"/order/{order.pk}"):
        answer = buyer.get(f"/ru{path}")
        assert switch(answer) == f"/en{path}"
        assert language(buyer.get(switch(answer))) == "en"
        assert switch(buyer.get(path, headers=RUSSIAN)) == f"/en{path}"
    # By the link of a mail: the key goes along, or the other language would be somebody else's.
    shown = stranger.get(f"/ru{order.link}")
    assert language(stranger.get(switch(shown))) == "en"


def test_after_a_refused_form_the_switch_leads_to_the_order(buyer: Client, sandbox: ShopSandbox) -> None:
    order = order_of(buyer)
    refused = buyer.post(f"/ru/order/{order.pk}/discount", {"code": "NONE"})
    assert "Такого кода нет." in refused.content.decode()
    assert language(buyer.get(switch(refused))) == "en"


def test_search_engines_are_told_every_language_of_a_page(buyer: Client, settings: Any) -> None:
    settings.SITE_URL = "https://shop.example"
    item = make_item()
    for path in ("/", f"/item/{item.pk}"):
        for begin in ("", "/ru", "/en"):
            page = buyer.get(f"{begin}{path}").content.decode()
            told = dict(re.findall(r'<link rel="alternate" hreflang="([^"]+)" href="([^"]+)">', page))
            assert told == {
                "x-default": f"https://shop.example{path}",
                "en": f"https://shop.example/en{path}",
                "ru": f"https://shop.example/ru{path}",
            }
            assert f'<link rel="canonical" href="https://shop.example{begin}{path}">' in page
    rules = buyer.get("/robots.txt").content.decode()
    assert "Disallow: /ru/buy/" in rules
    assert "Disallow: /buy/" in rules


def test_kept_pages_are_kept_for_each_language_and_set_no_cookie() -> None:
    shop, item = Shop(), make_item(price=4820)
    for path in (f"/item/{item.pk}", "/"):
        made = {begin: shop.text(f"{begin}{path}", Accept_Language="ru") for begin in ("", "/ru", "/en")}
        assert len(set(made.values())) == 3  # the links of "" stay without a language
        with CaptureQueriesContext(connection) as queries:
            for begin, text in made.items():
                answer = shop.get(f"{begin}{path}", Accept_Language="ru")
                assert answer.text == text
                assert "Set-Cookie" not in answer.headers
                assert answer.headers["Vary"] == "Accept-Language, Accept-Encoding"
        assert len(queries) == 0
    assert "48,20" in shop.text(f"/ru/item/{item.pk}", Accept_Language="en")
    assert "$48.20" in shop.text(f"/en/item/{item.pk}", Accept_Language="ru")


def test_what_lies_below_no_language_is_not_there(buyer: Client) -> None:
    for path in (
        "/ru/healthz",
        "/ru/metrics",
        "/ru/webhooks/stripe/default",
        "/de/",
        "/ru/ru/",
        "/RU/",
        "/r/",
    ):
        assert buyer.get(path).status_code == 404, path


def test_nothing_leads_to_another_host(buyer: Client) -> None:
    make_item()
    for path in ("/ru//evil.example", "/ru//evil.example/"):
        answer = buyer.get(path)
        assert (answer.status_code, answer.headers.get("Location")) == (404, None), path
        assert 'href="//' not in answer.content.decode()


def test_a_request_leaves_its_language_to_nobody(buyer: Client) -> None:
    buyer.get("/ru/")
    assert get_script_prefix() == "/"
    buyer.get("/ru/nowhere")
    assert get_script_prefix() == "/"


def test_stripe_and_mails_get_the_language_and_lead_back_to_it(
    buyer: Client, sandbox: ShopSandbox, deliver: Any
) -> None:
    forget_jobs()
    item = make_item(price=4820, image="items/pot.webp")
    session = buyer.get(f"/ru/buy/{item.pk}").json()["session_id"]
    order = Order.objects.get()
    (made,) = sandbox.sessions()
    assert made["locale"] == "ru"
    assert made["success_url"].startswith(f"http://testserver/ru/order/{order.pk}/return?key=")
    assert made["cancel_url"].startswith(f"http://testserver/ru/item/{item.pk}?cancelled=1")
    payment = Payment.objects.get()
    assert (payment.language, payment.base_url) == ("ru", "http://testserver/ru")
    # Another request, of another language, repeats what was asked to the letter.
    assert buyer.get(f"/en/buy/{item.pk}").json()["session_id"] == session
    sandbox.pay(session)
    settle(sandbox, deliver, session)
    outgoing.outbox.clear()
    work()
    (message,) = outgoing.outbox
    assert message.subject == f"Kopeck: заказ № {order.pk} оплачен"
    assert "Спасибо." in message.body
    assert f"http://testserver/ru/order/{order.pk}?key={order.key}" in message.body
    assert "http://testserver/ru/orders?key=" in message.body


def test_a_browsers_own_language_is_stripes_too(buyer: Client, sandbox: ShopSandbox) -> None:
    item = make_item()
    buyer.get(f"/buy/{item.pk}", headers=RUSSIAN)
    (made,) = sandbox.sessions()
    assert made["locale"] == "ru"
    assert made["cancel_url"].startswith(f"http://testserver/item/{item.pk}?")


def test_errors_of_the_api_are_in_the_language_of_the_client(buyer: Client) -> None:
    answer = buyer.get("/api/v1/items/99", headers=RUSSIAN).json()["error"]
    assert answer == {"code": "item_not_found", "message": "Этот товар не продаётся."}


def test_the_desk_is_in_the_language_of_its_address(owner: Client, settings: Any) -> None:
    item = make_item()
    page = owner.get("/ru/admin/")
    assert language_of_desk(page) == "ru"
    assert 'href="/ru/admin/catalog/item/"' in page.content.decode()
    assert switch(page) == "/en/admin/"
    assert language_of_desk(owner.get(f"/ru/admin/catalog/item/{item.pk}/change/")) == "ru"
    settings.STAFF_SECOND_FACTOR = "required"
    led = owner.get("/ru/admin/")
    assert led["Location"] == "/ru/admin/second-factor/?next=%2Fru%2Fadmin%2F"
    assert owner.get(led["Location"]).status_code == 200


def language_of_desk(answer: Any) -> str:
    (found,) = re.findall(r'<html lang="([a-z]+)"', answer.content.decode())
    return str(found)


def test_pictures_are_uploaded_in_each_language(settings: Any) -> None:
    for code, _name in settings.LANGUAGES:
        assert UPLOADS.fullmatch(f"/{code}/admin/catalog/item/add/")
    assert UPLOADS.fullmatch("/admin/catalog/item/7/change/")
    assert not UPLOADS.fullmatch("/ru/order")
