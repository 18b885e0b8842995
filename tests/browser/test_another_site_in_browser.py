"""A page of another site in the browser of a buyer who is typing a card into Checkout: it changes nothing."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import BrowserContext, Page

from kopeck.orders.models import Order
from tests.support.browsing import IN_BROWSER, expect_paid, fill_card, pay
from tests.support.shop import ShopSandbox, make_item

pytestmark = IN_BROWSER

#: How a page makes a browser ask for an address; the last four bring the visitor's cookie (SameSite=Lax).
PICTURES = """
    const image = (address) => new Promise((done) => {
      const picture = new Image();
      picture.onload = picture.onerror = () => done();
      picture.src = address;
    });
    const frame = (address) => new Promise((done) => {
      const inner = document.createElement("iframe");
      inner.onload = () => done();
      inner.src = address;
      document.body.append(inner);
    });
    const wait = (address) => fetch(address, { mode: "no-cors", credentials: "include" }).catch(() => 0);
    return Promise.all(addresses.flatMap((address) => [image(address), frame(address), wait(address)]));
"""
WAYS = {
    "a link": "const a = document.createElement('a'); a.href = address; document.body.append(a); a.click();",
    "a form": """
        const [path, query] = address.split("?");
        const form = document.createElement("form");
        form.action = path;
        for (const [name, value] of new URLSearchParams(query)) {
          const field = document.createElement("input");
          [field.type, field.name, field.value] = ["hidden", name, value];
          form.append(field);
        }
        document.body.append(form);
        form.submit();
    """,
    "a script": "location.assign(address);",
    "a refresh": """
        const refresh = document.createElement("meta");
        [refresh.httpEquiv, refresh.content] = ["refresh", `0; url=${address}`];
        document.head.append(refresh);
    """,
}


@contextmanager
def other_site() -> Iterator[str]:
    """An empty page at 127.0.0.1, which is another site than localhost, where the shop is."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Win a prize</title><body>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def at_checkout(context: BrowserContext, shop: str) -> Page:
    """A page with two pieces at Checkout, the card half typed."""
    assert "//localhost:" in shop
    item = make_item(price=4820)
    page = context.new_page()
    page.goto(f"{shop}/item/{item.pk}")
    page.fill("#quantity", "2")
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    fill_card(page)
    return page


def expect_untouched(sandbox: ShopSandbox, page: Page) -> None:
    """One order of two pieces with one open session, and what the buyer types is paid."""
    assert [one.status for one in sandbox.sessions()] == ["open"]
    assert sandbox.stripe.v1.payment_intents.list().data == []
    order = Order.objects.get()
    assert order.lines.get().quantity == 2
    pay(page)
    expect_paid(page, "$96.40")


def targets(shop: str) -> list[str]:
    order = Order.objects.get()
    item = order.lines.get().item_id
    paths = [f"buy/{item}?quantity=99", f"intent/{item}?quantity=99"]
    paths += [f"order/{order.pk}/{name}" for name in ("buy", "intent", "pay")]
    return [f"{shop}/{path}" for path in paths]


def test_pictures_frames_and_fetches_of_another_site_do_not_touch_what_is_being_paid(
    shop: str, sandbox: ShopSandbox, context: BrowserContext
) -> None:
    buyers = at_checkout(context, shop)
    with other_site() as address:
        evil = context.new_page()
        evil.goto(address)
        evil.evaluate(f"(addresses) => {{ {PICTURES} }}", targets(shop))
        expect_untouched(sandbox, buyers)


@pytest.mark.parametrize("way", WAYS)
def test_where_another_site_leads_a_buyer_nothing_that_is_being_paid_is_touched(
    way: str, shop: str, sandbox: ShopSandbox, context: BrowserContext
) -> None:
    buyers = at_checkout(context, shop)
    with other_site() as address:
        evil = context.new_page()
        for target in targets(shop):
            evil.goto(address)
            with evil.expect_navigation(url=f"{shop}/**"):
                evil.evaluate(f"(address) => {{ {WAYS[way]} }}", target)
            evil.wait_for_load_state("networkidle")  # the pay page's script asks by itself
        expect_untouched(sandbox, buyers)
