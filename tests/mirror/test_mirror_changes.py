"""What each change in the shop becomes at Stripe: a new object, another name, or the end of an old one."""

from typing import Any

import pytest
import stripe
from django.test import Client

from kopeck.mirror.models import StripeMirror
from tests.support.mirroring import asked, change, copy_of, coupons, make_discount, make_tax, rates, sync
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"percent_off": "20"}, {"percent_off": 20, "amount_off": None, "currency": None}),
        ({"percent_off": "33.3333"}, {"percent_off": 33.3333}),
        ({"percent_off": "0.01"}, {"percent_off": 0.01}),
        ({"percent_off": "15", "currency": "usd", "minimum_subtotal": 5000}, {"currency": None}),
        (
            {"percent_off": None, "amount_off": 500, "currency": "eur"},
            {"percent_off": None, "amount_off": 500, "currency": "eur"},
        ),
        ({"percent_off": None, "amount_off": 680, "currency": "jpy"}, {"amount_off": 680}),
    ],
)
def test_a_discount_is_a_coupon_without_limits_of_its_own(
    sandbox: ShopSandbox, facts: dict[str, Any], shown: dict[str, Any]
) -> None:
    discount = make_discount(**facts, code="SPRING", max_redemptions=3)
    sync(discount)
    (coupon,) = coupons(sandbox.stripe)
    told = coupon.to_dict()
    assert {name: told[name] for name in shown} == shown
    assert (coupon.name, coupon.duration) == ("Spring", "once")
    assert (coupon.max_redemptions, coupon.redeem_by) == (None, None)
    assert coupon.metadata.to_dict()["kopeck_discount"] == str(discount.pk)
    assert copy_of(discount).stripe_id == coupon.id


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"percentage": "8.875", "inclusive": False}, {"percentage": 8.875, "inclusive": False}),
        ({"percentage": "0"}, {"percentage": 0, "inclusive": True}),
        ({"percentage": "7.1234"}, {"percentage": 7.1234}),
        (
            {"country": "us", "state": "NY", "jurisdiction": "New York"},
            {"country": "US", "state": "NY", "jurisdiction": "New York"},
        ),
        ({"country": ""}, {"country": None, "state": None, "jurisdiction": None}),
    ],
)
def test_a_tax_is_a_tax_rate(sandbox: ShopSandbox, facts: dict[str, Any], shown: dict[str, Any]) -> None:
    tax = make_tax(**facts)
    sync(tax)
    (rate,) = rates(sandbox.stripe)
    told = rate.to_dict()
    assert {name: told[name] for name in shown} == shown
    assert (rate.display_name, told["metadata"]["kopeck_tax"]) == ("VAT", str(tax.pk))
    sync(tax)
    assert asked(sandbox) == 1  # our note of it is what Stripe has


def test_another_name_is_written_on_the_same_objects(sandbox: ShopSandbox) -> None:
    discount, tax = make_discount(), make_tax()
    sync(discount)
    sync(tax)
    before = (copy_of(discount).stripe_id, copy_of(tax).stripe_id)
    change(discount, name="Ostern 🐣")
    change(tax, display_name="MwSt.")
    sync(discount)
    sync(tax)
    ((coupon,), (rate,)) = coupons(sandbox.stripe), rates(sandbox.stripe)
    assert (coupon.name, rate.display_name) == ("Ostern 🐣", "MwSt.")
    assert (coupon.id, rate.id) == before


@pytest.mark.parametrize(
    "facts",
    [{"percent_off": 25}, {"percent_off": None, "amount_off": 500, "currency": "usd"}],
)
def test_another_percentage_or_amount_makes_a_new_coupon_and_deletes_the_old(
    sandbox: ShopSandbox, facts: dict[str, Any]
) -> None:
    discount = make_discount()
    sync(discount)
    (old,) = coupons(sandbox.stripe)
    change(discount, **facts)
    sync(discount)
    (new,) = coupons(sandbox.stripe)
    assert new.id != old.id
    assert (new.percent_off, new.amount_off) == (facts["percent_off"], facts.get("amount_off"))
    assert StripeMirror.objects.count() == 1


@pytest.mark.parametrize(
    "facts", [{"percentage": 20}, {"inclusive": False}, {"country": "FR"}, {"country": ""}, {"state": "BY"}]
)
def test_another_fact_of_a_tax_makes_a_new_rate_and_archives_the_old(
    sandbox: ShopSandbox, facts: dict[str, Any]
) -> None:
    tax = make_tax()
    sync(tax)
    (old,) = rates(sandbox.stripe)
    change(tax, **facts)
    sync(tax)
    (new,) = rates(sandbox.stripe)
    assert new.id != old.id
    assert [rate.id for rate in rates(sandbox.stripe, active=False)] == [old.id]


def test_what_is_deleted_here_is_retired_there(sandbox: ShopSandbox) -> None:
    discount, tax = make_discount(), make_tax()
    ids = discount.pk, tax.pk
    sync(discount)
    sync(tax)
    discount.delete()
    tax.delete()
    discount.pk, tax.pk = ids
    sync(discount)
    sync(tax)
    assert coupons(sandbox.stripe) == rates(sandbox.stripe) == []
    assert len(rates(sandbox.stripe, active=False)) == 1
    assert StripeMirror.objects.count() == 0


def test_what_was_never_at_stripe_and_is_deleted_asks_nothing(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    pk = discount.pk
    discount.delete()
    discount.pk = pk
    sync(discount)
    assert (asked(sandbox), StripeMirror.objects.count()) == (0, 0)


def test_a_tax_that_is_switched_off_and_on_again_is_the_same_rate(sandbox: ShopSandbox) -> None:
    tax = make_tax()
    sync(tax)
    (made,) = rates(sandbox.stripe)
    change(tax, active=False)
    sync(tax)
    assert rates(sandbox.stripe) == []
    change(tax, active=True)
    sync(tax)
    (again,) = rates(sandbox.stripe)
    assert again.id == made.id


def test_a_discount_that_is_switched_off_keeps_its_coupon(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    sync(discount)
    before = asked(sandbox)
    change(discount, active=False, max_redemptions=5, code="LATE")
    sync(discount)
    assert (len(coupons(sandbox.stripe)), asked(sandbox)) == (1, before)


def test_what_is_switched_off_from_the_start_comes_to_stripe_when_it_is_switched_on(
    sandbox: ShopSandbox,
) -> None:
    things = [make_discount(active=False), make_tax(active=False)]
    for thing in things:
        sync(thing)
    assert (asked(sandbox), StripeMirror.objects.count()) == (0, 0)
    for thing in things:
        change(thing, active=True)
        sync(thing)
    assert (len(coupons(sandbox.stripe)), len(rates(sandbox.stripe))) == (1, 1)


def test_a_session_that_is_open_keeps_the_coupon_and_rate_that_are_retired(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    tax = make_tax(is_default=True, inclusive=False)
    session_id = buyer.get(f"/buy/{make_item(price=1000).pk}").json()["session_id"]
    change(tax, percentage=50)
    sync(tax)
    sandbox.pay(session_id)
    (charge,) = sandbox.charges()
    assert charge.amount == 1190


def test_coupons_and_rates_of_others_in_the_account_are_not_touched(sandbox: ShopSandbox) -> None:
    theirs: stripe.Coupon = sandbox.stripe.v1.coupons.create({"percent_off": 5, "id": "OTHERS"})
    discount = make_discount()
    sync(discount)
    change(discount, percent_off=30)
    sync(discount)
    assert theirs.id in [coupon.id for coupon in coupons(sandbox.stripe)]
