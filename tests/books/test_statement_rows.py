"""What the rows of a statement say of refunds, failed ones, and what has no order or no movement."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from kopeck.books import statement
from kopeck.books.entries import OF_ORDERS, entries, kind_of
from kopeck.books.movements import Movement, Period
from kopeck.catalog.models import Discount, Tax
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import attempts, inputs, sync
from kopeck.payments.models import Payment
from kopeck.refunds import request as refunds
from kopeck.refunds import sync as refund_sync
from kopeck.refunds.request import Wish
from tests.books.test_statement import FAILING, SINCE, UNTIL, made, minor, of_kind
from tests.support.shop import ShopSandbox, make_item, make_rate

pytestmark = pytest.mark.django_db(transaction=True)
VAT, SALES = "tax: VAT 20 % included", "tax: Sales tax 5 %"
COLUMNS = ("sale", "discount", "delivery", "tax", "sale_without_tax", VAT, SALES)


def sold(sandbox: ShopSandbox, card: str) -> Payment:
    """20.00 and a taxed delivery of 5.00, less 10 %, with 20 % inside and 5 % on top: 22.50 + 0.94."""
    make_rate(amount=500, taxed=True)
    Tax.objects.create(display_name="VAT", percentage=20, inclusive=True, is_default=True, country="DE")
    Tax.objects.create(display_name="Sales tax", percentage=5, is_default=True)
    off = Discount.objects.create(name="Tenth", percent_off=10)
    wanted = [Wanted(make_item(price=1000, shipped=True), 2)]
    order = placing.place(wanted, visitor="v" * 64, discount=off)
    payment = attempts.start(order.pk, inputs.Client("http://testserver"))
    sandbox.pay(payment.stripe_id or "", card=card)
    payment = sync.refresh(payment)
    assert (payment.status, payment.amount) == ("paid", 2344)
    return payment


def refund(payment: Payment, amount: int | None) -> None:
    order = Order.objects.get(pk=payment.order_id)
    form = refunds.Form(uuid4(), refunds.left_of(order).version, by="owner")
    refunds.send(refunds.request(order.pk, Wish(amount=amount), form)[0])


def told(row: dict[str, str]) -> dict[str, int]:
    return {name: minor(row[name], "USD") for name in COLUMNS}


def sums(rows: list[dict[str, str]]) -> dict[str, int]:
    return {name: sum(told(row)[name] for row in rows) for name in COLUMNS}


NOTHING = dict.fromkeys(COLUMNS, 0)
WHOLE = {
    "sale": 2344,
    "discount": 250,
    "delivery": 469,
    "tax": 469,
    "sale_without_tax": 1875,
    VAT: 375,
    SALES: 94,
}


def test_a_refund_that_fails_is_counted_again_in_every_column(sandbox: ShopSandbox) -> None:
    payment = sold(sandbox, FAILING)
    refund(payment, None)
    (sale,), (back,) = (of_kind(made(), kind) for kind in ("sale", "refund"))
    assert told(sale) == WHOLE
    assert told(back) == {name: -amount for name, amount in WHOLE.items()}
    sandbox.control("POST", "clock/advance", {"seconds": 120})
    rows = [row for row in made() if row["order"]]
    assert sorted(row["kind"] for row in rows) == ["refund", "refund_failed", "sale"]
    (failed,) = of_kind(rows, "refund_failed")
    assert told(failed) == WHOLE
    assert (failed["amount"], failed["stripe_type"], failed["note"]) == ("23.44", "refund_failure", "")
    assert sums(rows) == WHOLE
    # Whether the shop has heard of it by then or not; and then it is refunded once more.
    refund_sync.learn_payment(payment)
    assert sums([row for row in made() if row["order"]]) == WHOLE
    refund(payment, 1000)
    refund(payment, None)
    rows = [row for row in made() if row["order"]]
    assert sums(of_kind(rows, "sale", "refund", "refund_failed")) == NOTHING


def test_each_row_has_the_time_of_its_movement_and_the_balances_those_of_their_midnights(
    sandbox: ShopSandbox,
) -> None:
    refund(sold(sandbox, FAILING), None)
    sandbox.control("POST", "clock/advance", {"seconds": 120})
    moved = {one.id: one.created for one in sandbox.stripe.v1.balance_transactions.list().data}
    at = {
        row["stripe_id"] or row["kind"]: datetime.fromisoformat(f"{row['date']} {row['time']}+00:00")
        for row in made()
    }
    assert {name: int(when.timestamp()) for name, when in at.items() if name in moved} == moved
    midnights = SINCE, UNTIL + timedelta(days=1)
    assert (at["opening"], at["closing"]) == tuple(datetime.combine(day, time(), UTC) for day in midnights)


def test_refunds_in_parts_take_back_the_whole_in_every_column(sandbox: ShopSandbox) -> None:
    payment = sold(sandbox, "4242424242424242")
    for amount in (1, 333, 1999):
        refund(payment, amount)
        assert sums([row for row in made() if row["order"]])["sale"] > 0
    refund(payment, None)
    rows = [row for row in made() if row["order"]]
    assert len(of_kind(rows, "refund")) == 4
    assert sums(rows) == NOTHING
    for row in of_kind(rows, "refund"):
        assert told(row)["sale"] == minor(row["amount"], "USD")
        assert told(row)[VAT] + told(row)[SALES] == told(row)["tax"]


def test_a_refund_that_the_shop_has_not_heard_of_is_told_as_such(sandbox: ShopSandbox) -> None:
    payment = sold(sandbox, "4242424242424242")
    sandbox.stripe.v1.refunds.create({"payment_intent": payment.payment_intent, "amount": 500})
    (unknown,) = of_kind(made(), "unmatched")
    assert (unknown["order"], unknown["amount"], unknown["sale"], unknown[VAT]) == (
        str(payment.order_id),
        "-5.00",
        "",
        "",
    )
    assert unknown["note"] == "The shop has not heard of this refund yet."
    refund_sync.learn_payment(payment)
    (back,) = of_kind(made(), "refund")
    assert told(back)["sale"] == -500


def test_what_is_no_movement_of_an_order_has_stripes_words(sandbox: ShopSandbox) -> None:
    sandbox.control("POST", "clock/advance", {"seconds": 1})
    sandbox.stripe.v1.payment_intents.create(_foreign(7777))
    (row,) = of_kind(made(), "unmatched")
    assert (row["order"], row["receipt"], row["sale"], row["stripe_type"]) == ("", "", "", "charge")
    assert row["stripe_source"].startswith("ch_")


def _foreign(amount: int) -> Any:
    """A payment that another program of the seller's took."""
    facts = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    return facts | {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}


def test_orders_without_a_movement_are_told_once_each_though_many_were_paid_at_one_time(
    sandbox: ShopSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement, "BATCH", 2)
    item, now = make_item(), timezone.now()
    times = [now - timedelta(minutes=1), *[now] * 5, now + timedelta(minutes=1)]
    for number, paid_at in enumerate(times):
        order = placing.place([Wanted(item, 1)], visitor="v" * 64)
        Order.objects.filter(pk=order.pk).update(status="paid", paid_at=paid_at)
        Payment.objects.create(
            order=order, account="default", status="paid", stripe_id=f"cs_{number}", amount=1, currency="usd",
            attempt=1, inputs={}, expires_at=now, paid_at=paid_at,
        )  # fmt: skip
    told = [int(row["order"]) for row in of_kind(made(), "not_at_stripe")]
    assert told == [order.pk for order in Order.objects.order_by("paid_at", "pk")]
    assert len(told) == 7
    # A payment of another day is none of this one's.
    Payment.objects.update(paid_at=now - timedelta(days=9))
    assert of_kind(made(), "not_at_stripe") == []


@pytest.mark.parametrize(
    ("stripe_type", "amount", "source", "kind"),
    [
        ("charge", 5, "charge", "unmatched"),
        ("payment", 5, "charge", "unmatched"),
        ("refund", -5, "refund", "unmatched"),
        ("payment_refund", -5, "refund", "unmatched"),
        ("refund_failure", 5, "refund", "unmatched"),
        ("adjustment", -5, "dispute", "unmatched"),
        ("adjustment", 5, "dispute", "unmatched"),
        ("adjustment", 5, "charge", "other"),
        ("payout", -5, "payout", "payout"),
        ("payout_cancel", 5, "payout", "payout"),
        ("payout_failure", 5, "payout", "payout"),
        ("stripe_fee", -5, "", "stripe_fee"),
        ("topup", 5, "topup", "other"),
    ],
)
def test_what_belongs_to_no_order_is_an_entry_with_stripes_words(
    stripe_type: str, amount: int, source: str, kind: str
) -> None:
    said = {
        "id": "txn_1",
        "type": stripe_type,
        "reporting_category": "",
        "amount": amount,
        "fee": 2,
        "net": amount - 2,
        "currency": "usd",
        "created": 1_790_000_000,
        "description": "In words",
        "source": {"id": "src_1", "object": source} if source else None,
    }
    ((entry, payment),) = entries("default", [Movement(said, 77)])
    assert (entry.kind, payment, entry.order, entry.receipt) == (kind, None, None, None)
    assert (entry.amount, entry.fee, entry.net, entry.balance) == (amount, 2, amount - 2, 77)
    assert (entry.stripe_type, entry.stripe_source) == (stripe_type, "src_1" if source else "")
    assert entry.note == ("" if kind == "unmatched" else "Stripe says: In words")
    mine = kind_of(Movement(said, 77))
    assert kind in (mine, "unmatched")
    assert (mine in OF_ORDERS) == (kind == "unmatched")


def test_a_source_that_stripe_only_names_is_told_by_its_id() -> None:
    facts = {
        "id": "txn_1",
        "type": "payout",
        "amount": -5,
        "fee": 0,
        "net": -5,
        "currency": "usd",
        "created": 1,
    }
    ((entry, _payment),) = entries("default", [Movement({**facts, "source": "po_1"}, 0)])
    assert (entry.stripe_source, entry.stripe_type, entry.note) == ("po_1", "payout", "")


def test_a_currency_of_which_stripe_tells_no_balance_has_one_of_nothing() -> None:
    noon = datetime(2026, 11, 15, 12, tzinfo=UTC)
    period = Period("default", noon - timedelta(days=1), noon + timedelta(days=1))
    movement = period._pass({"currency": "eur", "net": 5, "created": noon.timestamp()})
    assert movement is not None
    assert (movement.balance, period.opening, period.closing) == (0, {"eur": -5}, {"eur": 0})
    # What is at the end is of the next period.
    assert period._pass({"currency": "eur", "net": 7, "created": period.until.timestamp()}) is None
    assert (period.opening, period.closing) == ({"eur": -12}, {"eur": -7})
