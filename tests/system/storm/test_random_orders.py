"""Random orders: the shop's total, Stripe's `amount_total` and the ledger agree to the minor unit.

2,000 of them in `make test-all`, 200 where the file is run by itself (`RANDOM_ORDERS` changes that).

Some currencies of each kind, amounts from the smallest to the largest, all forms of discounts, taxes and
deliveries. Neither side knows how the other rounds: `kopeck/orders/pricing.py` and the sandbox's arithmetic
were written apart from each other.
"""

import os
import random
from collections import Counter
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Q

from kopeck.catalog.models import Discount, Item, ShippingRate, Tax
from kopeck.errors import ShopError
from kopeck.money import CURRENCIES
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import attempts, inputs, sync
from stripe_sandbox.checkout.buyer import Buyer, complete
from stripe_sandbox.checkout.sessions import pay_session
from stripe_sandbox.rules.cards import Card
from tests.support.depth import DEEP
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)

TWO_DECIMALS, ZERO, SPECIAL, THREE = (
    ["usd", "eur", "gbp", "idr", "cop"],
    ["jpy", "krw", "clp"],
    ["isk", "ugx"],
    ["kwd", "bhd", "tnd"],
)
CODES = [*TWO_DECIMALS, *ZERO, *SPECIAL, *THREE]
CARD = Card("4242424242424242", 12, 2034, "123")
CLIENT = inputs.Client("http://testserver")
SEEDS = 4
ORDERS = int(os.environ.get("RANDOM_ORDERS") or (2000 if DEEP else 200))


def goods(rng: random.Random) -> dict[str, list[Item]]:
    def price(code: str) -> int:
        of = CURRENCIES[code]
        large = rng.randrange(of.maximum // of.step // 100, of.maximum // of.step)
        return rng.choice([1, 7, 99, 333, 1000, 1999, rng.randrange(1, 90_000), large]) * of.step

    return {
        code: [
            make_item(name=f"{code} {n}", currency=code, price=price(code), shipped=n % 2 == 0)
            for n in range(12)
        ]
        for code in CODES
    }


def make_discounts(rng: random.Random) -> list[Discount]:
    percents = ["0.01", "5", "10", "12.5", "33.3333", "66.6667", "99.99", "100"]
    made = [Discount.objects.create(name=f"{p} %", percent_off=Decimal(p)) for p in percents]
    for code in CODES:
        of = CURRENCIES[code]
        amount = rng.choice([1, 50, 100, 333, 5000, of.maximum // of.step // 7]) * of.step
        made.append(Discount.objects.create(name=f"off {code}", amount_off=amount, currency=code))
    return made


def make_rates(rng: random.Random) -> None:
    """Taxed and not, free from some subtotal and never, dear, cheap and for nothing."""
    for code in CODES:
        step = CURRENCIES[code].step
        for amount, country in (
            (0, "NO"),
            (1, "DE"),
            (333, "FR"),
            (1999, "US"),
            (rng.randrange(90_000), "GB"),
        ):
            free = rng.choice([None, rng.randrange(100_000) * step])
            facts = {"amount": amount * step, "currency": code, "countries": [country], "free_from": free}
            for taxed in (True, False):
                ShippingRate.objects.create(name=f"{country} {taxed}", taxed=taxed, **facts)


def make_taxes() -> list[Tax]:
    rates = [("20", False), ("8.875", False), ("0.0001", False), ("5", False), ("0", False),
             ("19", True), ("7", True), ("2.5", True)]  # fmt: skip
    return [Tax.objects.create(display_name=f"Tax {p}", percentage=Decimal(p), inclusive=i) for p, i in rates]


def place(
    rng: random.Random, items: dict[str, list[Item]], off: list[Discount], taxes: list[Tax]
) -> Order | None:
    """A random order, or None where its total is one that no card can pay."""
    code = rng.choice(CODES)
    wanted = [Wanted(item, rng.randint(1, 9)) for item in rng.sample(items[code], rng.randint(1, 6))]
    fitting = [None, *(d for d in off if d.currency in ("", code))]
    chosen = [tax.pk for tax in rng.sample(taxes, rng.choice([0, 1, 1, 2, 3]))]
    Tax.objects.update(is_default=Q(pk__in=chosen))
    try:
        order = placing.place(wanted, visitor="v" * 64, discount=rng.choice(fitting))
        if order.ship_to:
            country = rng.choice(["NO", "DE", "FR", "US", "GB"])
            rates = ShippingRate.objects.filter(currency=code, countries=[country])
            with transaction.atomic():
                order.set_delivery(country, rng.choice(rates).pk)
    except ShopError as refusal:
        if refusal.code in ("amount_too_small", "amount_too_large"):
            return None
        raise
    return order


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_shop_stripe_and_ledger_agree_on_random_orders(sandbox: ShopSandbox, seed: int) -> None:
    """pain 7"""
    rng = random.Random(seed)
    items, off, taxes = goods(rng), make_discounts(rng), make_taxes()
    make_rates(rng)
    sent: Counter[str] = Counter()
    expected: dict[str, tuple[int, str]] = {}
    done = 0
    while done < ORDERS // SEEDS:
        order = place(rng, items, off, taxes)
        if order is None:
            continue
        done += 1
        payment = attempts.start(order.pk, CLIENT)
        found = sandbox.box.store.find("checkout.session", payment.stripe_id or "")
        assert found is not None
        account, session = found
        assert session["amount_total"] == order.total == payment.amount
        assert session["total_details"]["amount_discount"] == order.discount_total
        apart = session["total_details"]["amount_shipping"]
        assert session["amount_subtotal"] + apart == order.subtotal
        sent["options" if session["shipping_cost"] else "line" if order.ship_to else "nothing"] += 1
        assert session["total_details"]["amount_tax"] == order.tax_total
        buyer = complete(session, Buyer(email="a@example.com", name="A"))
        outcome = pay_session(sandbox.box, account, session["id"], CARD, buyer=buyer)
        assert outcome.kind == "paid"
        assert sync.refresh(payment).status == "paid"
        order.refresh_from_db()
        assert order.status == "paid"
        assert not order.notes.exists()  # nothing had to be adopted
        if order.total:
            expected[session["id"]] = (order.total, order.currency)
    assert min(sent["options"], sent["line"], sent["nothing"]) > done // 20  # each way was tried
    (ledger,) = sandbox.control("GET", "ledger")["accounts"]
    charged = {one["checkout_session"]: (one["amount"], one["currency"]) for one in ledger["charges"]}
    assert charged == expected
    assert len(ledger["charges"]) == len(expected)
