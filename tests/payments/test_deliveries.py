"""A delivery at Stripe: equal sums, the address that Checkout collects, and what the order keeps of it."""

from typing import Any

import pytest
from django.test import Client

from kopeck.catalog.models import Discount, ShippingRate, Tax
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.payments import sync
from kopeck.payments.models import Payment
from tests.support.buying import bought, open_session, place_order, state
from tests.support.shop import ShopSandbox, make_item, make_rate

pytestmark = pytest.mark.django_db(transaction=True)
BERLIN = {"line1": "Chausseestr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}
ADA = {"name": "Ada Lovelace", "address": BERLIN}


def test_a_rate_without_tax_is_the_sessions_one_shipping_option(sandbox: ShopSandbox, buyer: Client) -> None:
    Tax.objects.create(display_name="VAT", percentage=20, is_default=True)
    Discount.objects.create(name="Off", code="OFF", percent_off=10)
    make_rate(amount=500, min_days=2, max_days=4)
    order = place_order(buyer, make_item(price=2000, shipped=True), code="OFF")
    open_session(buyer, order)
    (session,) = sandbox.sessions()
    order.refresh_from_db()
    assert session.amount_total == order.total == 2660  # docs/money.md
    assert (session.amount_subtotal, session.total_details.amount_shipping) == (2000, 500)
    (option,) = session.shipping_options
    rate = sandbox.stripe.v1.shipping_rates.retrieve(option.shipping_rate)
    assert (rate.display_name, rate.delivery_estimate.maximum.value) == ("Standard delivery", 4)
    assert session.shipping_address_collection.allowed_countries == ["US"]
    assert session.phone_number_collection.enabled


def test_a_taxed_rate_is_a_line_there(sandbox: ShopSandbox, buyer: Client) -> None:
    Tax.objects.create(display_name="VAT", percentage=20, is_default=True)
    Discount.objects.create(name="Off", code="OFF", percent_off=10)
    make_rate(amount=500, taxed=True)
    order = place_order(buyer, make_item(price=2000, shipped=True), code="OFF")
    open_session(buyer, order)
    (session,) = sandbox.sessions()
    order.refresh_from_db()
    assert session.amount_total == order.total == 2700  # docs/money.md
    assert not session.shipping_options
    lines = sandbox.stripe.v1.checkout.sessions.line_items.list(session.id)
    assert [line.description for line in lines] == ["Moka pot", "Standard delivery"]
    assert session.shipping_address_collection.allowed_countries == ["US"]


def test_goods_that_are_not_sent_ask_for_no_address(sandbox: ShopSandbox, buyer: Client) -> None:
    bought(buyer)
    (session,) = sandbox.sessions()
    assert session.shipping_address_collection is None
    assert not session.phone_number_collection.enabled


def test_a_delivery_that_costs_nothing_is_told_too(sandbox: ShopSandbox, buyer: Client) -> None:
    make_rate(free_from=0, taxed=True)
    Tax.objects.create(display_name="VAT", percentage=20, is_default=True)
    payment = bought(buyer, shipped=True)
    (session,) = sandbox.sessions()
    assert session.shipping_options[0].shipping_amount == 0
    assert payment.amount == session.amount_total == 5784


def test_stripes_other_amount_for_the_delivery_is_refused(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: Any
) -> None:
    """Even by one cent: nothing of it is rounded."""
    make_rate()
    order = place_order(buyer, make_item(shipped=True))
    from stripe_sandbox.checkout import shipping

    real = shipping.cost

    def dearer(option: Any) -> Any:
        return real({**option, "shipping_amount": option["shipping_amount"] + 1})

    monkeypatch.setattr(shipping, "cost", dearer)
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "amount_mismatch")


def paid(sandbox: ShopSandbox, payment: Payment, **more: Any) -> Order:
    sandbox.pay(payment.stripe_id or "", **more)
    return sync.refresh(payment).order


def test_the_order_keeps_where_stripe_says_that_it_goes(sandbox: ShopSandbox, buyer: Client) -> None:
    make_rate(countries=["DE"])
    order = paid(sandbox, bought(buyer, shipped=True), shipping=ADA, phone="+4930123456")
    shipment = Shipment.objects.get(order=order)
    assert shipment.shown == ["Ada Lovelace", "Chausseestr. 1", "10115 Berlin", "Germany", "+4930123456"]
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert "Chausseestr. 1" in page
    assert "We send it soon" in page
    assert Client().get(f"/order/{order.pk}").status_code == 404
    assert not order.notes.exists()


def test_goods_that_are_not_sent_have_no_shipment(sandbox: ShopSandbox, buyer: Client) -> None:
    paid(sandbox, bought(buyer))
    assert not Shipment.objects.exists()


def test_a_payment_under_way_sends_nothing_until_the_bank_says_yes(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    make_rate(countries=["DE"])
    payment = bought(buyer, shipped=True)
    order = paid(sandbox, payment, delayed="succeeds", shipping=ADA)
    assert state(order) == "processing"
    assert not Shipment.objects.exists()
    sandbox.control("POST", f"sessions/{payment.stripe_id}/settle", {"outcome": "succeeded"})
    sync.refresh(payment)
    assert state(order) == "paid"
    assert Shipment.objects.get().name == "Ada Lovelace"


def intent(sandbox: ShopSandbox, buyer: Client, shipping: Any) -> Order:
    """Paid on our own page, with what its Address Element said."""
    payment = bought(buyer, "intent", shipped=True)
    sandbox.stripe.v1.payment_intents.update(payment.stripe_id or "", {"shipping": shipping})
    return paid(sandbox, payment)


def test_an_intent_keeps_the_address_too(sandbox: ShopSandbox, buyer: Client) -> None:
    make_rate(countries=["DE"])
    order = intent(sandbox, buyer, {**ADA, "phone": "+49301"})
    assert Shipment.objects.get(order=order).shown[-1] == "+49301"
    assert not order.notes.exists()


def test_an_address_elsewhere_is_told_to_the_owner(sandbox: ShopSandbox, buyer: Client) -> None:
    make_rate(countries=["FR"])
    order = intent(sandbox, buyer, ADA)
    assert order.status == "paid"
    assert order.notes.get().text == "The address is in DE, but a delivery to FR was paid."


def test_a_delivery_without_an_address_is_told_to_the_owner(sandbox: ShopSandbox, buyer: Client) -> None:
    make_rate()
    payment = bought(buyer, "intent", shipped=True)
    order = paid(sandbox, payment)
    assert "no address" in order.notes.get().text
    assert Shipment.objects.get(order=order).shown == []


def test_another_rate_closes_the_session_of_the_old_total(sandbox: ShopSandbox, buyer: Client) -> None:
    make_rate(countries=["US"])
    make_rate(amount=1900)
    order = place_order(buyer, make_item(shipped=True))
    old = open_session(buyer, order)
    buyer.post(f"/order/{order.pk}/delivery", {"country": "DE"})
    old.refresh_from_db()
    assert old.status == "expired"
    assert open_session(buyer, order).amount == 4820 + 1900


def test_the_same_choice_keeps_the_session(sandbox: ShopSandbox, buyer: Client) -> None:
    rate = make_rate()
    order = place_order(buyer, make_item(shipped=True))
    old = open_session(buyer, order)
    buyer.post(f"/order/{order.pk}/delivery", {"country": "US", "rate": rate.pk})
    assert open_session(buyer, order) == old


def test_a_rate_that_became_dearer_is_shown_before_it_is_paid(sandbox: ShopSandbox, buyer: Client) -> None:
    make_rate()
    order = place_order(buyer, make_item(shipped=True))
    ShippingRate.objects.update(amount=900)
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_changed")
    assert open_session(buyer, order).amount == 4820 + 900
