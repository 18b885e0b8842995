"""What a comparison with Stripe leaves to a person: told at every run, until it is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.reconcile.models import Discrepancy, Run
from kopeck.refunds.models import Refund
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import bought, paid_order
from tests.support.comparing import charge_of, codes, leaves, run
from tests.support.shop import ShopSandbox
from tests.support.worker import forget_jobs

pytestmark = pytest.mark.django_db(transaction=True)


def open_discrepancies() -> list[str]:
    return sorted(Discrepancy.objects.filter(gone=None).values_list("code", flat=True))


def test_a_payment_of_another_amount_than_its_row_says(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    Payment.objects.update(amount=1)
    assert leaves() == ["amount_differs", "order_differs"]
    assert Discrepancy.objects.get(code="amount_differs").order == order
    Payment.objects.update(amount=4820)
    told = run()
    assert (told["code"], open_discrepancies()) == (0, [])
    assert Discrepancy.objects.get(code="amount_differs").gone is not None


def test_a_payment_by_another_intent(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    paid_order(sandbox, buyer, deliver)
    Payment.objects.update(payment_intent="pi_other")
    assert leaves() == ["intent_differs", "second_object"]


def test_a_held_payment_until_its_money_is_refunded(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    Payment.objects.update(amount=1)
    assert leaves() == ["needs_review"]
    found = Discrepancy.objects.get()
    assert found.object_id == payment.stripe_id
    assert "Stripe took 48.20 USD, not 0.01 USD. 48.20 USD is not refunded" in found.said
    sandbox.control("POST", f"charges/{charge_of(sandbox, payment)}/refund", {"amount": 4000})
    run()
    assert open_discrepancies() == ["needs_review"]
    assert "8.20 USD is not refunded" in Discrepancy.objects.get().said
    sandbox.control("POST", f"charges/{charge_of(sandbox, payment)}/refund", {})
    told = run()
    # With the money gone, the order waits for nothing any more.
    assert "waits_for_nothing" in codes(told, repaired=True)
    assert (told["code"], open_discrepancies(), Order.objects.get().status) == (0, [], "open")


def test_a_second_payment_that_is_not_refunded_yet(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    """pain 6"""
    from tests.support.worker import work

    forget_jobs()
    first = bought(buyer)
    Payment.objects.update(status="expired")
    buyer.get(f"/order/{first.order_id}/buy")
    for payment in Payment.objects.all():
        sandbox.pay(payment.stripe_id)
    assert leaves() == ["needs_review"]
    work()
    told = run()
    assert (told["code"], open_discrepancies()) == (0, [])
    assert Refund.objects.get().status == "succeeded"


@pytest.mark.parametrize("way", ["buy", "intent"])
@pytest.mark.parametrize("order_too", [True, False])
def test_a_paid_one_whose_row_is_lost(sandbox: ShopSandbox, buyer: Client, way: str, order_too: bool) -> None:
    """A database from before the purchase. The money is taken: a person refunds it at Stripe."""
    payment = bought(buyer, way)
    sandbox.pay(payment.stripe_id)
    Payment.objects.all().delete()
    if order_too:
        payment.order.lines.all().delete()
        Order.objects.all().delete()
    assert leaves() == ["unknown_order" if order_too else "unknown_attempt"]
    found = Discrepancy.objects.get()
    assert "48.20 USD" in found.said
    assert (found.order is None) == order_too
    sandbox.control("POST", f"charges/{charge_of(sandbox, payment)}/refund", {})
    assert run()["code"] == 0
    assert open_discrepancies() == []


@pytest.mark.parametrize("way", ["buy", "intent"])
def test_a_payment_that_stripe_does_not_know(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, way: str
) -> None:
    """The keys of another account, or a sandbox that was emptied."""
    payment = bought(buyer, way)
    sandbox.pay(payment.stripe_id)
    run()
    sandbox.box.reset()
    assert leaves() == ["unknown_at_stripe"]
    assert Payment.objects.get().status == "paid"


def test_a_refund_that_stripe_does_not_know(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    order = paid_order(sandbox, buyer, deliver)
    facts = {
        "account": "default",
        "amount": 100,
        "currency": "usd",
        "source": "stripe",
        "status": "succeeded",
    }
    payment, now = order.payments.get(), timezone.now()
    Refund.objects.create(order=order, payment=payment, stripe_id="re_gone", created=now, **facts)
    assert leaves() == ["refunds_differ", "unknown_at_stripe"]


def test_an_order_that_is_paid_by_nothing(sandbox: ShopSandbox, buyer: Client) -> None:
    bought(buyer)
    Payment.objects.update(status="expired")
    Order.objects.update(status="paid", paid_at=timezone.now())
    assert leaves()[-1] == "order_without_payment"


def test_of_old_orders_only_those_that_were_told_are_compared_again(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    """A run reads what is new; `--all` reads everything, and what it finds is looked for from then on."""
    bought(buyer)
    run()
    Payment.objects.update(status="expired")
    Order.objects.update(status="paid", paid_at=timezone.now() - timedelta(days=60))
    assert codes(run(), repaired=False) == []
    assert codes(run("--all"), repaired=False) == ["order_without_payment"]
    assert codes(run(), repaired=False) == open_discrepancies() == ["order_without_payment"]
    Order.objects.update(status="expired", paid_at=None)
    assert codes(run(), repaired=False) == open_discrepancies() == []


def test_an_event_that_fails_again_and_again(sandbox: ShopSandbox) -> None:
    """pain 4"""
    broken = StripeEvent.objects.create(
        account="default", event_id="evt_broken", type="checkout.session.completed", object_id="cs_1",
        payload={}, status="failed", created=timezone.now(),
    )  # fmt: skip
    assert leaves() == ["event_failed"]
    broken.refresh_from_db()
    assert "KeyError" in broken.traceback


@contextmanager
def refused(table: str, number: int) -> Iterator[None]:
    """PostgreSQL lets nobody change this row meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER refuse BEFORE UPDATE ON {table} FOR EACH ROW"
            f" WHEN (OLD.id = {int(number)}) EXECUTE FUNCTION refuse()"
        )
        try:
            yield
        finally:
            cursor.execute(f"DROP TRIGGER refuse ON {table}")
            cursor.execute("DROP FUNCTION refuse")


def test_one_object_that_cannot_be_compared_stops_none_of_the_others(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    """A row that PostgreSQL refuses to change: whatever breaks is told, and the rest is repaired."""
    payments = [bought(Client()) for _n in range(3)]
    for payment in payments:
        sandbox.pay(payment.stripe_id)
    with refused("orders_order", payments[1].order_id):
        told = run()
    assert told["code"] == 1
    assert set(codes(told, repaired=False)) == {"cannot_compare", "event_failed"}
    assert [Order.objects.get(pk=payment.order_id).status for payment in payments] == ["paid", "open", "paid"]


def test_a_discrepancy_is_not_gone_because_it_is_too_old_for_the_window(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    Payment.objects.all().delete()
    run()
    # A week of business later; the cursor is far beyond it.
    past = 7 * 86400
    sandbox.box.store.sql(
        "UPDATE objects SET created = created - ?, body = json_set(body, '$.created', created - ?)",
        (past, past),
    )
    assert Run.objects.filter(kind="session", up_to__isnull=False).exists()
    told = run()
    assert (told["code"], open_discrepancies()) == (1, ["unknown_attempt"])
