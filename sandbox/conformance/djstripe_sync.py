"""dj-stripe, unchanged, syncs what a sandbox has: every one of its models whose objects are there.

    PYTHONPATH=FOLDER python djstripe_sync.py URL KEY FILE

FILE becomes its database. It prints a JSON object a model: how many objects Stripe's library lists, how many
dj-stripe has kept, and what it complained of.
"""

import contextlib
import io
import json
import sys
from typing import Any

import django
import stripe
from django.apps import apps
from django.conf import settings
from django.core.management import call_command

#: dj-stripe's models of what the sandbox has, each with the class of Stripe's library that lists it.
MODELS = {
    "Account": "Account",
    "BalanceTransaction": "BalanceTransaction",
    "Charge": "Charge",
    "Coupon": "Coupon",
    "Customer": "Customer",
    "Dispute": "Dispute",
    "Event": "Event",
    "PaymentIntent": "PaymentIntent",
    "PaymentMethod": "PaymentMethod",
    "Price": "Price",
    "Product": "Product",
    "PromotionCode": "PromotionCode",
    "Refund": "Refund",
    "Session": "checkout.Session",
    "SetupIntent": "SetupIntent",
    "ShippingRate": "ShippingRate",
    "TaxRate": "TaxRate",
    "WebhookEndpoint": "WebhookEndpoint",
}


def begin(url: str, key: str, file: str) -> None:
    settings.configure(
        DEBUG=True,
        SECRET_KEY="of a conformance run",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sites",
            "djstripe",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": file}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        MIGRATION_MODULES={"djstripe": None},  # its tables as they are now: its history takes minutes
        STRIPE_TEST_SECRET_KEY=key,
        STRIPE_LIVE_MODE=False,
        STRIPE_API_HOST=url,
        DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
        DJSTRIPE_WEBHOOK_SECRET="whsec_of_the_run",
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)


def shop(key: str) -> None:
    """An object of each kind."""
    stripe.api_key = key
    customer = stripe.Customer.create(email="ann@shop.example", payment_method="pm_card_visa")
    product = stripe.Product.create(name="Tea")
    price = stripe.Price.create(product=product.id, currency="usd", unit_amount=900)
    coupon = stripe.Coupon.create(percent_off=10, duration="once")
    stripe.PromotionCode.create(promotion={"type": "coupon", "coupon": coupon.id}, code="TEN")
    stripe.TaxRate.create(display_name="VAT", percentage=20, inclusive=False)
    stripe.ShippingRate.create(
        display_name="Post", type="fixed_amount", fixed_amount={"amount": 500, "currency": "usd"}
    )
    stripe.checkout.Session.create(
        mode="payment", success_url="https://shop.example", line_items=[{"price": price.id, "quantity": 1}]
    )
    never: Any = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    method = stripe.PaymentMethod.list(customer=customer.id).data[0]
    paid = stripe.PaymentIntent.create(
        amount=900, currency="usd", customer=customer.id, payment_method=method.id, confirm=True, **never
    )
    stripe.PaymentIntent.create(
        amount=900, currency="usd", payment_method="pm_card_createDispute", confirm=True, **never
    )
    stripe.Refund.create(payment_intent=paid.id, amount=100)
    stripe.SetupIntent.create(customer=customer.id, payment_method="pm_card_visa", confirm=True, **never)
    stripe.WebhookEndpoint.create(url="https://shop.example/hook", enabled_events=["*"])


def listed(name: str) -> int:
    """How many Stripe's library lists; PaymentMethods are listed by their customer, accounts are the one."""
    if name == "Account":
        return 1
    if name == "PaymentMethod":
        return sum(
            len(stripe.PaymentMethod.list(customer=customer.id).data) for customer in stripe.Customer.list()
        )
    owner: Any = stripe
    for part in name.split("."):
        owner = getattr(owner, part)
    return sum(1 for _ in owner.list(limit=100).auto_paging_iter())


def synced(name: str) -> tuple[int, str]:
    """How many dj-stripe has after its command, and its first complaint."""
    try:
        model = apps.get_model("djstripe", name)
    except LookupError:
        return 0, "it has no such model"
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            call_command("djstripe_sync_models", name)
    except Exception as error:  # whatever it makes of an answer is a finding
        return model.objects.count(), f"{type(error).__name__}: {error}"
    lines = [line for line in said.getvalue().splitlines() if "rror" in line or "kipping" in line]
    return model.objects.count(), lines[0].strip() if lines else ""


def main(url: str, key: str, file: str) -> None:
    begin(url, key, file)
    shop(key)
    for name, there in MODELS.items():
        wanted = listed(there)
        kept, complaint = synced(name)
        print(json.dumps({"model": name, "listed": wanted, "kept": kept, "complaint": complaint}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
