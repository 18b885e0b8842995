"""A browser's first request that makes something: it gets its cookie first, so two presses make one order."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.web.visitors import VISITOR_COOKIE
from tests.support.serving import served
from tests.support.shop import ShopSandbox, make_item
from tests.support.slow_line import Line, slow_line

pytestmark = pytest.mark.django_db(transaction=True)

#: What a browser says of a form that it posts, and of a script's fetch.
FORM = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Site": "same-origin"}
FETCH = {"Accept": "application/json", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
WAYS = {
    "Order in the window": ("post", "/order", FORM),
    "Buy without JavaScript": ("post", "/buy/{item}", FORM),
    "Buy": ("get", "/buy/{item}?quantity=2", FETCH),
    "an intent": ("get", "/intent/{item}?quantity=2", FETCH),
}


@pytest.fixture
def item(sandbox: ShopSandbox) -> int:
    return make_item(price=4820).pk


def ask(client: Client, way: str, item: int, address: str = "") -> Any:
    method, first, headers = WAYS[way]
    # Both forms' fields: each address reads its own.
    body = {f"item_{item}": "2", "quantity": "2"} if method == "post" else None
    return getattr(client, method)(address or first.format(item=item), body, headers=headers)


@pytest.mark.parametrize("way", WAYS)
def test_the_first_request_only_brings_the_cookie_and_the_same_request_again_makes_the_order(
    way: str, item: int, buyer: Client
) -> None:
    first = ask(buyer, way, item)
    assert first.status_code == 307  # which keeps the method and the body
    assert VISITOR_COOKIE in first.cookies
    assert first["Cache-Control"] == "no-store"
    assert not Order.objects.exists()
    second = ask(buyer, way, item, first["Location"])
    assert second.status_code in (200, 303)
    assert Order.objects.get().lines.get().quantity == 2
    assert ask(buyer, way, item).status_code == second.status_code


@pytest.mark.parametrize("way", WAYS)
def test_two_first_presses_that_got_a_cookie_each_make_one_order(way: str, item: int) -> None:
    """The browser keeps the cookie that came last, and both requests go on with that one."""
    answers = [ask(Client(), way, item) for _press in range(2)]
    cookies = [answer.cookies[VISITOR_COOKIE].value for answer in answers]
    assert cookies[0] != cookies[1]

    def follow(answer: Any) -> int:
        client = Client(raise_request_exception=False)
        client.cookies[VISITOR_COOKIE] = cookies[1]
        status = ask(client, way, item, answer["Location"]).status_code
        connection.close()
        return int(status)

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(follow, answers)) <= {200, 303}
    assert Order.objects.count() == 1
    assert Payment.objects.count() <= 1


def without_cookies(way: str, item: int, address: str = "") -> Any:
    return ask(Client(raise_request_exception=False), way, item, address)


@pytest.mark.parametrize("way", WAYS)
def test_a_browser_that_keeps_no_cookies_is_sent_round_once_and_then_served(way: str, item: int) -> None:
    answer = without_cookies(way, item, without_cookies(way, item)["Location"])
    assert answer.status_code in (200, 303)
    order = Order.objects.get()
    if way == "Order in the window":
        assert answer["Location"] == order.link
        page = Client().get(answer["Location"])
        assert 'data-order-status="open"' in page.content.decode()


def test_without_cookies_buy_leads_to_our_own_pay_page_by_the_orders_key(item: int, settings: Any) -> None:
    settings.PAYMENT_FLOW = "intent"
    way = "Buy without JavaScript"
    answer = without_cookies(way, item, without_cookies(way, item)["Location"])
    assert Client().get(answer["Location"]).status_code == 200


def test_the_marker_in_an_address_gives_nobody_a_key(item: int, buyer: Client) -> None:
    """Staff who may only look at orders would else change them by their link."""
    buyer.post("/order", {f"item_{item}": "2"})
    order = Order.objects.get()
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_order"))
    client = Client()
    client.force_login(reader)
    for path in ("", "/lines", "/discount", "/pay", "/return"):
        for ask in (client.get, client.post):
            answer = ask(f"/order/{order.pk}{path}?round=1", headers=FORM)
            assert order.key not in answer.content.decode() + answer.get("Location", "")


def test_without_cookies_orders_of_several_currencies_are_refused_in_a_sentence(item: int) -> None:
    """Only one order's page can be shown, and there is no list of "my orders" to find the other in."""
    other = make_item(currency="eur")
    body = {f"item_{item}": "1", f"item_{other.pk}": "1"}
    first = Client().post("/order", body, headers=FORM)
    answer = Client().post(first["Location"], body, headers=FORM)
    assert answer.status_code == 422
    assert "keeps no cookies" in answer.content.decode()
    assert not Order.objects.exists()
    jar = Client()
    again = jar.post("/order", body, headers=FORM)["Location"]
    assert jar.post(again, body, headers=FORM)["Location"] == "/orders/open"


@pytest.mark.parametrize("headers", [{}, {"Accept": "*/*"}, {"Accept": "application/json"}], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_a_program_is_answered_at_once(way: str, headers: dict[str, str], item: int) -> None:
    method, address, _browsers = WAYS[way]
    body = {f"item_{item}": "2", "quantity": "2"} if method == "post" else None
    answer = getattr(Client(), method)(address.format(item=item), body, headers=headers)
    assert answer.status_code in (200, 303)
    assert Order.objects.count() == 1


def test_what_another_site_sends_gets_no_cookie_and_is_not_sent_round(item: int) -> None:
    for way in WAYS:
        method, address, headers = WAYS[way]
        foreign = {**headers, "Sec-Fetch-Site": "cross-site"}
        answer = getattr(Client(), method)(address.format(item=item), headers=foreign)
        assert answer.status_code == 403
        assert VISITOR_COOKIE not in answer.cookies


def test_the_real_server_sends_a_form_round_with_its_body(item: int, tmp_path: Path) -> None:
    with served(tmp_path) as shop, requests.Session() as jar:
        answer = jar.post(f"{shop.url}/order", {f"item_{item}": "2"}, headers=FORM, timeout=30)
        assert [one.status_code for one in answer.history] == [307, 303]
        assert (answer.status_code, Order.objects.get().lines.get().quantity) == (200, 2)


# In a browser, on a slow line -----------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-US", java_script_enabled=request.param)
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def line(shop: str) -> Iterator[Line]:
    with slow_line(shop) as line:
        yield line


def finger_on(page: Page, button: str) -> Callable[[], None]:
    """Presses the button where it is now. As a finger, it does not wait for what the page is loading."""
    box = page.locator(f"[data-testid={button}]").bounding_box()
    assert box
    return lambda: page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def has_cookie(page: Page) -> bool:
    return VISITOR_COOKIE in {cookie["name"] for cookie in page.context.cookies()}


@pytest.mark.browser
@pytest.mark.parametrize("passed", [0, 1], ids=["before the first answer", "while the order is made"])
def test_order_pressed_twice_on_the_first_visit_makes_one_order(
    passed: int, page: Page, line: Line, item: int
) -> None:
    page.goto(line.url)
    if page.locator("[data-add]").is_visible():
        page.click("[data-add]")
    else:
        page.fill(f"[name=item_{item}]", "1")
    assert not has_cookie(page)
    press = finger_on(page, "order-button")
    line.hold("POST /order", after=passed)
    press()
    line.wait_for(1 + passed)
    press()
    line.wait_for(2 + passed)
    line.release()
    # Not wait_for_url, which takes the first press's end for that of the second.
    expect(page).to_have_url(re.compile(r"/order/\d+$"), timeout=15_000)
    order = Order.objects.get()
    assert page.url == f"{line.url}/order/{order.pk}"
    assert page.locator("[data-order-status]").get_attribute("data-order-status") == "open"


@pytest.mark.browser
@pytest.mark.parametrize("passed", [0, 1], ids=["before the first answer", "while the order is made"])
def test_buy_pressed_again_without_a_cookie_makes_one_session(
    passed: int, page: Page, line: Line, item: int, sandbox: ShopSandbox
) -> None:
    """With JavaScript the button waits by itself, so the buyer reloads the page in between."""
    page.goto(f"{line.url}/item/{item}")
    page.context.clear_cookies()  # as on a page that gives none
    scripted = page.locator(".stepper [data-step='1']").is_visible()
    press = finger_on(page, "buy")
    line.hold(f"{'GET' if scripted else 'POST'} /buy/", after=passed)
    press()
    line.wait_for(1 + passed)
    if scripted:
        had = has_cookie(page)
        page.reload()
        if not had:
            page.context.clear_cookies()
    press()
    line.wait_for(2 + passed)
    line.release()
    expect(page).to_have_url(re.compile("/c/pay/"), timeout=15_000)
    assert Order.objects.count() == 1
    assert len(sandbox.sessions()) == 1
