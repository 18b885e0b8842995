"""axe-core finds nothing on any page of a purchase, narrow and wide, light and dark. No words are cut off."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from kopeck.orders.models import Order
from tests.support.browsing import IN_BROWSER, pay
from tests.support.shop import ShopSandbox, make_item

pytestmark = IN_BROWSER
#: axe-core 4.14.1 as npm has it, MPL-2.0: for tests alone, nothing of it is in the shop.
AXE = (Path(__file__).parent / "axe.min.js").read_text()
_RUN = """() => axe.run().then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`)))"""


#: Buttons whose words break into two lines or are cut off, or that stand out of their row; and a page that is
#: wider than its window.
_UNFIT = """() => {
    const buttons = document.querySelectorAll("button:not(.unseen), a.primary, a.second, summary");
    const found = [...buttons].filter((one) => {
        const range = document.createRange();
        range.selectNodeContents(one);
        const parts = [...range.getClientRects()].filter(({ width, height }) => width > 1 && height > 1);
        const [tops, bottoms] = [parts.map((part) => part.top), parts.map((part) => part.bottom)];
        const height = Math.max(...bottoms) - Math.min(...tops);
        const lines = height / parseFloat(getComputedStyle(one).fontSize);
        return parts.length && (lines > 1.9 || one.scrollWidth > one.clientWidth + 1);
    }).map((one) => `does not fit: ${one.textContent.trim()}`);
    for (const one of document.querySelectorAll(".submit-row > *")) {
        const row = one.parentElement, padding = parseFloat(getComputedStyle(row).paddingRight);
        if (one.getBoundingClientRect().right > row.getBoundingClientRect().right - padding + 1) {
            found.push(`stands out of its row: ${one.value || one.textContent.trim()}`);
        }
    }
    const { scrollWidth } = document.documentElement;
    return scrollWidth > innerWidth ? [...found, `${scrollWidth} px wide`] : found;
}"""


#: Pages that are there before anything is bought.
STILL = ("/", "/search?q=mokka", "/search?q=nothing", "/cart", "/orders", "/nope", "/api/v1/docs")


def violations(page: Page) -> list[str]:
    page.evaluate(AXE)
    return [f"{page.url} {found}" for found in page.evaluate(_RUN) + page.evaluate(_UNFIT)]


def test_words_that_do_not_fit_are_found(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    button = "<button style='width: 80px; white-space: {}'>Оплатить 57,50 $</button>"
    page.set_content(button.format("normal"))
    assert page.evaluate(_UNFIT) == ["does not fit: Оплатить 57,50 $"]
    page.set_content(button.format("nowrap"))
    assert page.evaluate(_UNFIT) == ["does not fit: Оплатить 57,50 $"]
    page.set_content("<button>Оплатить 57,50 $</button><p style='width: 500px'>wide</p>")
    assert page.evaluate(_UNFIT) == ["508 px wide"]
    page.close()


@pytest.mark.parametrize("begin", ["", "/ru"], ids=["English", "Russian"])
@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_axe_finds_nothing_on_the_pages_of_a_purchase(
    browser: Browser, shop: str, sandbox: ShopSandbox, width: int, theme: Literal["light", "dark"], begin: str
) -> None:
    pot, _lamp = make_item(name="Moka pot", stock=2), make_item(name="Desk lamp", currency="eur", price=12900)
    size = {"width": width, "height": 800}
    context = browser.new_context(locale="en-US", viewport=size, color_scheme=theme, bypass_csp=True)
    page, found = context.new_page(), []
    for address in (*STILL, f"/item/{pot.pk}"):
        page.goto(f"{shop}{begin}{address}")
        found += violations(page)
    page.goto(f"{shop}{begin}/")
    for add in page.locator("[data-add]").all():
        add.click()
    found += violations(page)
    page.click("[data-testid=order-button]")
    page.wait_for_url("**/orders/open")
    found += violations(page)
    for address in ("", "/pay"):
        page.goto(f"{shop}{begin}{Order.objects.latest('pk').get_absolute_url()}{address}")
        page.wait_for_load_state("networkidle")
        found += violations(page)
    page.goto(f"{shop}{begin}/orders/open")
    page.locator("[data-testid=pay]").first.click()
    page.wait_for_url("**/c/pay/**")
    pay(page)
    page.wait_for_url(f"{shop}{begin}/order/**")
    page.wait_for_selector("[data-order-status=paid]")
    found += violations(page)
    page.goto(f"{shop}{begin}/orders")
    found += violations(page)
    context.close()
    assert found == []
