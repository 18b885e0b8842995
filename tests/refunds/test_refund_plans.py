"""What a wish for a refund comes to, and what is refused before Stripe is asked."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from kopeck.errors import ShopError
from kopeck.payments.models import Payment
from kopeck.refunds import request as refunds
from kopeck.refunds.allocation import Part
from kopeck.refunds.models import Refund
from kopeck.refunds.request import Form, Left, Wish, plan
from kopeck.refunds.views import explain
from kopeck.stripe_api.client import StripeRefused
from tests.support.buying import Deliver, paid_order, paid_order_of
from tests.support.shop import ShopSandbox, make_item


def left(*lines: Part, amount: int | None = None, currency: str = "usd") -> Left:
    money = sum(line.amount for line in lines) if amount is None else amount
    return Left(Payment(currency=currency), list(lines), money, "0-0")


POTS = Part(line=1, quantity=3, subtotal=3000, discount=300, tax=270, tax_included=0)
CUP = Part(line=2, quantity=1, subtotal=500, discount=0, tax=0, tax_included=0)


def refused(of: Left, wish: Wish) -> tuple[str, int, str]:
    with pytest.raises(ShopError) as refusal:
        plan(of, wish)
    return refusal.value.code, refusal.value.status, str(refusal.value)


def test_pieces_an_amount_or_all_that_is_left() -> None:
    of = left(POTS, CUP)
    one = plan(of, Wish(quantities={1: 1}))
    assert (one.amount, [part.quantity for part in one.parts]) == (990, [1])
    some = plan(of, Wish(amount=1000))
    assert some.amount == sum(part.amount for part in some.parts) == 1000
    assert {part.quantity for part in some.parts} == {0}
    rest = plan(of, Wish())
    assert (rest.amount, rest.parts) == (3470, [POTS, CUP])
    same = plan(of, Wish(amount=3470))
    assert (same.amount, same.parts) == (rest.amount, rest.parts)
    assert (rest.pk, rest.currency, Refund.Status(rest.status)) == (None, "usd", "creating")


@pytest.mark.parametrize(
    ("of", "wish", "refusal"),
    [
        (left(POTS), Wish(amount=2971), ("refund_too_large", 409, "more than what is left: 29.70 USD.")),
        (left(POTS), Wish(amount=0), ("refund_nothing", 422, "This comes to nothing.")),
        (left(POTS), Wish(amount=-1), ("refund_nothing", 422, "This comes to nothing.")),
        (left(POTS), Wish(quantities={1: 4}), ("refund_too_large", 409, "not so many pieces left")),
        (left(POTS), Wish(quantities={7: 1}), ("refund_too_large", 409, "not so many pieces left")),
        (left(POTS), Wish(quantities={1: 0}), ("refund_nothing", 422, "This comes to nothing.")),
        (left(POTS, amount=0), Wish(), ("refund_nothing", 409, "refunded already")),
        (left(POTS, amount=0), Wish(quantities={1: 1}), ("refund_nothing", 409, "refunded already")),
        (left(POTS, amount=500), Wish(quantities={1: 1}), ("refund_too_large", 409, "left: 5.00 USD.")),
        (left(POTS, currency="isk"), Wish(amount=150), ("refund_amount", 422, "too many decimals")),
    ],
)
def test_what_cannot_be_refunded_says_why(of: Left, wish: Wish, refusal: tuple[str, int, str]) -> None:
    code, status, words = refusal
    assert refused(of, wish)[:2] == (code, status)
    assert words in refused(of, wish)[2]


def test_the_least_and_the_most_are_refunded() -> None:
    assert plan(left(POTS), Wish(amount=1)).amount == 1
    assert plan(left(POTS), Wish(amount=2970)).amount == 2970
    assert plan(left(POTS, amount=1), Wish()).amount == 1


def test_pieces_and_amounts_are_whole_steps_of_the_currency() -> None:
    crowns = Part(line=1, quantity=3, subtotal=100000, discount=0, tax=0, tax_included=0)
    of = left(crowns, CUP, currency="isk")
    assert plan(of, Wish(quantities={1: 1})).amount == 33300
    assert [part.amount % 100 for part in plan(of, Wish(amount=1000)).parts] == [0] * 2


def test_more_money_than_the_lines_have_left_is_refunded_too() -> None:
    """Stripe's side counts: what somebody took of other lines at the dashboard may leave no parts."""
    planned = plan(left(CUP, amount=2000), Wish(amount=1200))
    assert (planned.amount, planned.parts) == (1200, [CUP])


def test_stripes_refusals_are_sentences_for_the_seller() -> None:
    assert "refunded already" in explain(StripeRefused("x", code="charge_already_refunded"))
    assert "bank has taken" in explain(StripeRefused("x", code="charge_disputed"))
    assert explain(StripeRefused("No such thing.", code="other")) == "Stripe refused: No such thing."


@pytest.mark.django_db(transaction=True)
def test_the_row_of_a_refund_is_written_with_all_that_stripe_gets(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order_of(sandbox, buyer, deliver, {make_item(price=1000).pk: 3})
    payment = order.payments.get()
    before = refunds.left_of(order)
    assert (before.payment, before.amount, before.version) == (payment, 3000, "0-3000")
    form = Form(
        key=uuid4(), version="0-3000", by="anna", reason="requested_by_customer", comment="c", restock=True
    )
    refund, is_new = refunds.request(order.pk, Wish(amount=1200), form)
    assert is_new
    assert (refund.amount, refund.currency, refund.status) == (1200, "usd", "creating")
    assert (refund.source, refund.requested_by, refund.reason) == ("staff", "anna", "requested_by_customer")
    assert (refund.comment, refund.restock, refund.account) == ("c", True, "default")
    assert sum(part.amount for part in refund.parts) == 1200
    assert refund.inputs == {
        "payment_intent": payment.payment_intent,
        "amount": 1200,
        "reason": "requested_by_customer",
        "metadata": {"kopeck_order": str(order.pk), "kopeck_refund": str(form.key)},
    }
    assert order.notes.latest("pk").text == "anna refunds 12.00 USD."
    assert refunds.request(order.pk, Wish(amount=1200), form) == (refund, False)
    after = refunds.left_of(order)
    assert (after.amount, after.version) == (1800, f"{refund.pk}-1800")
    with pytest.raises(ShopError, match="meantime") as changed:
        refunds.request(order.pk, Wish(), Form(key=uuid4(), version="0-3000", by="ben"))
    assert (changed.value.code, changed.value.status) == ("refund_changed", 409)
    plain, _ = refunds.request(order.pk, Wish(), Form(key=uuid4(), version=after.version, by="ben"))
    assert "reason" not in plain.inputs
    with pytest.raises(ShopError) as nothing:
        refunds.plan(refunds.left_of(order), Wish())
    assert nothing.value.code == "refund_nothing"


@pytest.mark.django_db(transaction=True)
def test_a_refund_that_failed_counts_for_nothing_but_makes_an_old_form_old(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    refund, _ = refunds.request(order.pk, Wish(), Form(key=uuid4(), version="0-4820", by="anna"))
    Refund.objects.update(status="refused")
    left_now = refunds.left_of(order)
    assert (left_now.amount, left_now.version) == (4820, f"{refund.pk}-4820")
    assert sum(part.amount for part in left_now.parts) == 4820


@pytest.mark.django_db(transaction=True)
def test_an_order_that_cost_nothing_has_nothing_to_refund(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    Payment.objects.update(amount=0)
    facts: dict[str, Any] = {"code": "refund_nothing", "status": 409}
    with pytest.raises(ShopError, match="no payment to refund") as refusal:
        refunds.left_of(order)
    assert {"code": refusal.value.code, "status": refusal.value.status} == facts
