"""A program changes an order that is not paid: lines, code and delivery at once, or none of them."""

import pytest

from kopeck.catalog.models import Discount, Item
from kopeck.orders.models import Order
from tests.api.test_programs import code_of
from tests.support.programs import Program, make_token
from tests.support.shop import make_item, make_rate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def program(db: None) -> Program:
    return Program(make_token())


def test_lines_code_and_delivery_are_changed_together_or_not_at_all(program: Program) -> None:
    make_rate()
    make_rate(amount=900, countries=["FR"])
    Discount.objects.create(name="Tenth", code="TENTH", percent_off=10)
    pot, lamp = make_item(name="Pot", price=1000, shipped=True), make_item(name="Lamp", price=500)
    order = program.post("/api/v1/orders", {"lines": [{"item": pot.pk}]}).json()
    address = f"/api/v1/orders/{order['id']}"
    change = {
        "lines": [{"item": pot.pk, "quantity": 2}, {"item": lamp.pk}],
        "discount_code": "tenth",
        "country": "fr",
    }
    changed = program.patch(address, change).json()
    assert [(one["item"], one["quantity"]) for one in changed["lines"]] == [(pot.pk, 2), (lamp.pk, 1)]
    assert (changed["subtotal"], changed["discount"], changed["shipping"]["country"]) == (
        2500 + 490,
        250,
        "FR",
    )
    refused = program.patch(address, {**change, "lines": [{"item": lamp.pk}], "country": "xx"})
    assert code_of(refused) == (422, "bad_country")
    assert program.get(address).json() == changed
    assert program.patch(address, {"discount_code": ""}).json()["discount"] == 0
    assert code_of(program.patch(address, {})) == (422, "nothing_to_change")
    assert code_of(program.patch(address, {"lines": []})) == (422, "invalid")
    assert code_of(program.patch(address, {"discount_code": "NOPE"})) == (422, "discount_unknown")


def address_of(program: Program, item: Item, quantity: int = 1, **more: str) -> str:
    """Of a new order of this item."""
    body = {"lines": [{"item": item.pk, "quantity": quantity}], **more}
    return f"/api/v1/orders/{program.post('/api/v1/orders', body).json()['id']}"


def test_what_is_an_order_in_the_end_need_not_be_one_in_between(program: Program) -> None:
    """Half of the new lines, without the new code, is less than a card can pay."""
    Discount.objects.create(name="Half", code="HALF", percent_off=50)
    Discount.objects.create(name="Tenth", code="TENTH", percent_off=10)
    pot, pin = make_item(name="Pot", price=1000), make_item(name="Pin", price=60)
    address = address_of(program, pot, discount_code="HALF")
    changed = program.patch(address, {"lines": [{"item": pin.pk}], "discount_code": "TENTH"})
    assert (changed.status_code, changed.json()["total"]) == (200, 54)
    assert not Order.objects.get().notes.exists()


def test_another_currency_and_a_country_that_its_rates_serve_go_together(program: Program) -> None:
    make_rate(countries=["DE"])
    make_rate(countries=["FR"], currency="eur", amount=700)
    pot, marmite = make_item(shipped=True), make_item(name="Marmite", shipped=True, currency="eur")
    address = address_of(program, pot, country="DE")
    lines = [{"item": marmite.pk}]
    assert code_of(program.patch(address, {"lines": lines})) == (422, "no_delivery")
    changed = program.patch(address, {"lines": lines, "country": "FR"}).json()
    assert (changed["currency"], changed["shipping"]["country"], changed["shipping"]["amount"]) == (
        "eur",
        "FR",
        700,
    )


def test_a_delivery_of_what_is_not_delivered_changes_nothing(program: Program) -> None:
    rate = make_rate()
    pot, card = make_item(shipped=True), make_item(name="Gift card")
    address = address_of(program, pot)
    before = program.get(address).json()
    for change in (
        {"lines": [{"item": card.pk}], "country": "DE"},
        {"lines": [{"item": card.pk}], "shipping_rate": rate.pk},
    ):
        assert code_of(program.patch(address, change)) == (409, "nothing_to_deliver")
    assert program.get(address).json() == before
    # And the other way round.
    address = address_of(program, card)
    assert code_of(program.patch(address, {"country": "DE"})) == (409, "nothing_to_deliver")
    changed = program.patch(address, {"lines": [{"item": pot.pk}], "country": "FR"}).json()
    assert changed["shipping"]["country"] == "FR"


def test_a_code_that_does_not_fit_the_new_lines_is_dropped_or_refused_if_it_is_asked_for(
    program: Program,
) -> None:
    Discount.objects.create(name="Large", code="LARGE", percent_off=10, currency="usd", minimum_subtotal=2000)
    item = make_item(price=1000)
    address = address_of(program, item, 2, discount_code="LARGE")
    one = [{"item": item.pk, "quantity": 1}]
    both = {"lines": one, "discount_code": "LARGE"}
    assert code_of(program.patch(address, both)) == (422, "discount_minimum")
    assert program.get(address).json()["total"] == 1800
    assert program.patch(address, {"lines": one}).json()["total"] == 1000
    assert Order.objects.get().notes.get().text.startswith("The discount Large was")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"lines": [{"item": 1, "quantity": 2.0}]}, "lines.0.quantity should be a whole number."),
        ({"lines": [{"item": 1, "amount": 2}]}, "There is no field lines.0.amount."),
        ({"code": "LARGE"}, "There is no field code."),
        ({"shipping_rate": "1"}, "shipping_rate should be a whole number."),
    ],
)
def test_what_is_no_field_or_no_whole_number_is_told_and_changes_nothing(
    body: dict[str, object], message: str, program: Program
) -> None:
    address = address_of(program, make_item())
    answer = program.patch(address, body)
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)


def test_a_rate_that_does_not_go_there_is_refused_and_not_replaced_by_another(program: Program) -> None:
    make_rate(countries=["DE", "FR"])
    express = make_rate(name="Express", amount=1900, countries=["DE"])
    other = make_rate(name="Euro", currency="eur")
    item = make_item(shipped=True)
    lines = {"lines": [{"item": item.pk}]}
    for wrong in (
        {"country": "FR", "shipping_rate": express.pk},
        {"country": "DE", "shipping_rate": other.pk},
        {"shipping_rate": 2**63 - 1},
    ):
        assert code_of(program.post("/api/v1/orders", {**lines, **wrong})) == (422, "bad_rate"), wrong
    assert not Order.objects.exists()
    made = program.post("/api/v1/orders", {**lines, "country": "DE", "shipping_rate": express.pk}).json()
    address = f"/api/v1/orders/{made['id']}"
    assert code_of(program.patch(address, {"country": "FR", "shipping_rate": express.pk})) == (
        422,
        "bad_rate",
    )
    assert program.get(address).json()["shipping"] == made["shipping"]
    # Without a rate it is the cheapest that goes there.
    assert program.patch(address, {"country": "FR"}).json()["shipping"]["amount"] == 490
