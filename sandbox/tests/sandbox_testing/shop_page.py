"""A shop's page on an origin of its own, for the browser tests of Stripe.js."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import stripe

from sandbox_testing.own import Own

FRAME = 'iframe[name^="__privateStripeFrame"]'
HEAD = '<!doctype html><title>Shop</title><link rel="icon" href="data:,">'


class ShopPage(BaseHTTPRequestHandler):
    """Loads the script whose address the query names, and has a place for an Element."""

    def do_GET(self) -> None:
        script = parse_qs(urlsplit(self.path).query).get("script", [""])[0]
        loaded = f'<script src="{script}"></script>' if script else ""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f'{HEAD}{loaded}<div id="place"></div>'.encode())

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving_shop() -> Iterator[str]:
    """The address of a page; `?script=` is its script."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), ShopPage)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/item/1"
    server.shutdown()
    server.server_close()
    thread.join()


def call(page: Any, expression: str) -> Any:
    """`{"value": ...}` of an expression, or the name and message of what it throws."""
    return page.evaluate(
        f"async () => {{ try {{ return {{value: await ({expression})}} }}"
        " catch (error) { return {name: error.name, message: error.message} } }"
    )


def mount_element(page: Any, key: str, options: dict[str, Any]) -> None:
    """Mount a Payment Element as `element` of `elements` of `stripe`; its events are kept in `heard`."""
    page.evaluate(
        """([key, options]) => {
            window.heard = [];
            window.stripe = Stripe(key);
            window.elements = stripe.elements(options);
            window.element = elements.create("payment");
            for (const name of ["ready", "change", "focus", "blur", "loaderror"]) {
                element.on(name, (event) => heard.push({name, ...event}));
            }
            element.mount("#place");
        }""",
        [key, options],
    )


def make(own: Own, **more: Any) -> stripe.PaymentIntent:
    """An intent of 10.00 USD in the sandbox."""
    return own.client.v1.payment_intents.create({"amount": 1000, "currency": "usd", **more})


def of(page: Any, type: str) -> Any:
    """The frame of the Element that was mounted in the place of its type's name."""
    return page.frame_locator(f"#{type} iframe")


def type_card(page: Any, number: str = "4242424242424242") -> None:
    """Into the Payment Element that was mounted so."""
    type_into(of(page, "payment"), number)


def typed(page: Any, number: str = "4242424242424242", expiry: str = "1234", cvc: str = "123") -> Any:
    """Type a card into the mounted element; its frame."""
    return type_into(page.frame_locator(FRAME), number, expiry, cvc)


def type_into(frame: Any, number: str, expiry: str = "1234", cvc: str = "123") -> Any:
    for name, text in (("number", number), ("expiry", expiry), ("cvc", cvc)):
        frame.locator(f"input[name={name}]").fill("")
        frame.locator(f"input[name={name}]").press_sequentially(text)
    return frame
