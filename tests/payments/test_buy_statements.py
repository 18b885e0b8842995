"""A buy costs few statements, and is the same buy: these hold what was won (bench/flows.py measures it)."""

from typing import Any

import pytest
import stripe
from django.test import Client

from kopeck.abuse.models import Budget
from kopeck.abuse.rates import Rate
from kopeck.orders.models import Order, locked
from kopeck.payments.models import Payment
from tests.support.buying import SHOWN, buy, states
from tests.support.mirroring import make_tax
from tests.support.shop import LONG_WINDOW, ShopSandbox, make_item
from tests.support.statements import statements

pytestmark = pytest.mark.django_db(transaction=True)


def known(client: Client) -> Client:
    """A browser that has its cookie, and nothing else of the shop's."""
    client.get(f"/item/{make_item().pk}?mine=1")
    return client


@pytest.mark.parametrize(("way", "stock", "most"), [("buy", None, 8), ("intent", None, 8), ("buy", 5, 10)])
def test_a_buy_is_few_statements(
    sandbox: ShopSandbox, settings: Any, way: str, stock: int | None, most: int
) -> None:
    settings.BUDGET_VISITOR = Rate(1000, LONG_WINDOW)
    make_tax(is_default=True)
    buy(known(Client()), make_item())  # the tax has its rate at Stripe from now on
    item, client = make_item(stock=stock), known(Client())
    with statements() as sent:
        answer = client.get(f"/{way}/{item.pk}", headers=SHOWN)
    assert answer.status_code == 200
    assert len(sent) <= most, "\n".join(sent)


def test_what_stripe_answers_to_a_buy_is_read_as_it_is(
    sandbox: ShopSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each object of the library's is made part by part, and would be undone at once."""

    def made(*_words: Any, **_more: Any) -> None:
        raise AssertionError("an object of the library's was made")

    buy(known(Client()), item := make_item())
    monkeypatch.setattr(stripe.StripeObject, "__init__", made)
    assert buy(known(Client()), item)[0] == 200
    monkeypatch.undo()
    assert Payment.objects.filter(status="open").count() == 2


def test_the_same_buy_again_is_few_statements(sandbox: ShopSandbox) -> None:
    item, client = make_item(), known(Client())
    first = buy(client, item)
    with statements() as sent:
        assert buy(client, item) == first
    assert len(sent) <= 7, "\n".join(sent)


def test_what_a_buy_stores_is_what_the_order_and_its_payment_hold(sandbox: ShopSandbox) -> None:
    tax, item = make_tax(is_default=True, inclusive=False), make_item()
    assert buy(known(Client()), item, 3)[0] == 200
    order, payment = Order.objects.get(), Payment.objects.get()
    (line,), (on_it,) = order.lines.all(), order.taxes.all()
    assert (line.item, line.name, line.quantity, line.unit_price) == (item, item.name, 3, item.price)
    assert (on_it.tax, on_it.amount, on_it.percentage) == (tax, order.tax_total, tax.percentage)
    assert (payment.amount, payment.fingerprint) == (order.total, order.terms)
    assert payment.inputs["metadata"]["kopeck_order"] == str(order.pk)
    assert (payment.lease_until, payment.status) == (None, "open")
    assert order.created is not None
    assert payment.created is not None


def test_a_first_buy_that_is_refused_keeps_its_order_and_is_counted(
    sandbox: ShopSandbox, settings: Any
) -> None:
    settings.BUDGET_VISITOR = Rate(1, LONG_WINDOW)
    item, client = make_item(stock=1), known(Client())
    assert buy(client, item, 2) == (409, "not_enough_stock")
    assert states(Order.objects.get()) == ("open", [])
    assert Budget.objects.get(key__startswith="visitor").count == 1
    other = make_item()
    assert buy(client, other) == (429, "too_many_requests")
    assert Order.objects.count() == 1  # who may make none leaves none
    assert not Payment.objects.exists()


def test_what_is_known_of_a_new_order_is_of_this_order_alone(sandbox: ShopSandbox, buyer: Client) -> None:
    """The pieces of another order of the same item once were held in its place."""
    item = make_item(stock=4)
    buyer.post("/order", {f"item_{item.pk}": "3"})
    window = Order.objects.get()
    assert buy(known(Client()), item, 1)[0] == 200
    assert window.lines.get().held is None


def test_an_order_that_is_not_there_can_not_be_locked(db: None) -> None:
    with pytest.raises(Order.DoesNotExist):
        locked(4711)


@pytest.mark.parametrize("number", ["9" * 23, str(2**63), "0"])
def test_a_number_that_no_item_has_is_404(number: str) -> None:
    assert Client().get(f"/buy/{number}").status_code == 404
