"""One order through random sequences of all that can happen to it; shop and ledger agree at every step.

Events are dropped, doubled and shuffled; the buyer has two tabs, changes the order and switches between the
two ways to pay; debits wait for their bank, refunds and disputes are made at Stripe itself. What Stripe has
taken and refunded is always what the shop says.
"""

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kopeck.abuse.models import Budget
from kopeck.catalog.models import Item
from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment
from tests.support.depth import DEEP
from tests.support.recovering import recover
from tests.support.shop import ShopSandbox, make_item, sign

pytestmark = [pytest.mark.django_db(transaction=True)]

GOOD, DECLINED = "4242424242424242", "4000000000000002"


class OneOrder(RuleBasedStateMachine):
    """The buyer, the bank and the post between Stripe and the shop."""

    sandbox: ShopSandbox
    item: Item

    def __init__(self) -> None:
        super().__init__()
        self.sandbox.box.reset()  # each sequence by itself: it must go the same way when it is run again
        self.buyer = Client(raise_request_exception=False)
        self.buyer.post("/order", {f"item_{self.item.pk}": "1"})
        self.order = Order.objects.latest("pk")
        self.post: list[dict[str, Any]] = []
        self.seen: set[str] = set()

    # What the buyer does ------------------------------------------------------------------------------

    @rule(way=st.sampled_from(["buy", "intent"]))
    def open(self, way: str) -> None:
        answer = self.buyer.get(f"/order/{self.order.pk}/{way}")
        assert answer.status_code in (200, 409), answer.content

    @rule(quantity=st.integers(1, 3))
    def change(self, quantity: int) -> None:
        answer = self.buyer.post(f"/order/{self.order.pk}/lines", {f"item_{self.item.pk}": str(quantity)})
        assert answer.status_code == 303, answer.content

    @rule(card=st.sampled_from([GOOD, GOOD, DECLINED]), which=st.integers(0, 5))
    def pay(self, card: str, which: int) -> None:
        """Any page that the buyer ever opened, also one that was replaced since: an old tab."""
        payments = list(self.order.payments.exclude(stripe_id=None))
        if payments:
            payment = payments[which % len(payments)]
            kind = "sessions" if payment.kind == "checkout" else "intents"
            self.sandbox.control("POST", f"{kind}/{payment.stripe_id}/pay", {"card": card})

    @rule()
    def come_back(self) -> None:
        Budget.objects.all().delete()  # some seconds after the last time: this clock decides nothing
        assert self.buyer.get(f"/order/{self.order.pk}/return").status_code == 303

    @rule()
    def time_runs_out(self) -> None:
        for payment in self.order.payments.filter(status="open", kind="checkout"):
            session = self.sandbox.stripe.v1.checkout.sessions.retrieve(payment.stripe_id or "")
            if session.status == "open":
                self.sandbox.stripe.v1.checkout.sessions.expire(session.id)

    # What the bank and the seller do at Stripe -------------------------------------------------------

    @rule(which=st.integers(0, 5))
    def sign_a_debit(self, which: int) -> None:
        """A payment that completes at once and is paid, or not, later."""
        payments = list(self.order.payments.exclude(stripe_id=None))
        if payments:
            payment = payments[which % len(payments)]
            kind = "sessions" if payment.kind == "checkout" else "intents"
            self.sandbox.control("POST", f"{kind}/{payment.stripe_id}/pay", {"delayed": "succeeds"})

    @rule(outcome=st.sampled_from(["succeeded", "failed"]))
    def the_bank_decides(self, outcome: str) -> None:
        for payment in self.order.payments.exclude(stripe_id=None):
            kind = "sessions" if payment.kind == "checkout" else "intents"
            self.sandbox.control("POST", f"{kind}/{payment.stripe_id}/settle", {"outcome": outcome})

    @rule(part=st.sampled_from([3, 2, 1]))
    def refund(self, part: int) -> None:
        """Made at Stripe's own dashboard: a third, a half, or all that is left."""
        for charge in self.sandbox.charges():
            left = charge.amount - charge.amount_refunded
            if charge.status == "succeeded" and left:
                self.sandbox.control("POST", f"charges/{charge.id}/refund", {"amount": -(-left // part)})

    @rule()
    def dispute(self) -> None:
        for charge in self.sandbox.charges():
            if charge.status == "succeeded" and not charge.disputed:
                self.sandbox.control("POST", f"charges/{charge.id}/dispute", {})

    @rule(status=st.sampled_from(["won", "lost"]))
    def the_dispute_is_decided(self, status: str) -> None:
        for dispute in self.sandbox.stripe.v1.disputes.list().data:
            self.sandbox.control("POST", f"disputes/{dispute.id}/close", {"status": status})

    # What the post does -------------------------------------------------------------------------------

    @rule()
    def stripe_writes(self) -> None:
        fresh = [event for event in self.sandbox.events() if event["id"] not in self.seen]
        self.seen |= {event["id"] for event in fresh}
        self.post += fresh

    @precondition(lambda self: self.post)
    @rule(which=st.integers(0, 30), copies=st.integers(0, 2))
    def post_comes(self, which: int, copies: int) -> None:
        """Any letter, not the oldest first; lost, once, or twice."""
        event = self.post.pop(which % len(self.post))
        body = json.dumps(event)
        for _copy in range(copies):
            answer = Client().post(
                "/webhooks/stripe/default",
                body,
                content_type="application/json",
                headers={"Stripe-Signature": sign(body)},
            )
            assert answer.status_code == 200, answer.content

    # What always holds --------------------------------------------------------------------------------

    def charged(self) -> list[int]:
        """The amounts that Stripe has taken; the sandbox knows no other order."""
        return [charge.amount for charge in self.sandbox.charges() if charge.status == "succeeded"]

    @invariant()
    def money_is_taken_at_most_once_and_in_the_orders_amount(self) -> None:
        self.order.refresh_from_db()
        charged = self.charged()
        assert len(charged) <= 1
        if charged:
            # A buyer who paid in an old tab paid for an older total: the order is then what was paid for.
            paid = self.order.payments.filter(status="paid").first()
            if paid is not None:
                assert charged == [paid.amount] == [self.order.total]
        if self.order.status in Order.WAS_PAID:
            assert charged == [self.order.total]

    @invariant()
    def at_most_one_thing_can_be_paid(self) -> None:
        mine = self.order.payments.exclude(stripe_id=None)
        payable = 0
        for payment in mine:
            found = self.sandbox.box.store.find(
                "checkout.session" if payment.kind == "checkout" else "payment_intent",
                payment.stripe_id or "",
            )
            assert found is not None
            payable += found[1]["status"] in ("open", "requires_payment_method", "requires_action")
        assert payable <= 1

    def teardown(self) -> None:
        """Everybody goes home: Stripe is asked about every attempt, and both sides say the same."""
        for payment in self.order.payments.filter(status__in=Payment.LIVE):
            sync.refresh(payment)
        recover(self.sandbox)
        self.order.refresh_from_db()
        refunded = sum(refund.amount for refund in self.sandbox.stripe.v1.refunds.list({"limit": 100}).data)
        match self.charged():
            case []:
                assert self.order.status not in Order.WAS_PAID
            case [amount] if refunded == amount:
                assert self.order.status == "refunded"
            case _:
                assert self.order.status == ("partly_refunded" if refunded else "paid")
        at_stripe = {dispute.id: dispute.status for dispute in self.sandbox.stripe.v1.disputes.list().data}
        assert dict(self.order.disputes.values_list("stripe_id", "status")) == at_stripe
        assert not self.order.payments.filter(status="needs_review").exists()


def test_shop_and_ledger_agree_whatever_happens(sandbox: ShopSandbox) -> None:
    """pains 1 to 6"""
    OneOrder.sandbox, OneOrder.item = sandbox, make_item(price=1000)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OneOrder,
        settings=settings(
            max_examples=40 if DEEP else 15,
            stateful_step_count=20,
            deadline=None,
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
