"""The accountant's statement adds up to Stripe's balance to the minor unit, and hides nothing."""

import csv
import io
import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
import stripe
from django.db import connection, transaction
from django.db.models import Q, Sum
from django.test import Client

from kopeck.books import movements, statement
from kopeck.books.movements import Period
from kopeck.books.sheet import TAX
from kopeck.catalog.models import Discount, ShippingRate, Tax
from kopeck.errors import ShopError
from kopeck.orders import placing, receipts
from kopeck.orders.lines import OrderTax
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import attempts, inputs, sync
from kopeck.payments.models import Payment
from kopeck.refunds import request as refunds
from kopeck.refunds.models import Refund
from kopeck.refunds.request import Wish
from stripe_sandbox.checkout.buyer import Buyer, complete
from stripe_sandbox.checkout.sessions import pay_session
from stripe_sandbox.resources import disputes
from stripe_sandbox.rules.cards import Card
from tests.support.buying import bought, paid_order
from tests.support.depth import DEEP
from tests.support.mirroring import two_accounts
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)

CLIENT = inputs.Client("http://testserver")
ORDERS = int(os.environ.get("RANDOM_ORDERS") or (1000 if DEEP else 60))
TODAY = date.today()  # noqa: DTZ011 - a day before and after it are asked for, too
SINCE, UNTIL = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
DIGITS = {"USD": 2, "EUR": 2, "JPY": 0}
PLAIN, FAILING, DISPUTED = "4242424242424242", "4000000000005126", "4000000000000259"


def made(since: date = SINCE, until: date = UNTIL, *accounts: str) -> list[dict[str, str]]:
    """The rows of the statement of all accounts."""
    out = io.StringIO()
    statement.write(since, until, accounts or ("default",), out)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def minor(text: str, code: str) -> int:
    amount = Decimal(text or 0).scaleb(DIGITS[code])
    assert amount == int(amount)
    return int(amount)


def of_kind(rows: list[dict[str, str]], *kinds: str) -> list[dict[str, str]]:
    return [row for row in rows if row["kind"] in kinds]


# Random shops -----------------------------------------------------------------------------------------


class Shop:
    """Random sales, and all that may happen to them."""

    def __init__(self, sandbox: ShopSandbox, seed: int) -> None:
        self.sandbox, self.rng = sandbox, random.Random(seed)
        prices = [1, 99, 333, 1999, 4820, 12_345, 70_001]
        self.items = {
            code: [
                make_item(name=f"{code} {price}", currency=code, price=price * 10, shipped=price % 2 == 0)
                for price in prices
            ]
            for code in ("usd", "eur", "jpy")
        }
        percents = ("12.5", "33.3333", "100")
        self.off = [Discount.objects.create(name=f"{p} %", percent_off=Decimal(p)) for p in percents]
        self.off.append(Discount.objects.create(name="5.01 off", amount_off=501, currency="usd"))
        rates = [("20", False), ("8.875", False), ("19", True), ("7", True)]
        self.taxes = [
            Tax.objects.create(display_name=f"VAT {p}", percentage=Decimal(p), inclusive=i) for p, i in rates
        ]
        for code in self.items:
            for taxed in (True, False):
                ShippingRate.objects.create(name=f"By post {taxed}", amount=490, currency=code, taxed=taxed)

    def order(self) -> Order | None:
        """None where its total is one that no card can pay."""
        rng, code = self.rng, self.rng.choice(list(self.items))
        wanted = [Wanted(item, rng.randint(1, 4)) for item in rng.sample(self.items[code], rng.randint(1, 3))]
        chosen = [tax.pk for tax in rng.sample(self.taxes, rng.choice([0, 1, 1, 2]))]
        Tax.objects.update(is_default=Q(pk__in=chosen))
        fitting = [None, None, *(one for one in self.off if one.currency in ("", code))]
        try:
            return placing.place(wanted, visitor="v" * 64, discount=rng.choice(fitting))
        except ShopError as refusal:
            if refusal.code in ("amount_too_small", "amount_too_large"):
                return None
            raise

    def pay(self, order: Order, number: str) -> Payment:
        payment = attempts.start(order.pk, CLIENT)
        found = self.sandbox.box.store.find("checkout.session", payment.stripe_id or "")
        assert found is not None
        account, session = found
        buyer = complete(session, Buyer(email="a@example.com", name="A"))
        card = Card(number, 12, 2034, "123")
        assert pay_session(self.sandbox.box, account, session["id"], card, buyer=buyer).kind == "paid"
        return payment

    def sell(self) -> None:
        """A sale, and what becomes of it."""
        order = self.order()
        if order is None:
            return None
        number = self.rng.choices([PLAIN, FAILING, DISPUTED], [8, 1, 1])[0]
        payment = self.pay(order, number)
        if self.rng.random() < 0.02:
            return None  # the shop has not heard of it yet
        payment = sync.refresh(payment)
        assert payment.status == "paid"
        if number == DISPUTED and payment.amount:
            return self.decide(payment)
        if payment.amount and self.rng.random() < 0.4:
            self.refund(order, payment)
        return None

    def refund(self, order: Order, payment: Payment) -> None:
        """Some of it once or twice, then maybe the rest; some of it by hand at Stripe."""
        for _time in range(self.rng.randint(1, 2)):
            left = refunds.left_of(Order.objects.get(pk=order.pk))
            part = self.rng.randint(1, left.amount)
            wish = Wish(amount=self.rng.choice([part, None]))
            form = refunds.Form(uuid4(), left.version, by="owner")
            if self.rng.random() < 0.3:
                intent = payment.payment_intent
                found = self.sandbox.box.store.find("payment_intent", intent)
                assert found is not None
                self.sandbox.control("POST", f"charges/{found[1]['latest_charge']}/refund", {"amount": part})
                if self.rng.random() < 0.5:
                    refunds.sync.learn_payment(payment)
                return
            refund, _is_new = refunds.request(order.pk, wish, form)
            refunds.send(refund)
            if not refunds.left_of(Order.objects.get(pk=order.pk)).amount:
                return

    def decide(self, payment: Payment) -> None:
        store = self.sandbox.box.store
        found = store.find("payment_intent", payment.payment_intent)
        assert found is not None
        account, intent = found
        (dispute,), _more = store.list(account, "dispute", where={"charge": intent["latest_charge"]})
        if self.rng.random() < 0.5:
            with store.transaction():
                disputes.decide(self.sandbox.box, account, dispute, won=self.rng.random() < 0.5)


def fees_by_hand(charges: Iterator[dict[str, Any]], lost: Iterator[dict[str, Any]]) -> Counter[str]:
    """2.9 % and 30 of each charge, half up; 15.00 of each dispute, which comes back with a won one."""
    fees: Counter[str] = Counter()
    for charge in charges:
        if charge["status"] == "succeeded":
            fee = (charge["amount"] * 29 + 500) // 1000 + 30
            fees[charge["currency"].upper()] += min(charge["amount"], fee)
    for dispute in lost:
        fees[dispute["currency"].upper()] += 0 if dispute["status"] == "won" else 1500
    return fees


def _sums_are_the_balance(rows: list[dict[str, str]], balance: stripe.Balance) -> None:
    """Of one account, whose statement begins with nothing."""
    now = Counter({one.currency.upper(): one.amount for one in balance.available})
    now += Counter()  # what is 0 is no sum
    for one in balance.pending:
        now[one.currency.upper()] += one.amount
    codes = {row["currency"] for row in of_kind(rows, "closing")}
    assert set(now) <= codes
    for code in codes:
        moved = [row for row in rows if row["currency"] == code and row["stripe_id"]]
        (opening,) = [row["balance"] for row in of_kind(rows, "opening") if row["currency"] == code]
        (closing,) = [row["balance"] for row in of_kind(rows, "closing") if row["currency"] == code]
        assert minor(opening, code) == 0
        assert minor(closing, code) == now[code] == sum(minor(row["net"], code) for row in moved)
        for row in moved:
            assert minor(row["amount"], code) - minor(row["fee"], code) == minor(row["net"], code)


@pytest.mark.timeout(1200)
def test_random_orders_add_up_to_stripes_balance(sandbox: ShopSandbox, settings: Any) -> None:
    """pain 7"""
    clients = two_accounts(sandbox, settings)
    shop = Shop(sandbox, seed=ORDERS)
    for _number in range(ORDERS):
        shop.sell()
    sandbox.control("POST", "clock/advance", {"seconds": 120})  # refunds that fail do so by then
    receipts.number_all()
    # Somebody else's, in the same account.
    clients["default"].v1.payment_intents.create(
        {
            "amount": 7777,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    rows = made(SINCE, UNTIL, "default", "eur")
    fees: Counter[tuple[str, str]] = Counter()
    for account, client in clients.items():
        mine = [row for row in rows if row["account"] == account]
        _sums_are_the_balance(mine, client.v1.balance.retrieve())
        listed = [one.id for one in client.v1.balance_transactions.list({"limit": 100}).auto_paging_iter()]
        assert [row["stripe_id"] for row in mine if row["stripe_id"]] == listed
        for code, fee in fees_by_hand(
            (one.to_dict() for one in client.v1.charges.list({"limit": 100}).auto_paging_iter()),
            (one.to_dict() for one in client.v1.disputes.list({"limit": 100}).auto_paging_iter()),
        ).items():
            fees[account, code] = fee
    told: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["fee"]:
            told[row["account"], row["currency"]] += minor(row["fee"], row["currency"])
    assert told == fees
    kinds = Counter(row["kind"] for row in rows)
    assert kinds["sale"] > ORDERS // 2
    assert min(kinds["refund"], kinds["dispute"], kinds["unmatched"]) > 0
    _sales_are_the_orders(rows)
    _taxes_are_the_orders(rows)


def _sales_are_the_orders(rows: list[dict[str, str]]) -> None:
    paid = {order.pk: order for order in Order.objects.exclude(paid_at=None)}
    sales = of_kind(rows, "sale")
    assert sorted(int(row["order"]) for row in sales) == sorted(paid)
    for row in sales:
        order, code = paid[int(row["order"])], row["sale_currency"]
        assert code == order.currency.upper()
        told = [minor(row[name], code) for name in ("sale", "discount", "tax")]
        assert told == [order.total, order.discount_total, order.tax_total]
        assert (row["receipt"], row["note"]) == (str(order.receipt), "")
        if order.total:
            assert minor(row["amount"], code) == order.total
    known = Refund.objects.filter(payment__status="paid", stripe_id__isnull=False)
    for code in DIGITS:
        out = sum(minor(row["sale"], code) for row in of_kind(rows, "refund") if row["sale_currency"] == code)
        made = known.filter(currency=code.lower()).aggregate(sum=Sum("amount"))["sum"] or 0
        assert out == -made
    assert len(of_kind(rows, "refund")) == known.count()


def _taxes_are_the_orders(rows: list[dict[str, str]]) -> None:
    rates = [name for name in rows[0] if name.startswith(TAX)]
    assert len(rates) == 4
    for row in rows:
        if code := row["sale_currency"]:
            assert sum(minor(row[rate], code) for rate in rates) == minor(row["tax"], code)
            assert minor(row["sale_without_tax"], code) == minor(row["sale"], code) - minor(row["tax"], code)
    for code in DIGITS:
        for rate in rates:
            sold = sum(
                minor(row[rate], code) for row in of_kind(rows, "sale") if row["sale_currency"] == code
            )
            taxes = OrderTax.objects.filter(order__currency=code.lower()).exclude(order__paid_at=None)
            mine = [tax.amount for tax in taxes if rate.startswith(f"{TAX}{tax.display_name} ")]
            assert sold == sum(mine)


# Single facts -----------------------------------------------------------------------------------------


def charge(sandbox: ShopSandbox, amount: int) -> None:
    """Money that comes without the shop."""
    facts = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    methods = {"enabled": True, "allow_redirects": "never"}
    sandbox.stripe.v1.payment_intents.create({**facts, "automatic_payment_methods": methods})  # type: ignore


def test_the_closing_balance_of_a_period_is_the_opening_one_of_the_next(sandbox: ShopSandbox) -> None:
    times = []
    for amount in (1000, 2000, 3000):
        for _time in range(40):
            charge(sandbox, amount)
        sandbox.control("POST", "clock/advance", {"seconds": 3600})
        times.append(datetime.fromtimestamp(sandbox.control("GET", "clock")["now"] - 1800, UTC))
    ends = [times[0] - timedelta(days=1), *times]
    found = []
    for since, until in pairwise(ends):
        period = Period("default", since, until)
        moved = [one for page in period.pages() for one in page]
        assert [one.said["amount"] for one in moved] == [1000 * (len(found) + 1)] * 40
        assert moved[0].balance == period.closing["usd"]
        assert moved[-1].balance - moved[-1].said["net"] == period.opening["usd"]
        found.append((period.opening["usd"], period.closing["usd"]))
    assert found[0][0] == 0
    assert [closing for _opening, closing in found[:-1]] == [opening for opening, _closing in found[1:]]


def test_money_that_moves_while_the_balance_is_asked_for_is_asked_about_again(
    sandbox: ShopSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movements, "PAUSES", (0, 0, 0))
    charge(sandbox, 5000)
    ask, left = movements.patiently, [2]

    def busy(question: Any) -> Any:
        if getattr(question, "__name__", "") == "balance" and left[0]:
            left[0] -= 1
            charge(sandbox, 100)
        return ask(question)

    monkeypatch.setattr(movements, "patiently", busy)
    rows = made()
    (closing,) = of_kind(rows, "closing")
    assert Decimal(closing["balance"]) == sum(Decimal(row["net"]) for row in rows if row["net"])
    left[0] = 3
    with pytest.raises(movements.StripeUnavailable, match="moves all the time"):
        made()


def test_a_second_payment_is_money_but_no_sale(sandbox: ShopSandbox, buyer: Client) -> None:
    first = bought(buyer)
    Payment.objects.update(status="expired")
    second = attempts.start(first.order_id, CLIENT)
    for payment in (first, second):
        sandbox.pay(payment.stripe_id or "")
        sync.refresh(Payment.objects.get(pk=payment.pk))
    refunds.refund_unwanted(second.pk)
    rows = [row for row in made() if row["stripe_id"]]
    assert sorted((row["kind"], row["amount"]) for row in rows) == [
        ("sale", "48.20"),
        ("surplus", "-48.20"),
        ("surplus", "48.20"),
    ]
    assert {row["sale"] for row in of_kind(rows, "surplus")} == {""}
    assert {row["order"] for row in rows} == {str(first.order_id)}


def test_what_cost_nothing_is_a_sale_and_what_stripe_does_not_list_is_said(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    Discount.objects.create(name="Gift", code="GIFT", percent_off=100)
    lost = paid_order(sandbox, buyer, deliver)
    sandbox.box.store.sql("DELETE FROM objects WHERE kind = 'balance_transaction'")
    wanted = [Wanted(make_item(name="Mug"), 1)]
    free = placing.place(wanted, visitor="v" * 64, discount=Discount.objects.get())
    payment = attempts.start(free.pk, CLIENT)
    sandbox.pay(payment.stripe_id or "")
    sync.refresh(payment)
    rows = {row["order"]: row for row in made() if row["order"]}
    assert rows[str(free.pk)]["kind"] == "sale"
    assert (rows[str(free.pk)]["sale"], rows[str(free.pk)]["discount"]) == ("0.00", "48.20")
    assert rows[str(lost.pk)]["kind"] == "not_at_stripe"
    assert rows[str(lost.pk)]["sale"] == ""


def test_days_are_those_of_the_shop(sandbox: ShopSandbox, buyer: Client, deliver: Any, settings: Any) -> None:
    paid_order(sandbox, buyer, deliver)
    (sale,) = of_kind(made(), "sale")
    at = datetime.fromisoformat(f"{sale['date']} {sale['time']}").replace(tzinfo=UTC)
    settings.TIME_ZONE = "Pacific/Kiritimati"  # 14 hours ahead
    (sale,) = of_kind(made(SINCE, UNTIL + timedelta(days=1)), "sale")
    day = (at + timedelta(hours=14)).date()
    assert (sale["date"], sale["time"]) == (f"{day}", f"{at + timedelta(hours=14):%H:%M:%S}")
    assert len(of_kind(made(day, day), "sale")) == 1
    assert of_kind(made(day - timedelta(days=1), day - timedelta(days=1)), "sale") == []


def test_no_transaction_and_no_connection_is_held_while_stripe_is_asked(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_order(sandbox, buyer, deliver)
    held = []
    ask = movements.patiently
    monkeypatch.setattr(
        movements, "patiently", lambda question: held.append(connection.connection) or ask(question)
    )
    made()
    with transaction.atomic(), pytest.raises(RuntimeError):
        made()
    assert len(held) >= 1
