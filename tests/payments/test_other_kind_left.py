"""Whatever way to pay an outage has left half made, every other one closes it and goes on by itself."""

import pytest
from django.test import Client

from kopeck.catalog.models import Item
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.support.buying import states
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)
PATHS = {"buy": "/v1/checkout/sessions", "intent": "/v1/payment_intents"}


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "error"])
@pytest.mark.parametrize(("left", "way"), [("intent", "buy"), ("buy", "intent")])
def test_what_the_other_way_left_is_closed_and_this_one_can_be_paid(
    sandbox: ShopSandbox, buyer: Client, fault: str, left: str, way: str
) -> None:
    item = make_item()
    buyer.post("/order", {f"item_{item.pk}": "1"})
    order = Order.objects.get()
    once = {"kind": fault, "path": PATHS[left], "method": "POST"}
    sandbox.control("PUT", "faults", {"next": [once]})
    assert buyer.get(f"/order/{order.pk}/{left}").status_code == 503
    answer = buyer.get(f"/order/{order.pk}/{way}")
    assert answer.status_code == 200
    handed_out = answer.json().get("session_id") or answer.json()["payment_intent_id"]
    payment = Payment.objects.get(status="open")
    assert (payment.stripe_id, payment.kind) == (handed_out, "checkout" if way == "buy" else "intent")
    assert states(order) == ("open", ["expired", "open"])


def test_pay_leads_to_checkout_after_the_outage(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item()
    buyer.post("/order", {f"item_{item.pk}": "1"})
    order = Order.objects.get()
    sandbox.control("PUT", "faults", {"error_rate": 1})
    assert buyer.get(f"/order/{order.pk}/pay").status_code == 200
    assert buyer.get(f"/order/{order.pk}/intent").status_code == 503
    sandbox.control("PUT", "faults", {"error_rate": 0})
    answer = buyer.post(f"/order/{order.pk}/buy")
    (session,) = sandbox.sessions()
    assert (answer.status_code, answer["Location"]) == (303, session.url)


def test_a_change_closes_what_an_outage_left_and_makes_no_new_way_to_pay_for_it(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    """Stripe refuses the old attempt by now, and there are too few pieces for another: fewer are wanted."""
    item = make_item(stock=5)
    buyer.post("/order", {f"item_{item.pk}": "5"})
    order = Order.objects.get()
    once = {"kind": "cut_before", "path": PATHS["buy"], "method": "POST"}
    sandbox.control("PUT", "faults", {"next": [once]})
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 503
    left = Payment.objects.get()
    left.inputs["expires_at"] -= 1200  # as if twenty minutes had passed since
    left.save()
    Item.objects.update(stock=2)
    assert buyer.post(f"/order/{order.pk}/lines", {f"item_{item.pk}": "2"}).status_code == 303
    assert order.lines.get().quantity == 2
    assert (states(order), sandbox.sessions()) == (("open", ["refused"]), [])
