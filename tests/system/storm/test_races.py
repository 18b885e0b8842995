"""Buyers with two tabs, two fingers and bad luck: one order, one open session, and never a dead one."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.mirror import sync as copies
from kopeck.orders.models import Order
from kopeck.payments import attempts
from kopeck.payments.models import Payment
from kopeck.stripe_api import client as wire
from kopeck.web.visitors import VISITOR_COOKIE
from tests.support.crashing import crash_before_the_answer_is_stored
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def buyers_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many at once on a busy machine some would wait longer than the shop lets them, and read "busy"."""
    for waits in (attempts, copies):
        monkeypatch.setattr(waits, "PATIENCE", 240.0)


def presses(buyer: Client, addresses: list[str], *, apart: float = 0) -> list[tuple[int, Any]]:
    """GETs of one visitor, all at once or `apart` seconds from each other."""
    start = threading.Barrier(len(addresses))

    def press(numbered: tuple[int, str]) -> tuple[int, Any]:
        client = Client(raise_request_exception=False)
        client.cookies[VISITOR_COOKIE] = buyer.cookies[VISITOR_COOKIE].value
        start.wait()
        time.sleep(numbered[0] * apart)
        answer = client.get(numbered[1])
        connection.close()
        return answer.status_code, answer.json()

    with ThreadPoolExecutor(len(addresses)) as pool:
        return list(pool.map(press, enumerate(addresses)))


@pytest.mark.parametrize("apart", [0, 0.07])
def test_a_changed_quantity_pressed_many_times_ends_in_one_open_session(
    sandbox: ShopSandbox, buyer: Client, apart: float
) -> None:
    """pain 6"""
    item = make_item(price=1000)
    buyer.get(f"/item/{item.pk}?mine=1")
    buyer.get(f"/buy/{item.pk}")
    sandbox.control("PUT", "faults", {"latency_ms": 100})
    answers = presses(buyer, [f"/buy/{item.pk}?quantity=2"] * 8, apart=apart)
    sandbox.control("PUT", "faults", {"latency_ms": 0})
    assert {status for status, _ in answers} == {200}
    (handed_out,) = {body["session_id"] for _, body in answers}
    assert [s.id for s in sandbox.sessions() if s.status == "open"] == [handed_out]
    assert Order.objects.get().total == 2000


def test_two_tabs_with_two_quantities_are_never_handed_each_others_session(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item(price=1000)
    buyer.get(f"/item/{item.pk}?mine=1")
    answers = presses(buyer, [f"/buy/{item.pk}?quantity={1 + n % 2}" for n in range(6)])
    totals = {session.id: session.amount_total for session in sandbox.sessions()}
    for number, (status, body) in enumerate(answers):
        if status == 200:
            assert totals[body["session_id"]] == 1000 * (1 + number % 2)
        else:
            assert body["error"]["code"] in ("try_again", "busy")
    assert len([s for s in sandbox.sessions() if s.status == "open"]) <= 1


def test_a_session_with_another_total_is_handed_to_nobody_even_if_closing_it_fails(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = make_item(price=1000)
    buyer.get(f"/item/{item.pk}?mine=1")
    create = wire.Gateway.create

    def dearer(self: wire.Gateway, kind: str, inputs: Any, *, idempotency_key: str) -> Any:
        inputs["line_items"][0]["price_data"]["unit_amount"] += 500
        return create(self, kind, inputs, idempotency_key=idempotency_key)

    with monkeypatch.context() as patch:
        patch.setattr(wire.Gateway, "create", dearer)
        once = {"kind": "error", "path": "^/v1/checkout/sessions/.*/expire$", "method": "POST"}
        sandbox.control("PUT", "faults", {"next": [once]})
        assert buyer.get(f"/buy/{item.pk}").status_code in (502, 503)
        answers = presses(buyer, [f"/buy/{item.pk}"] * 4)
        assert 200 not in {status for status, _ in answers}
    assert buyer.get(f"/buy/{item.pk}").status_code == 200
    assert [s.amount_total for s in sandbox.sessions() if s.status == "open"] == [1000]


def test_a_session_that_ran_out_while_we_were_down_is_not_handed_out(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = make_item()
    crash_before_the_answer_is_stored(buyer, item, monkeypatch)
    (made,) = sandbox.sessions()
    sandbox.stripe.v1.checkout.sessions.expire(made.id)
    Payment.objects.update(lease_until=None, expires_at=timezone.now())
    body = buyer.get(f"/buy/{item.pk}").json()
    assert body["session_id"] != made.id
    assert sandbox.stripe.v1.checkout.sessions.retrieve(body["session_id"]).status == "open"


def test_a_refused_change_leaves_order_and_session_as_they_were(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item(price=50_000_000)
    session_id = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    answer = buyer.get(f"/buy/{item.pk}", {"quantity": 99})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "amount_too_large")
    assert Order.objects.get().status == "open"
    assert sandbox.stripe.v1.checkout.sessions.retrieve(session_id).status == "open"
    assert buyer.get(f"/buy/{item.pk}").json()["session_id"] == session_id


def test_an_older_answer_never_moves_a_payment_back(sandbox: ShopSandbox, buyer: Client) -> None:
    """pain 5"""
    from kopeck.payments import sync

    item = make_item()
    session_id = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    payment = Payment.objects.get()
    opened = wire.gateway("default").retrieve("session", session_id)
    processing = {**opened, "status": "complete", "payment_status": "unpaid"}
    failed = {**processing, "payment_intent": {"id": "pi_x", "status": "requires_payment_method"}}
    for answer, status, order in (
        (processing, "processing", "processing"),
        (opened, "processing", "processing"),
        (failed, "failed", "open"),
        (processing, "failed", "open"),
        (opened, "failed", "open"),
    ):
        sync.apply(payment, answer)
        payment.refresh_from_db()
        assert (payment.status, Order.objects.get().status) == (status, order)


def test_an_account_that_was_taken_away_is_a_sentence_and_stops_nobody_else(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, settings: Any
) -> None:
    """pain 10"""
    from dataclasses import replace
    from datetime import timedelta

    from kopeck.payments import jobs

    account = settings.STRIPE_ACCOUNTS["default"]
    settings.STRIPE_ACCOUNTS = {"default": account, "eur": replace(account, name="eur")}
    euro, dollar = make_item(currency="eur"), make_item()
    buyer.get(f"/buy/{euro.pk}")
    sandbox.pay(stranger.get(f"/buy/{dollar.pk}").json()["session_id"])
    settings.STRIPE_ACCOUNTS = {"default": account}
    wire.gateway.cache_clear()
    order = Order.objects.get(currency="eur")
    assert buyer.get(f"/buy/{euro.pk}").json()["error"]["code"] == "currency_not_accepted"
    assert buyer.get(f"/order/{order.pk}/return").status_code == 303
    Payment.objects.update(created=timezone.now() - timedelta(minutes=6))
    assert jobs.ask_about_payments() == 1
    assert Order.objects.get(currency="usd").status == "paid"


def test_payments_that_cannot_be_asked_about_do_not_starve_the_others(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from kopeck.payments import jobs

    monkeypatch.setattr(jobs, "BATCH", 1)
    buyer.get(f"/buy/{make_item().pk}")
    Payment.objects.update(account="gone")
    sandbox.pay(stranger.get(f"/buy/{make_item().pk}").json()["session_id"])
    Payment.objects.update(created=timezone.now() - timedelta(minutes=6))
    assert sum(jobs.ask_about_payments() for _ in range(2)) == 1
    assert Order.objects.filter(status="paid").count() == 1
