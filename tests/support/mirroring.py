"""What the tests of the mirror share: discounts, taxes, a second account, Stripe's side."""

from dataclasses import replace
from typing import Any

import stripe
from django.db import connection, transaction

from kopeck.catalog.models import Discount, Tax
from kopeck.mirror import jobs as mirror_jobs
from kopeck.mirror.models import StripeMirror
from kopeck.stripe_api import client as wire
from tests.support.shop import ShopSandbox


def make_discount(**facts: Any) -> Discount:
    """20 % off; saved as the admin does it, in a transaction."""
    with transaction.atomic():
        return Discount.objects.create(**({"name": "Spring", "percent_off": 20} | facts))


def make_tax(**facts: Any) -> Tax:
    """19 % VAT, included in prices."""
    usual = {"display_name": "VAT", "percentage": 19, "inclusive": True, "country": "DE"}
    with transaction.atomic():
        return Tax.objects.create(**(usual | facts))


def change(thing: Discount | Tax, **facts: Any) -> None:
    for name, value in facts.items():
        setattr(thing, name, value)
    with transaction.atomic():
        thing.save()


def sync(thing: Discount | Tax, account: str = "default") -> None:
    """What the worker's job of a change does."""
    kind = "coupon" if isinstance(thing, Discount) else "tax_rate"
    mirror_jobs.sync(account_name=account, kind=kind, object_id=thing.pk)


def jobs(status: str = "todo") -> int:
    """How many of the mirror's jobs are in this state."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE status = %s AND task_name = %s",
            [status, mirror_jobs.sync.name],
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def down(sandbox: ShopSandbox, rate: int = 1) -> None:
    sandbox.control("PUT", "faults", {"error_rate": rate})


def two_accounts(sandbox: ShopSandbox, settings: Any) -> dict[str, stripe.StripeClient]:
    """A second account, for euros; the clients of both by name."""
    default = settings.STRIPE_ACCOUNTS["default"]
    settings.STRIPE_ACCOUNTS = {
        "default": default,
        "eur": replace(default, name="eur", secret_key="sk_test_euros", publishable_key="pk_test_euros"),
    }
    wire.gateway.cache_clear()
    return {"default": sandbox.stripe, "eur": client(sandbox, "sk_test_euros")}


def client(sandbox: ShopSandbox, key: str) -> stripe.StripeClient:
    http = stripe.RequestsClient(timeout=10)
    return stripe.StripeClient(key, base_addresses={"api": sandbox.url}, http_client=http)


def coupons(at: stripe.StripeClient) -> list[Any]:
    return list(at.v1.coupons.list({"limit": 100}).auto_paging_iter())


def rates(at: stripe.StripeClient, *, active: bool = True) -> list[Any]:
    return list(at.v1.tax_rates.list({"limit": 100, "active": active}).auto_paging_iter())


def copy_of(thing: Discount | Tax, account: str = "default") -> StripeMirror:
    kind = "coupon" if isinstance(thing, Discount) else "tax_rate"
    return StripeMirror.objects.exclude(status="retiring").get(account=account, kind=kind, object_id=thing.pk)


def asked(sandbox: ShopSandbox) -> int:
    """How many objects Stripe has ever told of: creations, changes and deletions."""
    return len([e for e in sandbox.events() if e["type"].startswith(("coupon.", "tax_rate."))])
