"""A buyer at the hosted page, without a browser: sessions to pay, the form, what the page says."""

import re
from html import unescape
from typing import Any

import requests

from sandbox_testing.own import Own

GOOD = "4242424242424242"
SHOP = "http://127.0.0.1:9/shop"


def open_session(
    own: Own, lines: list[tuple[str, int, int]] | None = None, currency: str = "usd", **more: Any
) -> Any:
    """A Checkout Session of `lines` (name, unit amount in minor units, quantity) and parameters `more`."""
    items = [
        {
            "quantity": quantity,
            "price_data": {"currency": currency, "unit_amount": amount, "product_data": {"name": name}},
        }
        for name, amount, quantity in lines or [("Moka pot", 4200, 1)]
    ]
    usual = {
        "mode": "payment",
        "line_items": items,
        "success_url": f"{SHOP}/done?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{SHOP}/cart",
    }
    return own.client.v1.checkout.sessions.create(usual | more)


def session_of(own: Own, id: str) -> Any:
    return own.client.v1.checkout.sessions.retrieve(id)


def typed(card: str = GOOD, **fields: str) -> dict[str, str]:
    """The form as a buyer fills it."""
    usual = {
        "email": "ada@example.com",
        "cardNumber": card,
        "cardExpiry": "12 / 34",
        "cardCvc": "123",
        "billingName": "Ada Byron",
    }
    return usual | fields


def look(address: str, **options: Any) -> requests.Response:
    return requests.get(address, timeout=120, allow_redirects=False, **options)


def submit(address: str, form: dict[str, str] | None = None, **options: Any) -> requests.Response:
    """Press the button of the page at `address`, with JavaScript off."""
    return requests.post(
        address, data=typed() if form is None else form, timeout=120, allow_redirects=False, **options
    )


def text_of(page: requests.Response) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page.text, flags=re.S)
    words = unescape(re.sub(r"<[^>]+>", " ", body)).replace("\N{NO-BREAK SPACE}", " ")
    return " ".join(words.split())


def alerts(page: requests.Response) -> dict[str, str]:
    """The errors that the page shows, by the input they are about."""
    found = re.findall(r'<p class="error" role="alert" id="\w+-error" data-for="(\w+)">(.*?)</p>', page.text)
    return {name: unescape(words) for name, words in found}


def value_of(page: requests.Response, name: str) -> str:
    """What stands in an input of the page."""
    tag = next(tag for tag in re.findall(r"<input[^>]*>", page.text) if f'name="{name}"' in tag)
    match = re.search(r' value="([^"]*)"', tag)
    return unescape(match[1]) if match else ""
