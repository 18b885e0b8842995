"""A buyer never meets a coupon or tax rate that Stripe does not know: it is repaired at once (pain 20)."""

import json
from typing import Any

import pytest
from django.test import Client

from kopeck.mirror import orders as mirror
from kopeck.mirror.models import StripeMirror
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.mirror.test_mirror_trouble import together
from tests.support.mirroring import (
    asked,
    change,
    copy_of,
    coupons,
    down,
    make_discount,
    make_tax,
    rates,
    sync,
    two_accounts,
)
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def order_with_code(buyer: Client, code: str, **facts: Any) -> int:
    body = {"lines": [{"item": make_item(**facts).pk, "quantity": 1}], "discount_code": code}
    answer = buyer.post("/api/v1/orders", json.dumps(body), content_type="application/json")
    assert answer.status_code == 201, answer.content
    return int(answer.json()["id"])


def total(sandbox: ShopSandbox, answer: Any) -> int:
    """What Stripe will charge in the session that this answer names."""
    assert answer.status_code == 200, answer.content
    session = sandbox.stripe.v1.checkout.sessions.retrieve(answer.json()["session_id"])
    return int(session.amount_total or 0)


def test_the_first_buyer_makes_the_copies_that_no_job_has_made_yet(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    make_discount(code="SPRING")
    make_tax(is_default=True, inclusive=False)
    make_tax(is_default=True, inclusive=False, display_name="City", percentage="1.5")
    order_id = order_with_code(buyer, "spring", price=1000)
    assert total(sandbox, buyer.get(f"/order/{order_id}/buy")) == 800 + 152 + 12
    assert (len(coupons(sandbox.stripe)), len(rates(sandbox.stripe))) == (1, 2)


def test_later_buyers_ask_stripe_for_their_sessions_alone(sandbox: ShopSandbox, buyer: Client) -> None:
    make_tax(is_default=True)
    buyer.get(f"/buy/{make_item().pk}")
    before = asked(sandbox)
    assert Client().get(f"/buy/{make_item().pk}").status_code == 200
    assert asked(sandbox) == before == 1


def test_no_such_coupon_never_reaches_the_buyer(sandbox: ShopSandbox, buyer: Client) -> None:
    """Pain 20: the coupon was deleted in Stripe's dashboard, and the shop still notes its id."""
    discount = make_discount(code="SPRING")
    sync(discount)
    gone = copy_of(discount).stripe_id or ""
    sandbox.stripe.v1.coupons.delete(gone)
    order_id = order_with_code(buyer, "SPRING", price=1000)
    assert total(sandbox, buyer.get(f"/order/{order_id}/buy")) == 800
    (made,) = coupons(sandbox.stripe)
    assert made.id == copy_of(discount).stripe_id != gone
    assert [p.status for p in Payment.objects.order_by("attempt")] == ["refused", "open"]


def test_a_stripe_that_has_forgotten_everything_is_filled_again(sandbox: ShopSandbox, buyer: Client) -> None:
    """A sandbox that was reset, or keys of another account: all our notes are foreign."""
    make_discount(code="SPRING")
    make_tax(is_default=True, inclusive=False)
    first = order_with_code(buyer, "SPRING", price=1000)
    assert total(sandbox, buyer.get(f"/order/{first}/buy")) == 952
    sandbox.box.reset()
    second = order_with_code(buyer, "SPRING", price=2000)
    assert total(sandbox, buyer.get(f"/order/{second}/buy")) == 1904
    assert (len(coupons(sandbox.stripe)), len(rates(sandbox.stripe))) == (1, 1)
    assert StripeMirror.objects.count() == 2


def test_a_tax_rate_archived_in_the_dashboard_is_active_again_and_the_buyer_sees_nothing(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    tax = make_tax(is_default=True, inclusive=False)
    sync(tax)
    archived = copy_of(tax).stripe_id or ""
    sandbox.stripe.v1.tax_rates.update(archived, {"active": False})
    assert total(sandbox, buyer.get(f"/buy/{make_item(price=1000).pk}")) == 1190
    assert [rate.id for rate in rates(sandbox.stripe)] == [archived]


def test_a_buyer_between_a_change_and_its_job_gets_what_the_shop_says(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    tax = make_tax(is_default=True, inclusive=False)
    item = make_item(price=1000)
    assert total(sandbox, buyer.get(f"/buy/{item.pk}")) == 1190
    change(tax, percentage=7, display_name="Reduced VAT")
    assert total(sandbox, Client().get(f"/buy/{item.pk}")) == 1070
    assert copy_of(tax).details == {"display_name": "Reduced VAT", "active": True}
    assert StripeMirror.objects.filter(status="retiring").count() == 1  # the job's work, not the buyer's
    sync(tax)
    assert [rate.percentage for rate in rates(sandbox.stripe)] == [7]


def test_a_coupon_is_made_in_the_account_of_the_orders_currency(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    accounts = two_accounts(sandbox, settings)
    discount = make_discount(code="SPRING")
    order_id = order_with_code(buyer, "SPRING", price=1000, currency="eur")
    assert buyer.get(f"/order/{order_id}/buy").status_code == 200
    assert (len(coupons(accounts["eur"])), coupons(accounts["default"])) == (1, [])
    assert [copy.account for copy in StripeMirror.objects.filter(object_id=discount.pk)] == ["eur"]


def test_stripe_down_while_a_copy_is_made_is_a_sentence_and_the_next_try_succeeds(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    make_tax(is_default=True)
    item = make_item()
    down(sandbox)
    answer = buyer.get(f"/buy/{item.pk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stripe_unavailable")
    assert Payment.objects.count() == 0
    down(sandbox, 0)
    assert buyer.get(f"/buy/{item.pk}").status_code == 200
    assert len(rates(sandbox.stripe)) == 1


def test_a_tax_that_stripe_refuses_is_a_sentence_for_the_buyer_and_a_reason_for_the_owner(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    tax = make_tax(is_default=True, country="D1")
    answer = buyer.get(f"/buy/{make_item().pk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "stripe_refused")
    assert "D1" not in answer.content.decode()
    assert "D1" in copy_of(tax).problem


def test_many_buyers_and_a_job_at_once_make_one_rate(sandbox: ShopSandbox) -> None:
    tax, item = make_tax(is_default=True), make_item()
    sandbox.control("PUT", "faults", {"latency_ms": 100})
    answers = []

    def buy_or_work() -> None:
        if len(answers) % 3:
            sync(tax)
        answers.append(Client().get(f"/buy/{item.pk}").status_code)

    assert together(8, buy_or_work) == []
    assert answers == [200] * 8
    assert (len(rates(sandbox.stripe)), asked(sandbox), StripeMirror.objects.count()) == (1, 1, 1)


def test_the_notes_of_an_order_are_read_in_two_queries_and_without_stripe(
    sandbox: ShopSandbox, buyer: Client, django_assert_num_queries: Any
) -> None:
    discount = make_discount(code="SPRING")
    taxes = [make_tax(is_default=True, inclusive=False, display_name=name) for name in ("A", "B", "C")]
    order = Order.objects.select_related("discount").get(pk=order_with_code(buyer, "SPRING"))
    assert mirror.ids_of("default", order) is None
    mirror.sync_order("default", order)
    down(sandbox)
    with django_assert_num_queries(2):
        found = mirror.ids_of("default", order)
    assert found == mirror.MirroredIds(
        copy_of(discount).stripe_id, tuple(copy_of(t).stripe_id or "" for t in taxes)
    )
    change(taxes[1], percentage=1)
    assert mirror.ids_of("default", order) is None


def test_an_order_with_neither_discount_nor_tax_needs_nothing_mirrored(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    assert buyer.get(f"/buy/{make_item().pk}").status_code == 200
    assert mirror.ids_of("default", Order.objects.get()) == mirror.MirroredIds(None, ())
    assert asked(sandbox) == 0
