#!/usr/bin/env python3
"""Buys one thing in a running shop, as a visitor would, and waits until the shop calls the order paid.

    deploy/smoke.py http://localhost:8080 --sandbox http://localhost:8420
    STRIPE_SECRET_KEY=sk_test_... deploy/smoke.py https://staging.shop.example

With --sandbox it pays a Checkout Session at the local Stripe; otherwise a PaymentIntent with Stripe's own
test card, by the shop's test key. Needs nothing but Python. Ends with 1 when the order is not paid.
"""

import argparse
import http.cookiejar
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

PATIENCE = 60.0  # seconds until the event must have come in


class Failed(Exception):
    """What was expected and did not come; `str()` is the sentence."""


class Browser:
    """Somebody with a cookie jar at one shop."""

    def __init__(self, shop: str) -> None:
        self.shop = shop.rstrip("/")
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar, *_direct(shop))

    def get(self, path: str) -> str:
        return ask(urllib.request.Request(self.shop + path), self.opener.open)


def _direct(address: str) -> list[urllib.request.ProxyHandler]:
    """A proxy of the environment leads to the internet, and not to this machine."""
    here = urllib.parse.urlsplit(address).hostname in ("localhost", "127.0.0.1", "::1")
    return [urllib.request.ProxyHandler({})] if here else []


def ask(request: urllib.request.Request, send: Any = urllib.request.urlopen) -> str:
    where = f"{request.get_method()} {request.full_url.partition('?')[0]}"
    try:
        with send(request, timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as problem:
        body = problem.read().decode(errors="replace")[:300]
        raise Failed(f"{where} answered {problem.code}: {body}") from None
    except OSError as problem:
        raise Failed(f"{where} did not answer: {problem}") from None


def pay_session(sandbox: str, session: str) -> None:
    body = json.dumps({"card": "4242424242424242"}).encode()
    address = f"{sandbox.rstrip('/')}/_sandbox/sessions/{session}/pay"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    ask(request, urllib.request.build_opener(urllib.request.ProxyHandler({})).open)  # it is nobody's but ours


def pay_intent(key: str, intent: str, shop: str) -> None:
    if "_test_" not in key:
        raise Failed("STRIPE_SECRET_KEY should be a test key (sk_test_...): this payment must cost nothing.")
    base = os.environ.get("STRIPE_API_BASE") or "https://api.stripe.com"
    body = urllib.parse.urlencode({"payment_method": "pm_card_visa", "return_url": f"{shop}/orders"}).encode()
    request = urllib.request.Request(f"{base}/v1/payment_intents/{intent}/confirm", body)
    request.add_header("Authorization", f"Bearer {key}")
    ask(request)


def buy(shop: str, sandbox: str | None) -> str:
    """The address of the paid order. Raises Failed."""
    browser = Browser(shop)
    browser.get("/readyz")
    item = re.search(r'href="/item/(\d+)"', browser.get("/"))
    if not item:
        raise Failed("The shop window shows no item to buy.")
    browser.get(f"/item/{item[1]}")
    if sandbox:
        pay_session(sandbox, json.loads(browser.get(f"/buy/{item[1]}"))["session_id"])
    else:
        answer = json.loads(browser.get(f"/intent/{item[1]}"))
        pay_intent(os.environ.get("STRIPE_SECRET_KEY", ""), answer["payment_intent_id"], browser.shop)
    order = re.search(r'href="(/order/\d+[^"]*)"', browser.get("/orders"))
    if not order:
        raise Failed("The order is not in the buyer's list.")
    status, deadline = "", time.monotonic() + PATIENCE
    while status != "paid":
        if time.monotonic() > deadline:
            raise Failed(f"{order[1]} is {status or 'unreadable'} and not paid after {PATIENCE:.0f} s.")
        shown = re.search(r'data-order-status="(\w+)"', browser.get(order[1]))
        status = shown[1] if shown else ""
        time.sleep(0.2)
    return browser.shop + order[1]


def main() -> int:
    parser = argparse.ArgumentParser(description="Buys one thing and waits until it is paid.")
    parser.add_argument("shop", help="the shop's address, such as http://localhost:8080")
    parser.add_argument("--sandbox", help="the local Stripe's address, such as http://localhost:8420")
    words = parser.parse_args()
    began = time.monotonic()
    try:
        order = buy(words.shop, words.sandbox)
    except Failed as failure:
        print(f"smoke: {failure}", file=sys.stderr)
        return 1
    print(f"paid: {order.partition('?')[0]} in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
