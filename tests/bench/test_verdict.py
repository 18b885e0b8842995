"""The comparison of Stripe's ledger with the shop: what agrees is silent, each difference is reported."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from bench.chaos.verdict import Stripe, judge, two_ways_to_pay

CHARGE = {
    "id": "ch_1",
    "account": "default",
    "amount": 4820,
    "amount_refunded": 0,
    "currency": "usd",
    "status": "succeeded",
    "checkout_session": "cs_1",
    "payment_intent": "pi_1",
}
REFUND = {
    "id": "re_1",
    "account": "default",
    "amount": 100,
    "currency": "usd",
    "status": "succeeded",
    "metadata": {"kopeck_refund": "r1"},
}
SESSION = {"id": "cs_1", "status": "complete", "metadata": {"kopeck_payment": "p1", "kopeck_order": "1"}}
ORDER = {
    "id": 1,
    "status": "paid",
    "total": 4820,
    "currency": "usd",
    "discount_id": None,
    "sold_out": "",
    "receipt": 1,
}
PAYMENT = {
    "id": 1,
    "order_id": 1,
    "account": "default",
    "kind": "checkout",
    "stripe_id": "cs_1",
    "payment_intent": "pi_1",
    "status": "paid",
    "amount": 4820,
    "currency": "usd",
    "key": "p1",
}
KNOWN = {"id": 1, "payment_id": 1, "account": "default", "stripe_id": "re_1", "status": "succeeded"}
EVENT = {"account": "default", "event_id": "evt_1", "type": "checkout.session.completed", "status": "done"}


class Books:
    """Both sides, in agreement until a test changes something."""

    def __init__(self) -> None:
        facts = deepcopy([CHARGE, REFUND, SESSION, ORDER, PAYMENT, KNOWN, EVENT])
        self.charge, self.refund, self.session, self.order, self.payment, self.known, self.event = facts
        self.charge["amount_refunded"] = 100
        self.order["status"] = "partly_refunded"
        self.known |= {"amount": 100, "key": "r1"}
        self.event["outcome"] = ""
        self.stripe = Stripe([self.charge], [self.refund], [self.session])
        self.shop: dict[str, list[dict[str, Any]]] = {
            "orders": [self.order],
            "payments": [self.payment],
            "refunds": [self.known],
            "events": [self.event],
            "discounts": [],
            "mails": [{"order_id": 1, "kind": "receipt", "status": "sent"}],
            "lines": [{"order_id": 1, "item_id": 5, "quantity": 2}],
            "stock": [{"id": 5, "stock": 1}],
            "jobs": [],
        }

    def figures(self) -> dict[str, int]:
        return judge(self.stripe, self.shop, {5: 3}).figures


def test_books_that_agree_are_silent() -> None:
    assert Books().figures() == {"lost": 0, "doubled": 0, "wrong_amount": 0, "stuck": 0}


CHANGES: dict[str, tuple[str, Callable[[Books], object]]] = {
    "a charge that is no payment": ("lost", lambda it: it.payment.update(stripe_id="x", payment_intent="x")),
    "an order that does not know it is paid": ("lost", lambda it: it.order.update(status="open")),
    "a payment that does not know it is paid": ("lost", lambda it: it.payment.update(status="expired")),
    "an order paid without a charge": ("lost", lambda it: it.charge.update(status="failed")),
    "a held payment that was not refunded": ("lost", lambda it: it.payment.update(status="needs_review")),
    "the charge of another account": ("lost", lambda it: it.charge.update(account="eur")),
    "a refund that the shop does not know": ("lost", lambda it: it.known.update(stripe_id="re_2")),
    "a refund that Stripe does not know": ("lost", lambda it: it.stripe.refunds.clear()),
    "another amount": ("wrong_amount", lambda it: it.charge.update(amount=4821)),
    "another currency": ("wrong_amount", lambda it: it.charge.update(currency="eur")),
    "an order that changed after it was paid": ("wrong_amount", lambda it: it.order.update(total=9640)),
    "another refund's amount": ("wrong_amount", lambda it: it.refund.update(amount=99)),
    "another refund's state": ("wrong_amount", lambda it: it.refund.update(status="failed")),
    "a state that is not the ledger's": ("wrong_amount", lambda it: it.order.update(status="paid")),
    "a second charge": (
        "doubled",
        lambda it: (
            it.stripe.charges.append({**it.charge, "id": "ch_2", "payment_intent": "pi_2"}),
            it.shop["payments"].append(
                {**it.payment, "id": 2, "stripe_id": "cs_2", "payment_intent": "pi_2"}
            ),
            it.stripe.charges[1].update(checkout_session="cs_2"),
        ),
    ),
    "an attempt of two sessions": (
        "doubled",
        lambda it: it.stripe.payables.append({**SESSION, "id": "cs_2"}),
    ),
    "a wish refunded twice": ("doubled", lambda it: it.stripe.refunds.append({**REFUND, "id": "re_2"})),
    "an event stored twice": ("doubled", lambda it: it.shop["events"].append(it.event)),
    "a code used too often": (
        "doubled",
        lambda it: (
            it.order.update(discount_id=7),
            it.shop["discounts"].append({"id": 7, "max_redemptions": 0}),
        ),
    ),
    "more sold than there was": ("doubled", lambda it: it.shop["lines"][0].update(quantity=4)),
    "pieces that nobody bought": ("lost", lambda it: it.shop["stock"][0].update(stock=0)),
    "a paid order without a receipt": ("lost", lambda it: it.shop["mails"].clear()),
    "two receipts": ("doubled", lambda it: it.shop["mails"].append(it.shop["mails"][0])),
    "a receipt's number left out": ("lost", lambda it: it.order.update(receipt=2)),
    "a receipt's number given twice": ("doubled", lambda it: it.shop["orders"].append({**it.order, "id": 2})),
    "a mail that waits": ("stuck", lambda it: it.shop["mails"][0].update(status="waiting")),
    "a payment without an end": ("stuck", lambda it: it.payment.update(status="creating")),
    "an order without an end": ("stuck", lambda it: it.order.update(status="processing")),
    "an event that was not processed": ("stuck", lambda it: it.event.update(status="failed")),
    "a refund without an answer": ("stuck", lambda it: it.known.update(status="creating")),
    "a job that failed": (
        "stuck",
        lambda it: it.shop["jobs"].append({"id": 1, "task_name": "sweep", "status": "failed"}),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_difference_is_reported_under_its_heading(change: str) -> None:
    books = Books()
    heading, act = CHANGES[change]
    act(books)
    assert books.figures()[heading] >= 1


def test_a_second_payment_that_went_back_whole_is_no_fault() -> None:
    books = Books()
    second = {**CHARGE, "id": "ch_2", "checkout_session": "cs_2", "payment_intent": "pi_2"}
    books.stripe.charges.append({**second, "amount_refunded": 4820})
    books.shop["payments"].append(
        {**PAYMENT, "id": 2, "stripe_id": "cs_2", "payment_intent": "pi_2", "status": "needs_review"}
    )
    books.stripe.refunds.append({**REFUND, "id": "re_2", "amount": 4820, "metadata": {"kopeck_refund": "r2"}})
    books.shop["refunds"].append(
        {**books.known, "id": 2, "payment_id": 2, "stripe_id": "re_2", "amount": 4820, "key": "r2"}
    )
    assert set(books.figures().values()) == {0}


def test_two_open_ways_to_pay_one_order_are_found() -> None:
    opened = {**SESSION, "status": "open"}
    intent = {**opened, "id": "pi_9", "status": "requires_payment_method"}
    assert two_ways_to_pay([opened, {**intent, "status": "canceled"}]) == {}
    assert two_ways_to_pay([opened, intent]) == {"1": "order 1 could be paid by cs_1 and pi_9"}
