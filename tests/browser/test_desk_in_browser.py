"""The whole desk as people have it: every list, form and page has names for all, and room for all."""

import re
from typing import Any, Literal

import pytest
from django.conf import settings as shop_settings
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client, RequestFactory
from django.urls import reverse
from playwright.sync_api import Browser, Page

from kopeck.books.models import Statement
from kopeck.catalog.models import Discount, Tax
from kopeck.orders.models import Order
from tests.browser.test_axe_in_browser import violations
from tests.outgoing.receiver import make_endpoint
from tests.support.browsing import IN_BROWSER
from tests.support.buying import Deliver, events_of, paid_order
from tests.support.programs import make_token
from tests.support.shop import ShopSandbox, make_item, make_rate

pytestmark = [*IN_BROWSER, pytest.mark.slow]


@pytest.fixture
def shop(live_server: Any, settings: Any) -> str:
    """Only its pages are looked at: Stripe's events are delivered by hand."""
    settings.ALLOWED_HOSTS = ["*"]
    return str(live_server.url)


@pytest.fixture
def full(sandbox: ShopSandbox, buyer: Client, deliver: Deliver) -> Order:
    """A row in nearly every list; the order that was paid and is disputed."""
    make_item(name="Moka pot", stock=2)
    make_rate()
    Tax.objects.create(display_name="VAT", percentage="20", is_default=True)
    Discount.objects.create(name="Welcome", code="WELCOME", percent_off="10")
    Group.objects.get_or_create(name="Support")
    make_token()
    make_endpoint("https://hooks.example/")
    sums = {"balances": [["default", "usd", {"opening": 0, "sale": 4820, "closing": 4650}, 170]], "taxes": []}
    Statement.objects.create(since="2026-11-01", until="2026-11-30", status="ready", file=b"", sums=sums)
    order = paid_order(sandbox, buyer, deliver, "4000000000000259")
    for event in events_of(sandbox, "charge.", "payment_intent."):
        deliver(event)
    return order


def addresses(order: Order) -> list[str]:
    """Of every model the list, the form of a new row and that of its first one; then the pages of our own."""
    request = RequestFactory().get("/")
    request.user = User(is_active=True, is_staff=True, is_superuser=True)
    found = [reverse("admin:index"), reverse("admin:password_change"), reverse("second-factor")]
    for model, desk in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found.append(reverse(f"{name}_changelist"))
        if desk.has_add_permission(request):
            found.append(reverse(f"{name}_add"))
        row = model._default_manager.first()
        if row is not None:
            found += [reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history")]
    found += [reverse(f"admin:orders_order_{page}", args=[order.pk]) for page in ("why", "refund")]
    found.append(f"{reverse('forget-buyer')}?order={order.pk}")
    found.append(reverse("admin:catalog_item_import"))
    return found


def desk(browser: Browser, owner: Client, shop: str, width: int, theme: Literal["light", "dark"]) -> Page:
    size = {"width": width, "height": 800}
    context = browser.new_context(locale="en-US", viewport=size, color_scheme=theme, bypass_csp=True)
    name = shop_settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": owner.cookies[name].value, "url": shop}])
    return context.new_page()


@pytest.mark.parametrize(
    ("width", "theme", "begin"),
    [
        (390, "light", ""),
        (390, "dark", ""),
        (1280, "light", ""),
        (1280, "dark", ""),
        (390, "light", "/ru"),  # whose words are the longest
    ],
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Browser,
    shop: str,
    owner: Client,
    full: Order,
    width: int,
    theme: Literal["light", "dark"],
    begin: str,
) -> None:
    page, found = desk(browser, owner, shop, width, theme), []
    asked = addresses(full)
    for address in asked:
        page.goto(f"{shop}{begin}{address}")
        # Django's buttons between two lists are pictures: their words are for readers alone.
        found += [
            one
            for one in violations(page)
            if not re.search(r"does not fit: (Choose|Remove|Выбрать|Удалить) ", one)
        ]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{address} is wider than {width}")
    page.context.close()
    assert found == [], "\n".join(found)
    assert len(asked) > 50


def test_a_row_is_a_card_on_a_phone_and_the_menu_unfolds(
    browser: Browser, shop: str, owner: Client, full: Order
) -> None:
    page = desk(browser, owner, shop, 390, "light")
    page.goto(f"{shop}{reverse('admin:orders_order_changelist')}")
    card = page.locator("#result_list tbody tr").first
    for cell in card.locator("td:visible:not(.action-checkbox)").all():
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390
        assert cell.get_attribute("data-name")
    assert not page.locator("#side-menu").is_visible()
    page.locator("#phone-menu > summary").click()
    page.locator("#phone-menu").get_by_role("link", name="Items").click()
    page.wait_for_url("**/admin/catalog/item/")
    page.context.close()
