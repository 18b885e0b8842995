"""Budgets: nobody starts too many orders and payments, by visitor and by address."""

import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from kopeck.abuse import jobs as limit_jobs
from kopeck.abuse.budgets import hash_address
from kopeck.abuse.models import Budget
from kopeck.abuse.rates import Rate, read_rate
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments.models import Payment
from kopeck.stripe_api import client as wire
from kopeck.web.visitors import VISITOR_COOKIE, Visitor
from tests.support.shop import LONG_WINDOW, ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)
BROWSER = {"Accept": "text/html"}


@pytest.fixture
def budgets(settings: Any) -> Any:
    """Three an hour for a visitor, five for an address, which a proxy may tell."""
    settings.BUDGET_VISITOR, settings.BUDGET_ADDRESS = Rate(3, LONG_WINDOW), Rate(5, LONG_WINDOW)
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    return settings


def from_address(address: str) -> Client:
    """A browser of its own at this address."""
    return Client(raise_request_exception=False, headers={"X-Forwarded-For": address})


def test_reading_a_rate() -> None:
    assert read_rate("30/10m") == Rate(30, 600)
    assert read_rate("5/s") == Rate(5, 1)
    assert read_rate("0").count == 0
    for wrong in ("", "5", "5/", "-1/m", "5/m5", "5/0m", "٣/m"):
        with pytest.raises(ValueError, match="a budget looks like"):
            read_rate(wrong)


def test_a_visitor_who_starts_too_many_gets_429_and_the_others_none(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, budgets: Any
) -> None:
    """pain 23"""
    items = [make_item() for _ in range(4)]
    buyer.get(f"/item/{items[0].pk}?mine=1")
    assert [buyer.get(f"/buy/{item.pk}").status_code for item in items] == [200, 200, 200, 429]
    refused = buyer.get(f"/buy/{items[3].pk}")
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert "lot of orders in a short time" in refused.json()["error"]["message"]
    assert 1 <= int(refused["Retry-After"]) <= LONG_WINDOW
    page = buyer.post(f"/buy/{items[3].pk}", headers=BROWSER)
    assert page.status_code == 429
    assert page["Retry-After"]
    assert "lot of orders in a short time" in page.content.decode()
    assert len(sandbox.sessions()) == Order.objects.count() == 3
    stranger.get(f"/item/{items[3].pk}?mine=1")
    assert stranger.get(f"/buy/{items[3].pk}").status_code == 200


def test_what_is_made_already_is_handed_out_without_counting(
    sandbox: ShopSandbox, buyer: Client, budgets: Any
) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    assert {buyer.get(f"/buy/{item.pk}").status_code for _ in range(10)} == {200}
    assert sorted(Budget.objects.values_list("count", flat=True)) == [1, 1]


def test_a_changed_purchase_counts_as_the_new_session_that_it_needs(
    sandbox: ShopSandbox, buyer: Client, budgets: Any
) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    statuses = [buyer.get(f"/buy/{item.pk}?quantity={n}").status_code for n in range(1, 5)]
    assert statuses == [200, 200, 200, 429]


def test_a_new_cookie_each_time_does_not_get_around_the_addresss_budget(
    sandbox: ShopSandbox, budgets: Any
) -> None:
    """pain 23"""
    item = make_item()
    statuses = [from_address("203.0.113.9").get(f"/buy/{item.pk}").status_code for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    made_up = {VISITOR_COOKIE: "x" * 43}
    client = from_address("203.0.113.9")
    client.cookies.load(made_up)
    assert client.get(f"/buy/{item.pk}").status_code == 429
    assert len(sandbox.sessions()) == Order.objects.count() == 5
    assert from_address("203.0.113.10").get(f"/buy/{item.pk}").status_code == 200


def test_ipv6_counts_by_its_64_bit_network(sandbox: ShopSandbox, budgets: Any) -> None:
    item = make_item()
    statuses = [from_address(f"2001:db8::{n}").get(f"/buy/{item.pk}").status_code for n in range(1, 7)]
    assert statuses == [200] * 5 + [429]
    assert from_address("2001:db8:0:1::1").get(f"/buy/{item.pk}").status_code == 200
    assert (
        hash_address("2001:db8::1") == hash_address("[2001:db8::ffff]:80") != hash_address("2001:db8:0:1::1")
    )
    assert hash_address("::ffff:203.0.113.9") == hash_address("203.0.113.9")
    assert hash_address("unix:") == ""


@pytest.mark.parametrize("way", ["window", "api", "intent", "order"])
def test_every_way_to_start_something_counts(
    sandbox: ShopSandbox, buyer: Client, budgets: Any, way: str
) -> None:
    items = [make_item(name=f"Pot {n}") for n in range(4)]
    buyer.get(f"/item/{items[0].pk}?mine=1")

    def once(number: int) -> int:
        item = items[number]
        match way:
            case "window":  # the window's order is changed, not made anew: it is paid, and the next is new
                answer = buyer.post("/order", {f"item_{item.pk}": 1})
                Order.objects.update(status="cancelled")
                return answer.status_code
            case "api":
                body = {"lines": [{"item": item.pk}]}
                return buyer.post("/api/v1/orders", body, content_type="application/json").status_code
            case "intent":
                return buyer.get(f"/intent/{item.pk}").status_code
            case _:
                order = Order.objects.first() or placing.place_for_buy(
                    Wanted(items[0], 1), visitor=Visitor(buyer.cookies[VISITOR_COOKIE].value).key
                )
                Payment.objects.update(status="expired")
                return buyer.post(f"/order/{order.pk}/buy").status_code

    statuses = [once(number) for number in range(4)]
    assert statuses == [{"window": 303, "api": 201, "intent": 200, "order": 303}[way]] * 3 + [429]


def test_requests_at_once_are_counted_exactly(sandbox: ShopSandbox, budgets: Any) -> None:
    item = make_item()
    start = threading.Barrier(20)

    def buy(_number: int) -> int:
        client = from_address("203.0.113.9")
        start.wait()
        status = client.get(f"/buy/{item.pk}").status_code
        connection.close()
        return status

    with ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(buy, range(20)))
    assert statuses == [200] * 5 + [429] * 15
    assert len(sandbox.sessions()) == Order.objects.count() == 5


def test_a_refused_request_leaves_the_count_at_its_limit_and_no_order_behind(
    sandbox: ShopSandbox, buyer: Client, budgets: Any
) -> None:
    items = [make_item() for _ in range(6)]
    buyer.get(f"/item/{items[0].pk}?mine=1")
    for item in items:
        buyer.get(f"/buy/{item.pk}")
    assert Order.objects.count() == 3
    assert sorted(Budget.objects.values_list("count", flat=True)) == [3, 3]


def test_no_lock_is_held_on_a_count_while_stripe_is_asked(
    sandbox: ShopSandbox, buyer: Client, budgets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, free = wire.Gateway.create, []

    def look(self: wire.Gateway, kind: str, inputs: Any, *, idempotency_key: str) -> Any:
        with transaction.atomic():
            free.append(len(Budget.objects.select_for_update(skip_locked=True)))
        return create(self, kind, inputs, idempotency_key=idempotency_key)

    monkeypatch.setattr(wire.Gateway, "create", look)
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    assert buyer.get(f"/buy/{item.pk}").status_code == 200
    assert free == [2]


def test_the_next_window_starts_anew_and_the_worker_forgets_the_old_ones(
    sandbox: ShopSandbox, buyer: Client, budgets: Any
) -> None:
    from datetime import timedelta

    from django.db.models import F

    items = [make_item() for _ in range(5)]
    buyer.get(f"/item/{items[0].pk}?mine=1")
    assert [buyer.get(f"/buy/{item.pk}").status_code for item in items[:4]] == [200, 200, 200, 429]
    Budget.objects.update(began=F("began") - timedelta(seconds=LONG_WINDOW))
    assert buyer.get(f"/buy/{items[4].pk}").status_code == 200
    assert limit_jobs.forget() == 0
    Budget.objects.filter(count=3).update(began=F("began") - timedelta(seconds=2 * LONG_WINDOW))
    assert limit_jobs.forget() == 2
    assert Budget.objects.count() == 2


def test_buying_costs_one_statement_for_its_budgets(
    sandbox: ShopSandbox, buyer: Client, budgets: Any
) -> None:
    from django.test.utils import CaptureQueriesContext

    item, other = make_item(), make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    for one in (item, other):
        with CaptureQueriesContext(connection) as queries:
            assert buyer.get(f"/buy/{one.pk}").status_code == 200
        asked = [query["sql"] for query in queries if "abuse_budget" in query["sql"]]
        assert len(asked) == 1
        assert not [
            query for query in queries if "abuse_attack" in query["sql"] and query["sql"] not in asked
        ]
