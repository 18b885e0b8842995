"""An order is paid only by a payment of its present terms, wherever the money is heard of."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from kopeck.catalog.models import Discount, Item
from kopeck.mail.models import Mail
from kopeck.mail.texts import write
from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment
from kopeck.refunds import jobs as refund_jobs
from kopeck.refunds.models import Refund
from tests.payments.losing import change_quantity, lost, ordered, take_for_lost, tell
from tests.support.buying import Deliver, open_session, states
from tests.support.comparing import run
from tests.support.refunding import at_stripe
from tests.support.shop import ShopSandbox
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_queue(db: None) -> None:
    forget_jobs()


def come_back(sandbox: ShopSandbox, deliver: Deliver, payment: Payment) -> None:
    """The buyer's way back, when no event has come."""
    sync.refresh(payment)


def compare(sandbox: ShopSandbox, deliver: Deliver, payment: Payment) -> None:
    """The comparison finds it, when nothing else has."""
    run()


def mail_of_refund() -> str:
    mail = Mail.objects.get(kind="refund")
    write(mail)
    return mail.text


WAYS = [tell, come_back, compare]


@pytest.mark.parametrize("hear", WAYS)
def test_money_for_one_piece_does_not_pay_an_order_of_five(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, settings: Any, hear: Callable[..., None]
) -> None:
    order, old = lost(buyer, settings)
    change_quantity(buyer, order, 5)
    sandbox.pay(old.stripe_id or "")
    hear(sandbox, deliver, old)
    old.refresh_from_db()
    order.refresh_from_db()
    assert (old.status, old.review_reason, order.total) == ("needs_review", "terms", 5000)
    assert order.status in Order.PAYABLE
    assert Item.objects.get().stock == 9
    assert not Mail.objects.filter(kind="receipt").exists()
    work()
    assert at_stripe(sandbox) == [1000]
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert "was not for this order as it is now" in page
    assert "Nothing was charged. Your order is kept" not in page
    assert "Payment from before the order was changed, refunded" in page
    assert "was changed before your payment arrived" in mail_of_refund()
    # And the order as it is now can be paid.
    new = open_session(buyer, order)
    sandbox.pay(new.stripe_id or "")
    sync.refresh(new)
    assert states(order) == ("paid", ["needs_review", "paid"])
    run()
    assert at_stripe(sandbox) == [1000]


def test_the_owner_reads_what_came_and_why_it_goes_back(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver, settings: Any
) -> None:
    order, old = lost(buyer, settings)
    change_quantity(buyer, order, 5)
    sandbox.pay(old.stripe_id or "")
    tell(sandbox, deliver, old)
    why = f"/admin/orders/order/{order.pk}/why/"
    page = owner.get(why).content.decode()
    assert "A payment needs review, and the shop refunds it automatically: The order was changed" in page
    assert "A payment of 10.00 USD needs review" in page
    work()
    assert "refunds it automatically" not in owner.get(why).content.decode()


def test_money_in_another_currency_does_not_pay_the_order(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, settings: Any
) -> None:
    order, old = lost(buyer, settings)
    Item.objects.update(currency="jpy")
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 409  # shown first
    new = open_session(buyer, order)
    sandbox.pay(old.stripe_id or "")
    tell(sandbox, deliver, old)
    assert states(order) == ("open", ["needs_review", "open"])
    work()
    (refund,) = sandbox.stripe.v1.refunds.list().data
    assert (refund.amount, refund.currency) == (1000, "usd")
    sandbox.pay(new.stripe_id or "")
    tell(sandbox, deliver, new)
    assert states(order) == ("paid", ["needs_review", "paid"])


def test_money_for_a_cancelled_order_goes_back(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, settings: Any
) -> None:
    order, old = lost(buyer, settings)
    change_quantity(buyer, order, 0)
    sandbox.pay(old.stripe_id or "")
    tell(sandbox, deliver, old)
    old.refresh_from_db()
    assert (old.status, old.review_reason) == ("needs_review", "cancelled")
    assert states(order)[0] == "cancelled"
    work()
    assert at_stripe(sandbox) == [1000]
    assert "was cancelled before your payment arrived. We refund the payment: " in mail_of_refund()


def test_a_lost_payment_that_pays_after_all_closes_what_was_opened_since_at_once(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, settings: Any
) -> None:
    order, old = lost(buyer, settings)
    new = open_session(buyer, order)
    sandbox.pay(old.stripe_id or "")
    tell(sandbox, deliver, old)
    assert states(order) == ("paid", ["paid", "open"])
    work()
    assert sandbox.stripe.v1.checkout.sessions.retrieve(new.stripe_id or "").status == "expired"
    assert states(order) == ("paid", ["paid", "expired"])


def test_a_full_refund_of_a_lost_payment_that_paid_leaves_the_order_refunded(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver, settings: Any
) -> None:
    order, old = lost(buyer, settings)
    sandbox.pay(old.stripe_id or "")
    tell(sandbox, deliver, old)
    old.refresh_from_db()
    sandbox.stripe.v1.refunds.create({"payment_intent": old.payment_intent})
    run()
    assert states(order) == ("refunded", ["paid"])


def test_a_job_that_was_lost_is_replaced_and_money_for_the_owner_to_decide_about_stays(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, settings: Any
) -> None:
    order, old = lost(buyer, settings)
    change_quantity(buyer, order, 2)
    sandbox.pay(old.stripe_id or "")
    tell(sandbox, deliver, old)
    forget_jobs()
    assert refund_jobs.refund_all_unwanted() == 1
    Payment.objects.update(review_reason="")  # held before reasons were kept
    assert refund_jobs.refund_all_unwanted() == 0


def test_a_bank_that_is_at_work_on_old_terms_does_not_revive_its_payment(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    order, old = lost(buyer, settings)
    sandbox.pay(old.stripe_id, delayed="succeeds")
    change_quantity(buyer, order, 2)
    run()
    assert states(order)[1] == ["expired"]
    sandbox.control("POST", f"sessions/{old.stripe_id}/settle", {"outcome": "succeeded"})
    run()
    work()
    assert states(order)[1] == ["needs_review"]
    assert at_stripe(sandbox) == [1000]


def test_a_refused_debit_of_long_ago_does_not_stop_the_bank_that_is_at_work_now(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    order, old = lost(buyer, settings)
    new = open_session(buyer, order)
    for payment in (old, new):
        sandbox.pay(payment.stripe_id, delayed="succeeds")
    sync.refresh(new)
    assert states(order) == ("processing", ["expired", "processing"])
    sandbox.control("POST", f"sessions/{old.stripe_id}/settle", {"outcome": "failed"})
    sync.refresh(old)
    assert states(order) == ("processing", ["failed", "processing"])


def test_the_last_use_of_a_code_pays_one_of_two_orders_whose_payments_come_late(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Deliver, settings: Any
) -> None:
    Discount.objects.create(name="Once", code="ONCE", percent_off=10, max_redemptions=1)
    late = []
    for client in (buyer, stranger):
        order = ordered(client)
        client.post(f"/order/{order.pk}/discount", {"code": "once"})
        payment = open_session(client, order)
        take_for_lost(payment, settings)
        late.append((order, payment))
    for _order, payment in late:
        sandbox.pay(payment.stripe_id or "")
        tell(sandbox, deliver, payment)
    (first, _), (second, held) = late
    held.refresh_from_db()
    assert states(first) == ("paid", ["paid"])
    assert (held.status, held.review_reason) == ("needs_review", "code")
    work()
    assert at_stripe(sandbox) == [900]
    assert "was used up when your payment arrived. We refund the payment: " in mail_of_refund()
    assert stranger.get(f"/order/{second.pk}/buy").json()["error"]["code"] == "discount_used_up"
    assert Refund.objects.get().order == second


def test_a_live_payment_has_held_its_use_of_the_code(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    discount = Discount.objects.create(name="Once", code="ONCE", percent_off=10, max_redemptions=1)
    order = ordered(buyer)
    buyer.post(f"/order/{order.pk}/discount", {"code": "once"})
    payment = open_session(buyer, order)
    Discount.objects.filter(pk=discount.pk).update(max_redemptions=0)  # the owner takes it back meanwhile
    sandbox.pay(payment.stripe_id or "")
    tell(sandbox, deliver, payment)
    assert states(order) == ("paid", ["paid"])
