"""An order's page is few statements, however many lines it has."""

import pytest
from django.test import Client

from tests.support.buying import place_order
from tests.support.shop import ShopSandbox, make_item
from tests.support.statements import statements

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_page_of_an_order_is_five_statements(sandbox: ShopSandbox, buyer: Client) -> None:
    order = place_order(buyer, *(make_item(name=f"Cup {number}") for number in range(5)))
    with statements() as sent:
        assert buyer.get(f"/order/{order.pk}").status_code == 200
    assert len(sent) <= 5, "\n".join(sent)
