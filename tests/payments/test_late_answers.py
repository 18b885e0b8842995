"""An answer of Stripe's that was held back on its way changes nothing that has moved on since."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.catalog.models import Tax
from kopeck.orders.models import Order
from kopeck.payments import attempts, sync
from kopeck.payments.models import Payment
from kopeck.stripe_api import client as wire
from tests.support.buying import place_order, states
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hold_back(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """The next answer to a create is on its way while `meanwhile` happens; the lease of its attempt ends."""

    def hold(meanwhile: Callable[[], None]) -> None:
        create, todo = wire.Gateway.create, [meanwhile]

        def slow(self: wire.Gateway, kind: str, *args: Any, **how: Any) -> dict[str, Any]:
            made = create(self, kind, *args, **how)
            if todo and kind == "checkout":
                Payment.objects.filter(status="creating").update(lease_until=timezone.now())
                todo.pop()()
            return made

        monkeypatch.setattr(wire.Gateway, "create", slow)

    return hold


def ordered(buyer: Client) -> Order:
    """Three lines of 4.50 with 5 % on top: 14.19."""
    Tax.objects.create(display_name="Sales tax", percentage=5, is_default=True)
    return place_order(buyer, *(make_item(price=450) for _ in range(3)))


def second_tab(buyer: Client) -> Client:
    tab = Client(raise_request_exception=False)
    tab.cookies = buyer.cookies
    return tab


def books(order: Order) -> tuple[Any, ...]:
    """All that a late answer could change."""
    order.refresh_from_db()
    lines = list(order.lines.values_list("tax_amount", "total"))
    return order.status, order.total, order.tax_total, lines, list(order.notes.values_list("text", flat=True))


@pytest.mark.parametrize(
    ("rounding", "percentage"), [("half_up", "5.4"), ("half_up", "9"), ("half_even", "5")]
)
def test_the_books_of_an_order_that_was_paid_meanwhile_stay_as_they_are(
    sandbox: ShopSandbox, buyer: Client, hold_back: Any, rounding: str, percentage: str
) -> None:
    """Near enough to adopt, too far to adopt, and the very session that was paid."""
    order = ordered(buyer)
    sandbox.control("PUT", "faults", {"rounding": rounding})
    paid: list[Any] = []

    def meanwhile() -> None:
        tab = second_tab(buyer)
        assert tab.get(f"/order/{order.pk}/buy").status_code == 200
        if percentage != "5":
            # Its session ends, and the next one is of the order with today's tax.
            sandbox.stripe.v1.checkout.sessions.expire(Payment.objects.get().stripe_id or "")
            sync.refresh(Payment.objects.get())
            Tax.objects.update(percentage=percentage)
            tab.get(f"/order/{order.pk}/buy")  # is shown first
        sandbox.pay(tab.get(f"/order/{order.pk}/buy").json()["session_id"])
        sync.refresh(Payment.objects.latest("attempt"))
        paid.append(books(order))

    hold_back(meanwhile)
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "order_paid")
    assert paid[0][0] == "paid"
    assert books(order) == paid[0]
    (charge,) = sandbox.charges()
    assert charge.amount == order.total


def test_a_late_answer_for_a_changed_order_leaves_no_second_way_to_pay(
    sandbox: ShopSandbox, buyer: Client, hold_back: Any
) -> None:
    order = ordered(buyer)

    def meanwhile() -> None:
        """The worker looks in vain, and gives the attempt up: the session is not in Stripe's list yet."""
        Payment.objects.update(status="refused", lease_until=None)

    hold_back(meanwhile)
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    assert [session.id for session in sandbox.sessions() if session.status == "open"] == [session_id]
    assert states(order) == ("open", ["expired", "open"])


def test_a_late_refusal_does_not_end_what_another_tab_opened(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(buyer)
    create, todo = wire.Gateway.create, [1]

    def slow(self: wire.Gateway, kind: str, *args: Any, **how: Any) -> dict[str, Any]:
        if todo and kind == "checkout":
            todo.pop()
            Payment.objects.filter(status="creating").update(lease_until=timezone.now())
            assert second_tab(buyer).get(f"/order/{order.pk}/buy").status_code == 200
            raise wire.StripeRefused("No.", param="line_items")
        return create(self, kind, *args, **how)

    monkeypatch.setattr(wire.Gateway, "create", slow)
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200
    assert states(order) == ("open", ["open"])


def test_a_time_out_does_not_end_the_lease_of_the_tab_that_took_over(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(buyer)
    later = timezone.now() + timedelta(seconds=14)

    create = wire.Gateway.create

    def cut(self: wire.Gateway, kind: str, *args: Any, **how: Any) -> dict[str, Any]:
        if kind != "checkout":  # the tax rate
            return create(self, kind, *args, **how)
        Payment.objects.update(lease_until=later)  # the other tab's
        raise wire.StripeUnavailable("Time-out.")

    monkeypatch.setattr(wire.Gateway, "create", cut)
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 503
    payment = Payment.objects.get()
    assert (payment.lease_until, payment.problem) == (later, "")


def test_a_session_that_was_made_twice_is_closed_the_second_time(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe forgets idempotency keys: an answer of days ago is of another object than the attempt's."""
    order = ordered(buyer)
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    payment = Payment.objects.get()
    stray = wire.gateway("default").create("checkout", payment.inputs, idempotency_key="another")
    monkeypatch.setattr(attempts, "_ask_for", lambda _payment: stray)
    attempts._create(payment)
    states_at_stripe = {session.id: session.status for session in sandbox.sessions()}
    assert states_at_stripe == {session_id: "open", stray["id"]: "expired"}
    payment.refresh_from_db()
    assert (payment.stripe_id, payment.status) == (session_id, "open")


def test_lines_that_cannot_be_read_do_not_make_the_session_a_refused_one(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an order with many lines: what was made is found again by the same key."""
    items = [make_item(price=450) for _ in range(12)]
    buyer.post("/order", {f"item_{item.pk}": "1" for item in items})
    order = Order.objects.get()

    def refuse(self: wire.Gateway, _id: str) -> Any:
        raise wire.StripeRefused("Not now.")

    with monkeypatch.context() as patch:
        patch.setattr(wire.Gateway, "session_lines", refuse)
        assert buyer.get(f"/order/{order.pk}/buy").status_code == 503
    assert Payment.objects.get().problem == "Not now."
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200
    assert len(sandbox.sessions()) == 1
