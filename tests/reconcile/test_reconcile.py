"""Webhooks off for an hour of business: one comparison, and shop and Stripe agree to the last cent."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.payments import jobs
from kopeck.payments.models import Payment
from kopeck.refunds.models import Dispute, Refund
from kopeck.stripe_api.accounts import SANDBOX_TAIL
from kopeck.webhooks.models import StripeEvent
from tests.support.comparing import codes, repairs, run
from tests.support.mirroring import two_accounts
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)

WAYS = [
    ("paid", {"card": "4242424242424242"}),
    ("declined", {"card": "4000000000000002"}),
    ("left", None),
    ("refunded", {"card": "4242424242424242"}),
    ("part refunded", {"card": "4242424242424242"}),
    ("disputed", {"card": "4242424242424242"}),
    ("debit", {"delayed": "succeeds"}),
    ("bad debit", {"delayed": "fails"}),
]
EXPECTED = {
    "paid": {"paid"},
    "declined": {"expired"},
    "left": {"expired"},
    "refunded": {"refunded"},
    "part refunded": {"partly_refunded"},
    "disputed": {"paid"},
    "debit": {"paid"},
    "bad debit": {"open", "expired"},  # the session is over, the intent is closed by the sweep
}


def spend(sandbox: ShopSandbox, payment: Payment, how: dict[str, str]) -> str:
    """Pays; the charge's id, "" where the card was refused."""
    kind = "sessions" if payment.kind == "checkout" else "intents"
    sandbox.control("POST", f"{kind}/{payment.stripe_id}/pay", how)
    if "delayed" in how:
        outcome = "succeeded" if how["delayed"] == "succeeds" else "failed"
        sandbox.control("POST", f"{kind}/{payment.stripe_id}/settle", {"outcome": outcome})
    made = sandbox.control("GET", f"objects?id={payment.stripe_id}")["data"][0]["object"]
    intent = made["payment_intent"] if kind == "sessions" else made["id"]
    charges = [c for a in sandbox.control("GET", "ledger")["accounts"] for c in a["charges"]]
    return next((c["id"] for c in charges if c["payment_intent"] == intent and c["status"] != "failed"), "")


def an_hour_of_business(sandbox: ShopSandbox) -> dict[int, str]:
    """Both ways to pay, two currencies, everything that can become of a purchase; no event is delivered."""
    plan = [(way, how, kind, currency) for way, how in WAYS for kind in ("buy", "intent")
            for currency in ("usd", "eur")]  # fmt: skip
    random.Random(1).shuffle(plan)
    items = {currency: make_item(currency=currency) for currency in ("usd", "eur")}
    fate: dict[int, str] = {}
    for way, how, kind, currency in plan:
        visitor = Client(raise_request_exception=False)
        answer = visitor.get(f"/{kind}/{items[currency].pk}")
        assert answer.status_code == 200, answer.content
        payment = Payment.objects.latest("pk")
        fate[payment.order_id] = way
        charge = spend(sandbox, payment, how) if how else ""
        if way in ("refunded", "part refunded"):
            amount = {} if way == "refunded" else {"amount": 820}
            sandbox.control("POST", f"charges/{charge}/refund", amount)
        elif way == "disputed":
            sandbox.control("POST", f"charges/{charge}/dispute", {})
    return fate


def test_webhooks_off_for_an_hour_and_one_run_leaves_no_discrepancy(
    sandbox: ShopSandbox, settings: Any
) -> None:
    """pain 1"""
    two_accounts(sandbox, settings)
    fate = an_hour_of_business(sandbox)
    assert set(Order.objects.values_list("status", flat=True)) == {"open"}
    sandbox.control("POST", "clock/advance", {"seconds": 3600})
    # The shop's own clock goes on as well: intents do not end by themselves, the sweep closes them.
    Payment.objects.update(expires_at=timezone.now() - timedelta(minutes=25))
    told = run()
    assert told["code"] == 0, [one for one in told["discrepancies"] if not one["repaired"]]
    assert told["repaired"] >= len(fate)
    jobs.ask_about_payments()
    for order in Order.objects.all():
        assert order.status in EXPECTED[fate[order.pk]], fate[order.pk]
    assert codes(run(), repaired=True) == []  # nothing but the events of what the sweep closed
    assert run()["discrepancies"] == []
    books_agree(sandbox)


def books_agree(sandbox: ShopSandbox) -> None:
    """The sandbox's ledger, account by account, against the shop's database."""
    accounts = {SANDBOX_TAIL: "default", "euros": "eur"}
    for book in sandbox.control("GET", "ledger")["accounts"]:
        name = accounts[book["account"]]
        paid = Payment.objects.filter(account=name, status="paid")
        mine = sorted(paid.values_list("payment_intent", "amount", "currency"))
        taken = [charge for charge in book["charges"] if charge["status"] == "succeeded"]
        assert mine == sorted((one["payment_intent"], one["amount"], one["currency"]) for one in taken)
        back = Refund.objects.filter(account=name, status="succeeded")
        assert sorted(back.values_list("stripe_id", "amount")) == sorted(
            (refund["id"], refund["amount"]) for refund in book["refunds"]
        )
    disputes = sandbox.control("GET", "objects?type=dispute&limit=500")["data"]
    assert Dispute.objects.count() == len(disputes) == 4
    known = {event["type"] for event in StripeEvent.objects.values("type")}
    assert {"checkout.session.completed", "refund.created", "charge.dispute.created"} <= known
    assert not StripeEvent.objects.filter(status__in=["failed", "received"]).exists()


def test_a_shop_in_which_nothing_is_wrong_has_nothing_to_repair(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    session_id = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    sandbox.pay(session_id)
    for event in sandbox.events():
        deliver(event)
    assert repairs() == []
    assert Order.objects.get().status == "paid"
