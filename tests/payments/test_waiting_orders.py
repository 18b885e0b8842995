"""Orders that wait for a bank or the owner: not for ever, not for nothing, and with nothing else to pay."""

from typing import Any

import pytest
from django.test import Client

from kopeck.catalog.models import Discount
from kopeck.orders.models import Order
from kopeck.payments import checkout, sync
from kopeck.payments.models import Payment
from kopeck.refunds.models import Refund
from kopeck.stripe_api import client as wire
from tests.payments.losing import change_quantity, lost, ordered, take_for_lost, tell
from tests.support.buying import Deliver, open_session, states
from tests.support.comparing import codes, run
from tests.support.shop import ShopSandbox, make_item
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_queue(db: None) -> None:
    forget_jobs()


def debit(sandbox: ShopSandbox, payment: Payment, outcome: str = "succeeds") -> None:
    """The buyer pays by a way that takes days."""
    kind = "sessions" if payment.kind == "checkout" else "intents"
    sandbox.control("POST", f"{kind}/{payment.stripe_id}/pay", {"delayed": outcome})


def settle(sandbox: ShopSandbox, payment: Payment, outcome: str) -> None:
    kind = "sessions" if payment.kind == "checkout" else "intents"
    sandbox.control("POST", f"{kind}/{payment.stripe_id}/settle", {"outcome": outcome})


def take_another_amount(sandbox: ShopSandbox, deliver: Deliver, payment: Payment) -> None:
    """Stripe takes 10.00 by it; its row says 9.00."""
    Payment.objects.filter(pk=payment.pk).update(amount=900)
    sandbox.pay(payment.stripe_id or "")
    tell(sandbox, deliver, payment)
    payment.refresh_from_db()
    assert (payment.status, payment.review_reason) == ("needs_review", "amount")


def test_an_intent_that_failed_and_was_cancelled_before_we_asked_leaves_no_order_waiting(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    order = ordered(buyer)
    intent = buyer.get(f"/order/{order.pk}/intent").json()["payment_intent_id"]
    payment = Payment.objects.get(stripe_id=intent)
    debit(sandbox, payment, "fails")
    assert sync.refresh(payment).status == "processing"
    settle(sandbox, payment, "failed")
    sandbox.stripe.v1.payment_intents.cancel(intent)
    sync.refresh(payment)
    assert states(order) == ("expired", ["expired"])
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200


@pytest.mark.parametrize("max_redemptions", [None, 1])
def test_a_bank_that_was_out_of_sight_for_a_spell_is_waited_for_again(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, settings: Any, max_redemptions: int | None
) -> None:
    """Not released, or the buyer would pay twice."""
    Discount.objects.create(name="Once", code="ONCE", percent_off=10, max_redemptions=max_redemptions)
    order = ordered(buyer)
    buyer.post(f"/order/{order.pk}/discount", {"code": "once"})
    payment = open_session(buyer, order)
    debit(sandbox, payment)
    sync.refresh(payment)
    take_for_lost(payment, settings)
    assert states(order) == ("processing", ["expired"])
    assert codes(run(), repaired=True) == ["status_differs"]
    assert states(order) == ("processing", ["processing"])
    settle(sandbox, payment, "succeeded")
    sync.refresh(payment)
    assert states(order) == ("paid", ["paid"])


def test_a_code_that_others_have_used_up_meanwhile_revives_no_payment(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, settings: Any
) -> None:
    Discount.objects.create(name="Once", code="ONCE", percent_off=10, max_redemptions=1)
    late = ordered(buyer)
    buyer.post(f"/order/{late.pk}/discount", {"code": "once"})
    payment = open_session(buyer, late)
    take_for_lost(payment, settings)
    debit(sandbox, payment)
    first = ordered(stranger)
    stranger.post(f"/order/{first.pk}/discount", {"code": "once"})
    sandbox.pay(open_session(stranger, first).stripe_id or "")
    run()
    assert states(first) == ("paid", ["paid"])
    assert states(late) == ("expired", ["expired"])


def test_a_change_that_comes_while_the_buyer_pays_by_a_debit_is_told_so_and_asks_once(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(buyer)
    payment = open_session(buyer, order)
    close, expire, asked = checkout.close, wire.Gateway.expire, []

    def late(*args: Any) -> None:
        debit(sandbox, payment)
        close(*args)

    def count(self: wire.Gateway, *args: Any) -> dict[str, Any]:
        asked.append(args)
        return expire(self, *args)

    monkeypatch.setattr(checkout, "close", late)
    monkeypatch.setattr(wire.Gateway, "expire", count)
    field = f"item_{order.lines.get().item_id}"
    answer = buyer.post(f"/order/{order.pk}/lines", {field: "5"})
    assert (answer.status_code, answer["Location"]) == (303, f"/order/{order.pk}?notice=not_changed")
    assert "is being processed, so it was not changed" in buyer.get(answer["Location"]).content.decode()
    assert len(asked) == 1
    assert order.lines.get().quantity == 1


def test_buy_of_another_quantity_while_the_first_is_paid_by_a_debit_is_a_new_order(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = make_item()
    first = Payment.objects.get(stripe_id=buyer.get(f"/buy/{item.pk}").json()["session_id"])
    close = checkout.close

    def late(*args: Any) -> None:
        monkeypatch.setattr(checkout, "close", close)
        debit(sandbox, first)
        close(*args)

    monkeypatch.setattr(checkout, "close", late)
    assert buyer.get(f"/buy/{item.pk}", {"quantity": "2"}).status_code == 200
    assert states(first.order) == ("processing", ["processing"])
    assert [line.quantity for line in Order.objects.latest("pk").lines.all()] == [2]


def test_money_that_the_owner_decides_about_closes_what_else_could_be_paid(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, settings: Any
) -> None:
    order, old = lost(buyer, settings)
    new = open_session(buyer, order)
    take_another_amount(sandbox, deliver, old)
    work()
    assert sandbox.stripe.v1.checkout.sessions.retrieve(new.stripe_id or "").status == "expired"
    assert states(order) == ("processing", ["needs_review", "expired"])


def test_a_bank_that_says_no_opens_no_order_whose_money_the_owner_decides_about(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver, settings: Any
) -> None:
    order = ordered(buyer)
    old = open_session(buyer, order)
    debit(sandbox, old, "fails")
    take_for_lost(old, settings)
    new = open_session(buyer, order)
    take_another_amount(sandbox, deliver, new)
    settle(sandbox, old, "failed")
    sync.refresh(old)
    assert states(order) == ("processing", ["failed", "needs_review"])
    owner.post(f"/admin/payments/payment/{new.pk}/refund/")
    assert states(order) == ("open", ["failed", "needs_review"])


def test_an_order_that_cost_nothing_when_it_was_completed_too_late_promises_no_refund(
    sandbox: ShopSandbox, buyer: Client, owner: Client, settings: Any
) -> None:
    Discount.objects.create(name="All", code="ALL", percent_off=100)
    order = ordered(buyer)
    buyer.post(f"/order/{order.pk}/discount", {"code": "all"})
    old = open_session(buyer, order)
    take_for_lost(old, settings)
    change_quantity(buyer, order, 5)
    sandbox.control("POST", f"sessions/{old.stripe_id}/pay", {})
    sync.refresh(old)
    assert states(order)[1] == ["needs_review"]
    assert "We refund it to you" not in buyer.get(f"/order/{order.pk}").content.decode()
    address = f"/admin/payments/payment/{old.pk}/refund/"
    assert "Everything has been refunded already" in owner.post(address, follow=True).content.decode()
    assert not Refund.objects.exists()
