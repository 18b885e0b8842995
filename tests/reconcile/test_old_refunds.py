"""Refunds and disputes of long ago: what is asked about still, and what that costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.reconcile import jobs as reconcile_jobs
from kopeck.reconcile.orders import wrong_states
from kopeck.refunds.models import Dispute, Refund
from tests.support.buying import paid_order, states
from tests.support.comparing import charge_of, run
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_refund_of_two_months_ago_that_failed_is_repaired_at_night(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    """Its event is older than Stripe keeps events."""
    order = paid_order(sandbox, buyer, deliver, "4000000000005126")
    sandbox.stripe.v1.refunds.create({"charge": charge_of(sandbox, order.payments.get())})
    run()
    assert states(order)[0] == "refunded"
    sandbox.control("POST", "clock/advance", {"seconds": 120})
    grow_old(sandbox, timedelta(days=60))
    reconcile_jobs.compare_nightly(0)
    assert (states(order)[0], Refund.objects.get().status) == ("paid", "failed")


def test_an_open_dispute_is_asked_about_at_any_age(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    paid_order(sandbox, buyer, deliver, "4000000000000259")
    run()
    assert Dispute.objects.get().status == "needs_response"
    sandbox.stripe.v1.disputes.close(sandbox.stripe.v1.disputes.list().data[0].id)
    grow_old(sandbox, timedelta(days=300))
    reconcile_jobs.compare_nightly(0)
    assert Dispute.objects.get().status == "lost"


def grow_old(sandbox: ShopSandbox, past: timedelta) -> None:
    """All that is at Stripe was made so much earlier."""
    seconds = int(past.total_seconds())
    sandbox.box.store.sql(
        "UPDATE objects SET created = created - ?, body = json_set(body, '$.created', created - ?)",
        (seconds, seconds),
    )


def test_old_refunds_cost_no_queries(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, django_assert_max_num_queries: Any
) -> None:
    """One query finds the orders whose state is wrong, however many refunds there ever were."""
    orders = [paid_order(sandbox, Client(), deliver) for _n in range(3)]
    for order in orders:
        Refund.objects.create(
            order=order, payment=order.payments.get(), account="default", stripe_id=f"re_{order.pk}",
            status="succeeded", amount=820, currency="usd", source="stripe", created=timezone.now(),
        )  # fmt: skip
        Order.objects.filter(pk=order.pk).update(status="partly_refunded")
    with django_assert_max_num_queries(1):
        assert list(wrong_states("default")) == []
    for refunds, status, sold_out in (
        (4820, "partly_refunded", ""), (820, "refunded", ""), (820, "paid", ""), (4820, "paid", ""),
        (0, "refunded", ""), (0, "partly_refunded", ""), (4000, "refunded", "Moka pot"),
    ):  # fmt: skip
        Refund.objects.filter(order=orders[0]).update(
            amount=refunds or 1, status="succeeded" if refunds else "failed"
        )
        Order.objects.filter(pk=orders[0].pk).update(status=status, sold_out=sold_out)
        (wrong,) = wrong_states("default")
        assert wrong.order_id == orders[0].pk
        assert wrong.order.status_with(refunds) != status


@pytest.mark.parametrize("total", [0, 4820])
@pytest.mark.parametrize("sold_out", ["", "Moka pot"])
@pytest.mark.parametrize("back", [0, 1, 4819, 4820])
def test_the_state_that_refunds_give_is_the_same_in_sql_as_on_the_order(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, total: int, sold_out: str, back: int
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    Refund.objects.create(
        order=order, payment=order.payments.get(), account="default", stripe_id="re_1",
        status="succeeded" if back else "failed", amount=back or 1, currency="usd", source="stripe",
        created=timezone.now(),
    )  # fmt: skip
    for status in Order.WAS_PAID:
        Order.objects.update(status=status, sold_out=sold_out, subtotal=total, total=total)
        order.refresh_from_db()
        is_wrong = wrong_states("default").exists()
        # What was never refunded and is called paid is not looked at: nothing went back of it.
        expected = order.status_with(back) != status and (back > 0 or status != "paid")
        assert is_wrong == expected, status
