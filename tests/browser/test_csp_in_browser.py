"""In a real browser no page of shop, admin or API breaks its own policy, and Buy works under it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as shop_settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect
from procrastinate.contrib.django.models import ProcrastinateJob

from kopeck.catalog.models import Discount, Item, Tax
from tests.browser.test_payment_element import fill, to_the_pay_page
from tests.staff.test_second_factor import token_of
from tests.support.browsing import IN_BROWSER, expect_paid, pay
from tests.support.shop import ShopSandbox, make_item

pytestmark = IN_BROWSER

#: Tells the page's console of every violation, from the first byte on.
LISTEN = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error("CSP", event.effectiveDirective, event.blockedURI, event.sourceFile, event.sample));
"""
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)


class Watched:
    """A browser context, and what it complained of in all its pages."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.problems: list[str] = []
        context.add_init_script(LISTEN)
        context.on("weberror", lambda error: self.problems.append(str(error.error)))
        context.on("console", lambda message: self._hear(message.type, message.text))

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "status of 4" not in text:
            self.problems.append(text)


@pytest.fixture
def watched(context: BrowserContext) -> Watched:
    return Watched(context)


@pytest.fixture
def item() -> Item:
    item = make_item(name="Moka pot", price=4820)
    Tax.objects.create(display_name="VAT", percentage="20", is_default=True)
    Discount.objects.create(name="Welcome", code="WELCOME", percent_off="10")
    return item


@pytest.fixture
def staff(watched: Watched, shop: str) -> Iterator[Page]:
    """A page of the watched context with the owner logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("owner", password="pages-of-the-admin"))
    name = shop_settings.SESSION_COOKIE_NAME
    watched.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": shop}])
    return watched.context.new_page()


def test_the_way_through_checkout_and_back(watched: Watched, shop: str, item: Item) -> None:
    page = watched.context.new_page()
    page.goto(f"{shop}/item/{item.pk}")
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    page.go_back()
    expect(page.locator("[data-testid=buy]")).to_be_enabled()
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    pay(page)
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$57.84")
    assert watched.problems == []


def test_window_order_code_and_payment_element_with_3d_secure(
    watched: Watched, shop: str, item: Item
) -> None:
    """pain 22 and "CSP blocks Stripe.js and 3-D Secure after hardening"."""
    page = watched.context.new_page()
    to_the_pay_page(page, shop, item)
    fill(page, "4000 0027 6000 3184")
    challenge = page.frame_locator('iframe[name="__stripeJSChallengeFrame"]')
    challenge.locator("#test-source-authorize-3ds").click()
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$57.84")
    page.goto(f"{shop}/orders")
    page.goto(f"{shop}/item/by_order/{item.pk}")
    assert watched.problems == []


def test_with_javascript_off_buy_still_leads_to_checkout(browser: Browser, shop: str, item: Item) -> None:
    """The form's target is the shop, its answer leads elsewhere: form-action is held against both."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shop}/item/{item.pk}")
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    context.close()


def test_a_checkout_host_that_the_policy_does_not_name_is_not_reached(
    browser: Browser, shop: str, item: Item, settings: Any, sandbox: ShopSandbox
) -> None:
    """So the test above would notice."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    settings.SANDBOX_URL = settings.STRIPE_JS_URL = "http://127.0.0.1:1"
    page.goto(f"{shop}/item/{item.pk}")
    with page.expect_event("console", lambda message: "form-action" in message.text):
        page.click("[data-testid=buy]")
    assert "/c/pay/" not in page.url
    context.close()


def test_errors_and_the_empty_shop(watched: Watched, shop: str) -> None:
    page = watched.context.new_page()
    for path in ("/", "/nothing-here", "/order/1", "/static/nothing-here", "/orders"):
        page.goto(f"{shop}{path}")
        expect(page.locator("h1").first).to_be_visible()
    page.goto(f"{shop}/admin/login/")
    expect(page.locator("#id_username")).to_be_focused()
    assert watched.problems == []


def test_the_apis_page_works_without_the_internet(watched: Watched, shop: str) -> None:
    page = watched.context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{shop}/api/v1/docs")
    expect(page.locator(".call").first).to_be_visible()
    page.locator(".contents a").last.click()
    expect(page.locator(".call").last).to_be_in_viewport()
    assert [url for url in asked if not url.startswith((shop, "data:"))] == []
    assert watched.problems == []


def test_every_page_of_the_admin(watched: Watched, staff: Page, shop: str, item: Item) -> None:
    item.image.save("picture.webp", ContentFile(PIXEL))
    watched.context.request.get(f"{shop}/item/{item.pk}")
    bought = watched.context.request.get(f"{shop}/buy/{item.pk}").json()
    assert "url" in bought
    pages = ["", "auth/user/", "auth/user/1/change/", "password_change/", "catalog/item/add/"]
    for model in ("catalog/item", "catalog/discount", "catalog/tax", "orders/order", "payments/payment"):
        pages.append(f"{model}/")
    owner, order = User.objects.get(), item.order_lines.get().order
    pages[2] = f"auth/user/{owner.pk}/change/"
    pages += [f"catalog/item/{item.pk}/change/", f"catalog/item/{item.pk}/history/"]
    pages += ["catalog/item/import/", "admin/logentry/"]
    pages += ["webhooks/stripeevent/", "mirror/stripemirror/", "refunds/refund/", "refunds/dispute/"]
    pages += [
        f"catalog/discount/{Discount.objects.get().pk}/change/",
        f"catalog/tax/{Tax.objects.get().pk}/change/",
    ]
    pages += [f"orders/order/{order.pk}/{page}/" for page in ("change", "why", "history")]
    job = ProcrastinateJob.objects.filter(procrastinateevent__isnull=False).first()
    assert job is not None
    pages += ["procrastinate/procrastinatejob/", f"procrastinate/procrastinatejob/{job.pk}/change/"]
    for path in pages:
        answer = staff.goto(f"{shop}/admin/{path}")
        assert answer is not None
        assert answer.status == 200, path
        expect(staff.locator("#content")).to_be_visible()
        assert watched.problems == [], path


def test_the_refund_page_is_laid_out(watched: Watched, staff: Page, shop: str, item: Item) -> None:
    """The admin's sheet is taken, and nothing on the page is refused."""
    staff.goto(f"{shop}/item/{item.pk}")
    staff.click("[data-testid=buy]")
    staff.wait_for_url("**/c/pay/**")
    pay(staff)
    staff.wait_for_url(f"{shop}/order/*")
    order = item.order_lines.get().order
    staff.goto(f"{shop}/admin/orders/order/{order.pk}/refund/")
    assert staff.evaluate("getComputedStyle(document.querySelector('.facts th.n')).textAlign") == "right"
    assert watched.problems == []


def test_switching_the_second_factor_on_and_logging_in_with_it(
    watched: Watched, staff: Page, shop: str
) -> None:
    staff.goto(f"{shop}/admin/")
    staff.click("text=Second factor")
    secret = staff.locator("[data-testid=secret]").inner_text()
    assert staff.locator(".drawn svg").bounding_box() is not None
    staff.fill("#token", token_of(secret))
    staff.click("text=Switch it on")
    expect(staff.locator("[data-testid=codes] code")).to_have_count(10)
    watched.context.clear_cookies()
    staff.goto(f"{shop}/admin/orders/order/")
    staff.fill("#id_username", "owner")
    staff.fill("#id_password", "pages-of-the-admin")
    staff.click("[type=submit]")
    expect(staff.locator("#token")).to_be_focused()
    staff.fill("#token", token_of(secret, step=1))
    staff.click("[type=submit]")
    staff.wait_for_url(f"{shop}/admin/orders/order/")
    assert watched.problems == []
