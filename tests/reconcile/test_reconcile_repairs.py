"""What a comparison with Stripe repairs by itself: each discrepancy is real, and gone afterwards."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment
from kopeck.reconcile.models import Discrepancy, Run
from kopeck.reconcile.payments import Sessions
from kopeck.refunds.models import Dispute, Refund
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import bought, buy, paid_order, states
from tests.support.comparing import charge_of, codes, leaves, repairs, run
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)


def at_stripe(sandbox: ShopSandbox, payment: Payment) -> str:
    if payment.kind == "checkout":
        return str(sandbox.stripe.v1.checkout.sessions.retrieve(payment.stripe_id or "").status)
    return sandbox.stripe.v1.payment_intents.retrieve(payment.stripe_id or "").status


@pytest.mark.parametrize("way", ["buy", "intent"])
def test_a_paid_one_that_we_think_is_open(sandbox: ShopSandbox, buyer: Client, way: str) -> None:
    """pain 1"""
    payment = bought(buyer, way)
    sandbox.pay(payment.stripe_id)
    assert "status_differs" in repairs()
    assert states(payment.order) == ("paid", ["paid"])


@pytest.mark.parametrize("gave_up", ["expired", "refused", "failed"])
@pytest.mark.parametrize("way", ["buy", "intent"])
def test_a_paid_one_that_we_gave_up(sandbox: ShopSandbox, buyer: Client, way: str, gave_up: str) -> None:
    """pain 1"""
    payment = bought(buyer, way)
    sandbox.pay(payment.stripe_id)
    Payment.objects.update(status=gave_up)
    Order.objects.update(status="expired")
    assert repairs() == ["status_differs"]
    assert states(payment.order) == ("paid", ["paid"])


def test_a_session_that_is_over(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    sandbox.stripe.v1.checkout.sessions.expire(payment.stripe_id or "")
    assert repairs() == ["status_differs"]
    assert states(payment.order) == ("expired", ["expired"])


@pytest.mark.parametrize("way", ["buy", "intent"])
@pytest.mark.parametrize("paid", [True, False])
def test_an_attempt_whose_id_we_crashed_before_storing(
    sandbox: ShopSandbox, buyer: Client, way: str, paid: bool
) -> None:
    """pain 1"""
    payment = bought(buyer, way)
    if paid:
        sandbox.pay(payment.stripe_id)
    Payment.objects.update(status="creating", stripe_id=None, url="", payment_intent="", lease_until=None)
    assert repairs() == ["id_not_stored"]
    stored = Payment.objects.get()
    assert stored.stripe_id == payment.stripe_id
    # Nobody was handed it: what can still be paid is closed, and the buyer's next try makes another.
    assert states(payment.order) == (("paid", ["paid"]) if paid else ("expired", ["expired"]))
    assert at_stripe(sandbox, stored) in ("complete", "succeeded", "expired", "canceled")
    if not paid:
        assert buyer.get(f"/order/{payment.order_id}/{way}").status_code == 200


def test_an_attempt_that_a_request_is_making_this_very_moment_is_left_alone(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = bought(buyer)
    soon = timezone.now() + timedelta(seconds=30)
    Payment.objects.update(status="creating", stripe_id=None, url="", lease_until=soon)
    assert run()["discrepancies"] == []
    assert at_stripe(sandbox, payment) == "open"
    assert Payment.objects.get().lease_until == soon


@pytest.mark.parametrize("way", ["buy", "intent"])
def test_a_second_one_that_could_still_be_paid_is_closed(
    sandbox: ShopSandbox, buyer: Client, way: str
) -> None:
    """pain 6"""
    first = bought(buyer, way)
    Payment.objects.update(status="expired")
    answer = buyer.get(f"/order/{first.order_id}/{way}")
    assert answer.status_code == 200
    second = Payment.objects.get(attempt=2)
    assert at_stripe(sandbox, first) != at_stripe(sandbox, second) or second.stripe_id != first.stripe_id
    assert repairs() == ["still_payable"]
    assert at_stripe(sandbox, first) in ("expired", "canceled")
    assert at_stripe(sandbox, second) in ("open", "requires_payment_method")
    assert states(first.order) == ("open", ["expired", "open"])


@pytest.mark.parametrize("status", ["cancelled", "paid"])
def test_one_that_could_be_paid_for_an_order_that_is_done_is_closed(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, status: str
) -> None:
    if status == "paid":
        order = paid_order(sandbox, buyer, deliver)
        late = bought(Client())
        Order.objects.filter(pk=late.order_id).update(status="cancelled")
        Payment.objects.filter(pk=late.pk).update(order=order, attempt=2)
    else:
        late = bought(buyer)
        Order.objects.update(status="cancelled")
    assert repairs() == ["still_payable"]
    assert at_stripe(sandbox, late) == "expired"


def test_one_at_another_amount_is_closed_before_somebody_pays_it(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    Payment.objects.update(amount=1)
    assert repairs() == ["amount_differs"]
    assert at_stripe(sandbox, payment) == "expired"


def test_one_whose_total_was_refused_and_whose_closing_failed_is_closed(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = bought(buyer)
    Payment.objects.update(fingerprint="")
    assert repairs() == ["still_payable"]
    assert at_stripe(sandbox, payment) == "expired"


def test_an_open_one_whose_row_is_lost_is_closed(sandbox: ShopSandbox, buyer: Client) -> None:
    """A database from an hour ago: the order or the attempt is not in it."""
    payment, other = bought(buyer), bought(Client(), "intent")
    payment.delete()
    other.delete()
    other.order.lines.all().delete()
    other.order.delete()
    assert repairs() == ["unknown_attempt", "unknown_order"]
    assert (at_stripe(sandbox, payment), at_stripe(sandbox, other)) == ("expired", "canceled")


def test_what_another_shop_made_in_the_same_account_is_left_alone(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    payment = bought(buyer)
    Payment.objects.all().delete()
    settings.SECRET_KEY = "another shop's"
    assert run()["discrepancies"] == []
    assert at_stripe(sandbox, payment) == "open"


def test_a_refund_and_a_dispute_whose_events_never_came(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    """pain 17"""
    order = paid_order(sandbox, buyer, deliver)
    charge = charge_of(sandbox, order.payments.get())
    sandbox.control("POST", f"charges/{charge}/refund", {"amount": 820})
    sandbox.control("POST", f"charges/{charge}/dispute", {})
    assert repairs() == ["dispute_differs", "refunds_differ"]
    assert states(order)[0] == "partly_refunded"
    assert (Refund.objects.get().amount, Dispute.objects.get().order) == (820, order)


def test_a_refund_that_has_moved_on(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    order = paid_order(sandbox, buyer, deliver)
    charge = charge_of(sandbox, order.payments.get())
    sandbox.control("POST", f"charges/{charge}/refund", {})
    run()
    Refund.objects.update(status="pending")
    told = run("--all")
    assert (told["code"], codes(told, repaired=True)) == (0, ["refund_differs"])


def test_a_refund_whose_request_died(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    """pain 18"""
    order = paid_order(sandbox, buyer, deliver)
    payment = order.payments.get()
    before = timezone.now() - timedelta(minutes=5)
    refund = Refund(order=order, payment=payment, account="default", amount=4820, currency="usd",
                    source="staff", created=before)  # fmt: skip
    refund.inputs = {"payment_intent": payment.payment_intent, "amount": 4820,
                     "metadata": {"kopeck_refund": str(refund.key)}}  # fmt: skip
    refund.save()
    assert repairs() == ["refund_stuck"]
    assert states(order)[0] == "refunded"


def test_an_orders_state_that_its_refunds_do_not_give(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    Order.objects.update(status="refunded")
    assert repairs() == ["refund_state"]
    assert states(order)[0] == "paid"


def test_an_order_that_waits_for_a_payment_that_is_not_there_can_be_paid_again(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id, delayed="succeeds")
    run()
    assert states(payment.order) == ("processing", ["processing"])
    sandbox.box.reset()
    told = run("--all")
    assert (told["code"], codes(told, repaired=True)) == (0, ["unknown_at_stripe", "waits_for_nothing"])
    assert buyer.get(f"/order/{payment.order_id}/buy").status_code == 200


def test_an_event_that_never_arrived_and_one_that_failed(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    """pain 4"""
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    (completed,) = [event for event in sandbox.events() if event["type"] == "checkout.session.completed"]
    once = {"kind": "error", "path": "/v1/checkout/sessions", "method": "GET"}
    sandbox.control("PUT", "faults", {"next": [once]})
    assert deliver(completed, client=Client(raise_request_exception=False)).status_code == 500
    told = run()
    assert told["code"] == 0
    found = {(one["code"], one["id"]) for one in told["discrepancies"]}
    assert ("event_failed", completed["id"]) in found
    assert "event_missing" in {code for code, _ in found}
    assert set(StripeEvent.objects.values_list("status", flat=True)) <= {"done", "ignored"}
    assert run("--all")["discrepancies"] == []


def test_nothing_is_touched_by_a_dry_run(sandbox: ShopSandbox, buyer: Client) -> None:
    paid, doubled = bought(buyer), bought(Client())
    sandbox.pay(paid.stripe_id)
    Payment.objects.filter(pk=doubled.pk).update(status="expired")
    before = list(Payment.objects.order_by("pk").values())
    told = run("--dry-run")
    assert (told["code"], told["repaired"], told["dry_run"]) == (1, 0, True)
    assert codes(told, repaired=False) == ["status_differs", "still_payable"]
    assert list(Payment.objects.order_by("pk").values()) == before
    assert at_stripe(sandbox, doubled) == "open"
    for model in (StripeEvent, Discrepancy, Run):
        assert not model.objects.exists()  # type: ignore[attr-defined]


def test_a_payment_that_is_settled_while_it_is_compared_is_no_discrepancy(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is older than the row by then: only what Stripe says now counts."""
    payment = bought(buyer)
    check = Sessions.check

    def late(self: Sessions, run: Run, objects: list[Any]) -> None:
        sandbox.pay(payment.stripe_id)
        for event in sandbox.events():
            deliver(event)
        check(self, run, objects)

    monkeypatch.setattr(Sessions, "check", late)
    assert [f for f in run()["discrepancies"] if f["kind"] in ("session", "intent")] == []
    assert states(payment.order) == ("paid", ["paid"])


def test_a_session_that_is_made_again_after_a_day_is_closed(sandbox: ShopSandbox, buyer: Client) -> None:
    """Stripe has forgotten the idempotency key by then, and makes a second one of the same attempt."""
    from kopeck.stripe_api.client import gateway

    payment = bought(buyer)
    inputs = {**payment.inputs, "expires_at": int(timezone.now().timestamp()) + 7200}
    second = gateway("default").create("session", inputs, idempotency_key="another")
    assert repairs() == ["second_object"]
    assert sandbox.stripe.v1.checkout.sessions.retrieve(second["id"]).status == "expired"
    assert at_stripe(sandbox, payment) == "open"


def taken_for_lost(sandbox: ShopSandbox, payment: Payment) -> None:
    """Its debit is signed at Stripe, and here it has expired."""
    Payment.objects.filter(pk=payment.pk).update(status="expired")
    Order.objects.filter(pk=payment.order_id).update(status="expired")
    sandbox.pay(payment.stripe_id, delayed="succeeds")


@pytest.mark.parametrize("way", ["buy", "intent"])
def test_a_payment_under_way_that_was_taken_for_lost_is_under_way_again(
    sandbox: ShopSandbox, buyer: Client, way: str
) -> None:
    payment = bought(buyer, way, stock=1)
    taken_for_lost(sandbox, payment)
    assert repairs() == ["status_differs"]
    assert states(payment.order) == ("processing", ["processing"])
    assert Client().get(f"/buy/{payment.order.lines.get().item_id}").json()["error"]["code"] == "sold_out"
    sandbox.control("POST", "clock/advance", {"seconds": 4 * 24 * 3600})
    run("--all")
    assert states(payment.order) == ("paid", ["paid"])


def test_a_payment_under_way_gets_nothing_back_that_others_have_by_now(
    sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    """It is told of instead; should its money come, it is one that came too late."""
    payment = bought(buyer, stock=1)
    Payment.objects.update(status="expired")
    Order.objects.update(status="expired")
    assert buy(stranger, payment.order.lines.get().item)[0] == 200
    sandbox.pay(payment.stripe_id, delayed="succeeds")
    assert leaves() == ["status_differs"]
    assert states(payment.order) == ("expired", ["expired"])


def test_a_payment_under_way_does_not_stand_beside_a_second_one(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    taken_for_lost(sandbox, payment)
    assert buyer.get(f"/order/{payment.order_id}/buy").status_code == 200
    assert leaves() == ["status_differs"]
    assert states(payment.order) == ("open", ["expired", "open"])


def test_an_old_answer_of_a_webhook_revives_nothing(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    taken_for_lost(sandbox, payment)
    sync.refresh(payment)
    assert states(payment.order) == ("expired", ["expired"])
