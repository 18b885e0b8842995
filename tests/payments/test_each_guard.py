"""Guards of money that stand alone: each of these tests is red when just one of them is taken away."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kopeck.abuse import declines
from kopeck.abuse.models import Decline
from kopeck.catalog.models import Discount, Tax
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import attempts, checkout, stock, sync, turns
from kopeck.payments.inputs import Client as PayingClient
from kopeck.payments.models import Payment
from kopeck.refunds import request as refunds
from kopeck.refunds import review
from kopeck.refunds import sync as refund_news
from kopeck.refunds.models import Refund
from kopeck.stripe_api import client as wire
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from tests.payments.losing import change_quantity, ordered
from tests.support.buying import Deliver, events_of, open_session, states
from tests.support.shop import ShopSandbox, make_item
from tests.support.stocking import paid_too_late
from tests.support.worker import forget_jobs

pytestmark = pytest.mark.django_db(transaction=True)
CHECKOUT = Payment.Kind.CHECKOUT


def answer_with(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    """What Stripe made is changed on its way to the shop."""
    create = wire.Gateway.create

    def otherwise(self: wire.Gateway, *args: Any, **how: Any) -> dict[str, Any]:
        made: dict[str, Any] = create(self, *args, **how)
        change(made)
        return made

    monkeypatch.setattr(wire.Gateway, "create", otherwise)


def once(meanwhile: Callable[[], Any]) -> Callable[[dict[str, Any]], None]:
    """Something that happens while the first answer is on its way."""
    todo = [meanwhile]
    return lambda _made: todo.pop()() if todo else None


class PowerCut(BaseException):
    pass


def fail_first(monkeypatch: pytest.MonkeyPatch, *failures: BaseException) -> None:
    """The first tries to make something at Stripe end so."""
    create, todo = wire.Gateway.create, list(failures)

    def fail(self: wire.Gateway, *args: Any, **how: Any) -> Any:
        if todo:
            raise todo.pop()
        return create(self, *args, **how)

    monkeypatch.setattr(wire.Gateway, "create", fail)


def test_amounts_that_are_near_enough_are_not_adopted_in_another_currency(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tax.objects.create(display_name="Sales tax", percentage=Decimal(5), is_default=True)
    items = [make_item(price=450) for _ in range(3)]
    buyer.post("/order", {f"item_{item.pk}": "1" for item in items})
    sandbox.control("PUT", "faults", {"rounding": "half_even"})
    answer_with(monkeypatch, lambda made: made.update(currency="eur"))
    order = Order.objects.get()
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "amount_mismatch")
    assert "is not that of your order. Nothing was charged." in answer.json()["error"]["message"]
    order.refresh_from_db()
    assert (order.total, order.tax_total) == (1419, 69)
    assert [line.tax_amount for line in order.lines.all()] == [23, 23, 23]
    assert [note.text[:7] for note in order.notes.all()] == ["Refused"]
    assert [session.status for session in sandbox.sessions()] == ["expired"]


@pytest.mark.parametrize(
    ("meanwhile", "status", "code"),
    [
        (lambda: Order.objects.update(status="cancelled"), 409, "order_cancelled"),
        (lambda: Order.objects.update(status="processing"), 409, "order_processing"),
    ],
)
def test_the_answer_for_an_order_that_cannot_be_paid_any_more_is_handed_to_nobody(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[], Any], status: int, code: str,
) -> None:  # fmt: skip
    order = ordered(buyer)
    answer_with(monkeypatch, once(meanwhile))
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert [session.status for session in sandbox.sessions()] == ["expired"]
    assert not order.notes.exists()


def test_the_answer_for_an_order_of_other_terms_by_now_is_handed_to_nobody(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(buyer)
    terms = order.terms
    answer_with(monkeypatch, once(lambda: Payment.objects.update(fingerprint="of yesterday")))
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    first, second = order.payments.order_by("attempt")
    assert (first.status, first.fingerprint) == ("expired", "of yesterday")
    assert (second.stripe_id, second.fingerprint) == (session_id, terms)
    assert [session.id for session in sandbox.sessions() if session.status == "open"] == [session_id]


def test_the_answer_for_an_attempt_that_was_given_up_is_handed_to_nobody(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(buyer)
    answer_with(monkeypatch, once(lambda: Payment.objects.update(status="refused", lease_until=None)))
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    assert order.payments.get(status="open").stripe_id == session_id
    assert [session.id for session in sandbox.sessions() if session.status == "open"] == [session_id]


def test_an_answer_that_came_when_the_session_is_nearly_over_is_followed_by_a_new_session(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(buyer)
    soon = timezone.now() + timedelta(seconds=55)
    answer_with(monkeypatch, once(lambda: Payment.objects.update(expires_at=soon)))
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    assert states(order) == ("open", ["expired", "open"])
    assert order.payments.get(status="open").stripe_id == session_id


def test_a_payment_that_was_paid_is_not_lost_with_the_keys_of_its_account(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    order = ordered(buyer)
    payment = open_session(buyer, order)
    sandbox.pay(payment.stripe_id or "")
    sync.refresh(payment)
    assert states(order) == ("paid", ["paid"])
    before = Payment.objects.values().get()
    other = {
        name: replace(one, secret_key="sk_test_another") for name, one in settings.STRIPE_ACCOUNTS.items()
    }
    settings.STRIPE_ACCOUNTS = other
    wire.gateway.cache_clear()
    assert sync.refresh(payment).status == "paid"
    assert states(order) == ("paid", ["paid"])
    assert Payment.objects.values().get() == before


def test_a_refund_that_is_being_created_has_no_share_of_the_lines_until_stripe_has_it(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Deliver
) -> None:
    """Stripe may refuse it, or make it of another amount: what went back elsewhere has the lines first."""
    forget_jobs()
    order = paid_too_late(sandbox, buyer, stranger)
    for event in events_of(sandbox, "checkout.session.completed"):
        deliver(event)
    payment = order.payments.get()
    sandbox.control(
        "PUT", "faults", {"next": [{"kind": "cut_before", "path": "/v1/refunds", "method": "POST"}]}
    )
    with pytest.raises(StripeUnavailable):
        refunds.refund_unwanted(payment.pk)
    sandbox.stripe.v1.refunds.create({"payment_intent": payment.payment_intent, "amount": 1000})
    for event in events_of(sandbox, "refund."):
        deliver(event)
    creating, elsewhere = Refund.objects.order_by("pk")
    assert (creating.status, creating.parts) == ("creating", [])
    assert [part.amount for part in elsewhere.parts] == [1000]


def test_an_order_uses_a_code_once_however_often_it_was_tried_to_pay(
    sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    Discount.objects.create(name="Twice", code="TWICE", percent_off=10, max_redemptions=2)
    first = ordered(buyer)
    buyer.post(f"/order/{first.pk}/discount", {"code": "twice"})
    for _try in range(2):
        payment = open_session(buyer, first)
        sandbox.stripe.v1.checkout.sessions.expire(payment.stripe_id or "")
        sync.refresh(payment)
    payment = open_session(buyer, first)
    sandbox.pay(payment.stripe_id or "")
    sync.refresh(payment)
    assert states(first) == ("paid", ["expired", "expired", "paid"])
    second = ordered(stranger)
    stranger.post(f"/order/{second.pk}/discount", {"code": "twice"})
    assert open_session(stranger, second).amount == 900


@pytest.mark.parametrize("way", ["hold", "require", "take", "take_again", "put_back"])
def test_rows_of_items_are_locked_in_the_order_of_their_numbers_whatever_locks_them(way: str) -> None:
    """Two who lock the same two items the other way round would wait for each other for ever."""
    one, two = make_item(stock=9), make_item(stock=9)
    order = placing.place([Wanted(two, 1), Wanted(one, 1)], visitor="v" * 64)
    pieces = {line.pk: 1 for line in order.lines.all()}
    ways: dict[str, Callable[[], Any]] = {
        "hold": lambda: stock.hold(order, shown=True, address="a"),
        "require": lambda: stock.require(order),
        "take": lambda: stock.take(order, held=True),
        "take_again": lambda: stock.take_again(pieces, order),
        "put_back": lambda: stock.put_back(pieces),
    }
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        ways[way]()
    (locking,) = [query["sql"] for query in queries if 'OF "catalog_item"' in query["sql"]]
    assert 'ORDER BY "orders_orderline"."item_id" ASC' in locking


def test_an_attempt_that_got_its_session_after_all_has_no_problem_any_more(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    order = ordered(buyer)
    sandbox.control("PUT", "faults", {"next": [{"kind": "cut_before", "path": "/v1/checkout/sessions"}]})
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 503
    payment = Payment.objects.get()
    assert (payment.status, payment.lease_until) == ("creating", None)
    assert payment.problem
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200
    payment.refresh_from_db()
    assert (payment.status, payment.lease_until, payment.problem) == ("open", None, "")
    assert payment.url


def test_a_changed_order_whose_session_stripe_does_not_know_any_more_gets_a_new_one(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    order = ordered(buyer)
    open_session(buyer, order)
    sandbox.box.reset()
    change_quantity(buyer, order, 2)
    assert open_session(buyer, order).amount == 2000
    assert states(order) == ("open", ["expired", "open"])
    lost = order.payments.get(status="expired")
    assert lost.problem == "Stripe knows no such object."
    assert lost.asked_at is not None


def test_the_intent_of_a_payment_that_a_bank_is_at_work_on_is_known(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    """Refunds and events of the charge are found by it."""
    order = ordered(buyer)
    payment = open_session(buyer, order)
    sandbox.pay(payment.stripe_id, delayed="succeeds")
    assert sync.refresh(payment).payment_intent.startswith("pi_")
    assert states(order) == ("processing", ["processing"])
    payment.refresh_from_db()
    assert payment.payment_intent.startswith("pi_")
    sandbox.control("POST", f"sessions/{payment.stripe_id}/settle", {"outcome": "failed"})
    Payment.objects.update(payment_intent="")
    assert sync.refresh(payment).payment_intent.startswith("pi_")
    assert states(order)[1] == ["failed"]


@pytest.mark.parametrize("param", ["line_items", "expires_at"])
def test_a_refused_attempt_is_over_and_keeps_what_stripe_said(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch, param: str
) -> None:
    """What came too late for Stripe is tried again at once, anything else is not."""
    order = ordered(buyer)
    fail_first(monkeypatch, wire.StripeRefused("Not like this.", param=param))
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert answer.status_code == (200 if param == "expires_at" else 502)
    refused = order.payments.get(attempt=1)
    assert (refused.status, refused.problem, refused.lease_until) == ("refused", "Not like this.", None)
    assert order.payments.count() == (2 if param == "expires_at" else 1)
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200


@pytest.mark.parametrize(("times", "status"), [(2, 200), (3, 502)])
def test_a_refusal_that_can_be_repaired_is_twice_and_then_told(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch, times: int, status: int
) -> None:
    order = ordered(buyer)
    fail_first(monkeypatch, *(wire.StripeRefused("Late.", param="expires_at") for _ in range(times)))
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert answer.status_code == status
    assert order.payments.filter(status="refused").count() == times
    if status == 502:
        assert answer.json()["error"]["code"] == "stripe_refused"


def test_whatever_ends_a_try_ends_its_lease_too(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(buyer)
    fail_first(monkeypatch, PowerCut())
    with pytest.raises(PowerCut):
        buyer.get(f"/order/{order.pk}/buy")
    payment = order.payments.get()
    assert (payment.status, payment.lease_until) == ("creating", None)
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200
    assert states(order) == ("open", ["open"])


def test_a_paid_payment_notes_when_it_was_asked_about_and_nothing_else(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    order = ordered(buyer)
    payment = open_session(buyer, order)
    sandbox.pay(payment.stripe_id or "")
    sync.refresh(payment)
    Payment.objects.update(asked_at=timezone.now() - timedelta(hours=1))
    before = Payment.objects.values().get()
    sync.refresh(payment)
    after = Payment.objects.values().get()
    assert after.pop("asked_at") > before.pop("asked_at") + timedelta(minutes=59)
    assert after == before


def statements(do: Callable[[], Any]) -> list[str]:
    """The SQL of it, whatever comes of it."""
    with CaptureQueriesContext(connection) as queries, suppress(ShopError, StripeUnavailable, StripeRefused):
        do()
    return [query["sql"] for query in queries]


def test_every_write_on_an_order_or_its_payments_has_locked_the_order_first(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    order = ordered(buyer)
    payment = open_session(buyer, order)
    now = wire.gateway("default").retrieve("checkout", payment.stripe_id or "")
    refund = Refund(order=order, payment=payment, account="default", amount=1, currency="usd")
    refund.created = timezone.now()
    refund.save()
    form = refunds.Form(key=uuid4(), version="", by="anna")
    made = {"id": "re_1", "status": "pending", "amount": 1, "currency": "usd", "created": 1}
    ways: dict[str, Callable[[], Any]] = {
        "take a turn": lambda: turns.to_start(order.pk, CHECKOUT, PayingClient("https://shop.example")),
        "store": lambda: attempts._store(payment, now),
        "apply": lambda: sync.apply(payment, now),
        "lose": lambda: sync._lost(payment),
        "change": lambda: checkout.change(order, lambda _order: None),
        "ask for a refund": lambda: refunds.request(order.pk, refunds.Wish(), form),
        "refuse a refund": lambda: refunds._refuse(refund, StripeRefused("No.")),
        "hear of a refund": lambda: refund_news.apply(payment, made),
    }
    waiting = ordered(buyer)
    Order.objects.filter(pk=waiting.pk).update(status="processing")
    ways["release"] = lambda: review.release(waiting.pk)
    for name, way in ways.items():
        sql = statements(way)
        first = next(n for n, text in enumerate(sql) if "FOR UPDATE" in text)
        assert 'FROM "orders_order" ' in sql[first], name
        written = [n for n, text in enumerate(sql) if text.startswith(("INSERT", "UPDATE", "DELETE"))]
        assert not written or first < written[0], name


def test_an_attack_is_noticed_by_one_at_a_time(sandbox: ShopSandbox, buyer: Client) -> None:
    order = ordered(buyer)
    Decline.objects.bulk_create(
        Decline(account="default", stripe_id=f"ch_{n}", order=order, created=timezone.now())
        for n in range(20)
    )
    sql = statements(lambda: declines._look_for_attack(lambda since: 0))
    (lock,) = [n for n, text in enumerate(sql) if "pg_advisory_xact_lock" in text]
    assert "attack" in sql[lock]
    assert lock < next(n for n, text in enumerate(sql) if text.startswith("INSERT"))


def test_a_change_that_another_tab_has_made_already_leaves_its_session_open(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    order = ordered(buyer).load()  # as this tab's request has read it
    item = order.lines.get().item
    change_quantity(buyer, order, 2)
    payment = open_session(buyer, order)
    assert checkout.set_lines(order, [Wanted(item, 2)])
    assert states(order) == ("open", ["open"])
    assert [session.id for session in sandbox.sessions() if session.status == "open"] == [payment.stripe_id]


def test_who_loses_every_race_for_an_order_is_asked_to_press_again() -> None:
    refusal = checkout._try_again()
    assert (refusal.code, refusal.status) == ("try_again", 409)
    assert str(refusal) == "Your order has just changed. Please press Buy once more."
