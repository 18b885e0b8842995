"""A delivery is a line of its own on the refund's form, and never put back in stock."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from kopeck.refunds import request as refunds
from tests.support.buying import paid_order, state
from tests.support.shop import ShopSandbox, make_rate

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_delivery_alone_is_refunded_and_then_the_rest(
    sandbox: ShopSandbox, buyer: Client, deliver: Callable[..., Any], admin_client: Client
) -> None:
    make_rate()
    order = paid_order(sandbox, buyer, deliver, shipped=True, stock=5)
    delivery = order.delivery
    assert delivery is not None
    page = admin_client.get(f"/admin/orders/order/{order.pk}/refund/").content.decode()
    assert f"line_{delivery.pk}" in page
    for wish, amount, status in (
        (refunds.Wish(quantities={delivery.pk: 1}), 490, "partly_refunded"),
        (refunds.Wish(), 4820, "refunded"),
    ):
        left = refunds.left_of(order)
        form = refunds.Form(key=uuid4(), by="owner", version=left.version, restock=True)
        refund, _is_new = refunds.request(order.pk, wish, form)
        assert refunds.send(refund).amount == amount
        assert state(order) == status
    assert order.goods[0].item.stock == 5
