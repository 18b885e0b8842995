"""Memory stays flat under nasty requests, ten-megabyte bodies among them: measured at the real web server."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.support.nasty import BODIES, CONTENT_TYPES, VALUES
from tests.support.serving import Served, served
from tests.support.shop import make_item

WARM_UP, MORE, CLIENTS = 400, 2000, 4
#: Of the memory after more requests to that after the warm-up.
RATIO = 1.25
ADDRESSES = [
    "/api/v1/orders",
    "/order",
    "/buy/1",
    "/order/1/lines",
    "/webhooks/stripe/default",
    "/admin/login/",
]


def ask(shop: Served, number: int) -> int:
    """One of many different requests; its status."""
    address, body = ADDRESSES[number % len(ADDRESSES)], BODIES[number % len(BODIES)]
    if number % 3 == 0:
        value = VALUES[number % len(VALUES)].encode("utf-8", "surrogatepass")
        pages = ("/", "/orders", "/item/1", "/buy/1", "/order/1")
        return requests.get(
            f"{shop.url}{pages[number % 5]}",
            params={"quantity": value[:4000], "before": value[:4000]},
            timeout=240,
        ).status_code
    content_type = CONTENT_TYPES[number % len(CONTENT_TYPES)].encode("latin-1")
    return requests.post(
        f"{shop.url}{address}",
        data=body,
        headers={"Content-Type": content_type, "Stripe-Signature": "t=1,v1=0"},
        timeout=240,
    ).status_code


@pytest.mark.django_db(transaction=True)
def test_memory_stays_flat(tmp_path: Path) -> None:
    make_item()
    with served(tmp_path, STRIPE_API_BASE="http://127.0.0.1:9") as shop, ThreadPoolExecutor(CLIENTS) as pool:
        statuses = set(pool.map(lambda number: ask(shop, number), range(WARM_UP)))
        warm = shop.memory()
        statuses |= set(pool.map(lambda number: ask(shop, number), range(WARM_UP, WARM_UP + MORE)))
        after = shop.memory()
        log = (tmp_path / "web.log").read_text()
    assert {status for status in statuses if status >= 500} <= {503}  # Buy, for there is no Stripe
    assert "Internal Server Error" not in log
    assert after / warm < RATIO, f"{warm} bytes grew to {after}"
