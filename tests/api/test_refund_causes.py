"""A program that adds refunds up is told which of them take nothing from the order's money."""

import json
from typing import Any

import pytest
from django.test import Client

from kopeck.outgoing.models import Delivery
from kopeck.payments import attempts, inputs, sync
from kopeck.payments.models import Payment
from kopeck.refunds import request as refunds
from tests.outgoing.test_outgoing import make_endpoint
from tests.support.buying import bought, paid_at_stripe, settle
from tests.support.programs import Program, make_token
from tests.support.shop import ShopSandbox
from tests.support.statements import statements

pytestmark = pytest.mark.django_db(transaction=True)


def told() -> list[tuple[str, str, int]]:
    """What endpoints are told of refunds: the order's status, the cause, and the amount."""
    bodies = Delivery.objects.filter(type="order.refunded").order_by("pk").values_list("body", flat=True)
    found = [json.loads(body)["data"] for body in bodies]
    return [(one["order"]["status"], one["refund"]["cause"], one["refund"]["amount"]) for one in found]


def test_the_refund_of_a_second_payment_says_that_the_order_keeps_its_money(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    make_endpoint("https://hooks.example/")
    first = bought(buyer)
    Payment.objects.update(status="expired")
    second = attempts.start(first.order_id, inputs.Client("http://testserver"))
    for payment in (first, second):
        sandbox.pay(payment.stripe_id or "")
        sync.refresh(Payment.objects.get(pk=payment.pk))
    refunds.refund_unwanted(second.pk)
    program, address = Program(make_token()), f"/api/v1/orders/{first.order_id}/refunds"
    assert program.post(address, {"amount": 100}).json()["cause"] == ""
    assert told() == [("paid", "paid_before", 4820), ("partly_refunded", "", 100)]
    for _time in range(2):  # the first one reads more than it is asked for
        with statements() as sent:
            listed = program.get(address).json()["refunds"]
    assert [(one["cause"], one["amount"]) for one in listed] == [("paid_before", 4820), ("", 100)]
    assert sum("refunds_refund" in one for one in map(str, sent)) == 1
    assert sum("payments_payment" in one for one in map(str, sent)) == 1


def test_the_refund_of_what_was_sold_out_says_so(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    make_endpoint("https://hooks.example/")
    payment = paid_at_stripe(sandbox, buyer, stock=1)
    payment.order.goods[0].item.__class__.objects.update(stock=0)
    settle(sandbox, deliver, payment.stripe_id)
    refunds.refund_unwanted(payment.pk)
    assert told() == [("refunded", "sold_out", 4820)]
