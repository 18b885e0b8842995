"""The admin's lists on the screens that people have: no column is cut off, however long its texts are."""

from typing import Any

import pytest
from django.conf import settings as shop_settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page

from kopeck.mail.models import Mail
from kopeck.webhooks.models import StripeEvent
from tests.support.browsing import IN_BROWSER
from tests.support.buying import Deliver, events_of, paid_order
from tests.support.shop import ShopSandbox, make_item

pytestmark = IN_BROWSER

LISTS = (
    "catalog/item",
    "orders/order",
    "payments/payment",
    "refunds/dispute",
    "mail/mail",
    "webhooks/stripeevent",
)
LONG = "A percolator for twelve cups, of enamelled steel, in the green of 1957 "
#: How much of the list is seen, how much there is, and how wide the whole page is.
WIDTHS = """() => {
  const list = document.querySelector("#changelist-form .results");
  return [list.clientWidth, list.scrollWidth, document.documentElement.scrollWidth];
}"""


@pytest.fixture
def shop(live_server: Any, settings: Any) -> str:
    """Only its pages are looked at: Stripe's events are delivered by hand."""
    settings.ALLOWED_HOSTS = ["*"]
    return str(live_server.url)


@pytest.fixture
def staff(context: BrowserContext, shop: str, owner: Client) -> Page:
    name = shop_settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": owner.cookies[name].value, "url": shop}])
    return context.new_page()


@pytest.fixture
def full(sandbox: ShopSandbox, buyer: Client, deliver: Deliver, staff: Page) -> None:
    """A row in every list, with what is longest in it."""
    make_item(name=(LONG * 3)[:200], currency="eur", price=12345678)
    paid_order(sandbox, buyer, deliver, "4000000000000259")
    for event in events_of(sandbox, "charge.", "payment_intent."):
        deliver(event)
    sentence = (
        "The mail service refused it: 550 5.1.1 mailbox unavailable, and it says so in many words. " * 3
    )
    mail = Mail.objects.get()
    mail.to, mail.problem = (
        "a.rather.long.address.of.a.buyer@subdomain.of.a.company.example.com",
        sentence[:200],
    )
    mail.save()
    StripeEvent.objects.update(outcome=sentence[:200])


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("width", [1280, 1440, 1601])
def test_no_column_of_a_list_is_cut_off(staff: Page, shop: str, width: int) -> None:
    staff.set_viewport_size({"width": width, "height": 800})
    cut = {}
    for name in LISTS:
        staff.goto(f"{shop}/admin/{name}/")
        seen, there, page = staff.evaluate(WIDTHS)
        if there > seen or page > width:
            cut[name] = (seen, there, page)
    assert cut == {}


@pytest.mark.usefixtures("full")
def test_on_a_phone_a_list_scrolls_in_itself_and_the_page_does_not(staff: Page, shop: str) -> None:
    staff.set_viewport_size({"width": 390, "height": 800})
    for name in LISTS:
        staff.goto(f"{shop}/admin/{name}/")
        assert staff.evaluate(WIDTHS)[2] <= 390, name
