"""`manage.py mirror`: every discrepancy between the shop and Stripe is listed, and repaired when asked."""

import io
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command

from kopeck.catalog.models import Discount, Tax
from kopeck.mirror.models import StripeMirror
from kopeck.stripe_api.client import StripeUnavailable, shop_mark
from tests.support.mirroring import copy_of, coupons, down, make_discount, make_tax, rates, sync, two_accounts
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(option: str, stderr: io.StringIO | None = None) -> tuple[int, list[str]]:
    """Exit status and the lines that were printed."""
    out = io.StringIO()
    try:
        call_command("mirror", option, stdout=out, stderr=stderr or io.StringIO())
    except SystemExit as end:
        return int(end.code or 0), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def in_step(*things: Discount | Tax, account: str = "default") -> None:
    for thing in things:
        sync(thing, account)


def test_nothing_to_tell_is_status_0(sandbox: ShopSandbox) -> None:
    in_step(make_discount(percent_off="33.3333"), make_tax(state="BY"), make_tax(active=False))
    in_step(make_discount(name="Five", percent_off=None, amount_off=500, currency="eur"))
    assert run("--check") == (0, ["1 account compared: no discrepancy."])


def _coupon_deleted(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    at.v1.coupons.delete(copy_of(discount).stripe_id or "")
    return f"discount {discount.pk} ({copy_of(discount).stripe_id}): Stripe knows it no more"


def _coupon_renamed(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    stripe_id = copy_of(discount).stripe_id or ""
    at.v1.coupons.update(stripe_id, {"name": "Winter"})
    return f"discount {discount.pk} ({stripe_id}): name is 'Winter' at Stripe and 'Spring' here"


def _rate_archived(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    at.v1.tax_rates.update(copy_of(tax).stripe_id or "", {"active": False})
    return f"tax {tax.pk} ({copy_of(tax).stripe_id}): archived at Stripe"


def _rate_jurisdiction(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    at.v1.tax_rates.update(copy_of(tax).stripe_id or "", {"jurisdiction": "Elsewhere"})
    return f"tax {tax.pk} ({copy_of(tax).stripe_id}): jurisdiction is 'Elsewhere' at Stripe and None here"


def _tax_changed_here(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    Tax.objects.update(percentage=7)
    return f"tax {tax.pk} ({copy_of(tax).stripe_id}): percentage is '19' at Stripe and '7' here"


def _tax_switched_off_here(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    Tax.objects.update(active=False)
    return f"tax {tax.pk} ({copy_of(tax).stripe_id}): switched off here and not archived at Stripe"


def _tax_made_here(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    return f"tax {make_tax(display_name='New').pk}: missing at Stripe"


def _discount_deleted_here(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    said = f"discount {discount.pk} ({copy_of(discount).stripe_id}): not in use any more"
    discount.delete()
    return said


def _extra_coupon(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    marks = {"kopeck_discount": str(discount.pk), "kopeck_shop": shop_mark()}
    extra = at.v1.coupons.create({"percent_off": 20, "metadata": marks})
    return f"discount {discount.pk} ({extra.id}): not in use any more"


def _retired_rate_active(at: stripe.StripeClient, discount: Discount, tax: Tax) -> str:
    old = copy_of(tax).stripe_id or ""
    Tax.objects.update(percentage=7)
    sync(tax)
    at.v1.tax_rates.update(old, {"active": True})
    return f"tax {tax.pk} ({old}): not in use any more"


DRIFTS = [
    _coupon_deleted,
    _coupon_renamed,
    _rate_archived,
    _rate_jurisdiction,
    _tax_changed_here,
    _tax_switched_off_here,
    _tax_made_here,
    _discount_deleted_here,
    _extra_coupon,
    _retired_rate_active,
]


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.__name__.strip("_"))
def test_each_discrepancy_is_named_and_repaired(sandbox: ShopSandbox, drift: Any) -> None:
    discount, tax = make_discount(), make_tax()
    in_step(discount, tax)
    said = f"account default, {drift(sandbox.stripe, discount, tax)}"
    assert run("--check") == (1, [said, "1 account compared: 1 discrepancy."])
    assert run("--check")[0] == 1  # looking changes nothing
    assert run("--repair") == (0, [said, "1 account compared: no discrepancy left."])
    assert run("--check")[0] == 0
    assert len(coupons(sandbox.stripe)) == Discount.objects.count()
    assert len(rates(sandbox.stripe)) == Tax.objects.filter(active=True).count()
    assert StripeMirror.objects.exclude(status="current").count() == 0


def test_every_account_is_compared(sandbox: ShopSandbox, settings: Any) -> None:
    accounts = two_accounts(sandbox, settings)
    tax = make_tax()
    in_step(tax)
    said = f"account eur, tax {tax.pk}: missing at Stripe"
    assert run("--check") == (1, [said, "2 accounts compared: 1 discrepancy."])
    assert run("--repair") == (0, [said, "2 accounts compared: no discrepancy left."])
    assert len(rates(accounts["eur"])) == 1


def test_more_than_a_page_of_coupons_is_compared(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    in_step(discount)
    for number in range(105):
        sandbox.stripe.v1.coupons.create({"percent_off": 1, "name": f"Of others {number}"})
    assert run("--check") == (0, ["1 account compared: no discrepancy."])
    sandbox.stripe.v1.coupons.delete(copy_of(discount).stripe_id or "")
    assert run("--check")[0] == 1


def test_a_coupon_whose_making_was_not_heard_of_is_adopted_and_not_deleted(sandbox: ShopSandbox) -> None:
    once = {"kind": "cut_after", "path": "/v1/coupons", "method": "POST"}
    sandbox.control("PUT", "faults", {"next": [once]})
    discount = make_discount()
    with pytest.raises(StripeUnavailable):
        sync(discount)
    (made,) = coupons(sandbox.stripe)
    said = f"account default, discount {discount.pk}: missing at Stripe"
    assert run("--repair") == (0, [said, "1 account compared: no discrepancy left."])
    assert [coupon.id for coupon in coupons(sandbox.stripe)] == [made.id] == [copy_of(discount).stripe_id]


def test_coupons_of_another_shop_in_the_same_account_are_no_discrepancy(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    in_step(discount)
    theirs = {"kopeck_discount": str(discount.pk), "kopeck_shop": "another shop"}
    sandbox.stripe.v1.coupons.create({"percent_off": 20, "metadata": theirs})
    assert run("--repair")[0] == 0
    assert len(coupons(sandbox.stripe)) == 2


def test_what_cannot_be_repaired_is_said_and_is_status_1(sandbox: ShopSandbox) -> None:
    tax = make_tax(country="D1")
    status, lines = run("--repair")
    said = f"account default, tax {tax.pk}: missing at Stripe"
    first, last = lines
    assert (status, last) == (1, "1 account compared: 1 discrepancy left.")
    assert first.startswith(f"{said}. Not repaired: InvalidRequestError")


def test_a_stripe_that_does_not_answer_is_status_2(sandbox: ShopSandbox) -> None:
    down(sandbox)
    with pytest.raises(CommandError, match="account default") as error:
        run("--check")
    assert error.value.returncode == 2


def test_the_progress_bar_is_for_terminals_and_leaves_no_line(sandbox: ShopSandbox) -> None:
    in_step(make_tax())
    quiet, terminal = io.StringIO(), Terminal()
    run("--check", quiet)
    run("--check", terminal)
    assert quiet.getvalue() == ""
    assert "1/2 default: every coupon" in terminal.getvalue()
    assert "[############............] 2/2 default: every tax rate" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert "\n" not in terminal.getvalue()


def test_it_has_to_be_told_what_to_do(sandbox: ShopSandbox) -> None:
    with pytest.raises(CommandError, match="--check --repair"):
        call_command("mirror")
