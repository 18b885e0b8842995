"""Three accounts, 32 buyers at once: each session, charge, copy and event stays in its own account."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings as in_use
from django.db import connection
from django.test import Client

from kopeck.catalog.models import Item, Tax
from kopeck.mirror.models import StripeMirror
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.stripe_api import client as wire
from kopeck.stripe_api.accounts import SANDBOX_TAIL, for_currency, read_accounts
from kopeck.webhooks.models import StripeEvent
from tests.support.mirroring import client
from tests.support.shop import ShopSandbox, make_item
from tests.support.worker import forget_jobs

pytestmark = pytest.mark.django_db(transaction=True)
THREADS, ROUNDS = 32, 3
ENV = {
    "STRIPE_WEBHOOK_SECRET": "whsec_of_default",
    "STRIPE_WEBHOOK_SECRET_EUR": "whsec_of_eur",
    "STRIPE_WEBHOOK_SECRET_GBP": "whsec_of_gbp",
}
TAILS = {"default": SANDBOX_TAIL, "eur": f"{SANDBOX_TAIL}eur", "gbp": f"{SANDBOX_TAIL}gbp"}
HOME = {"usd": "default", "jpy": "default", "eur": "eur", "gbp": "gbp"}


@pytest.fixture
def three(sandbox: ShopSandbox, settings: Any) -> Iterator[ShopSandbox]:
    settings.STRIPE_ACCOUNTS = read_accounts(
        ENV, lambda name: ENV.get(name, ""), sandbox=True, debug=False, api_base=sandbox.url
    )
    wire.gateway.cache_clear()
    yield sandbox
    forget_jobs()


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What THREADS threads answer that begin together."""
    start = threading.Barrier(THREADS)

    def one(number: int) -> Any:
        start.wait()
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def buy_and_pay(sandbox: ShopSandbox, items: list[Item], number: int) -> list[tuple[str, dict[str, str]]]:
    """Strangers one after the other; (currency, the answer of /buy) of each."""
    chance, bought = random.Random(number), []
    for _ in range(ROUNDS):
        item, buyer = chance.choice(items), Client(raise_request_exception=False)
        buyer.get(f"/item/{item.pk}?mine=1")
        answer = buyer.get(f"/buy/{item.pk}?quantity={chance.randint(1, 9)}")
        assert answer.status_code == 200, answer.content
        body = answer.json()
        sandbox.pay(body["session_id"])
        bought.append((item.currency, body))
    return bought


def test_32_buyers_over_three_accounts_never_reach_the_wrong_one(three: ShopSandbox) -> None:
    """pain 10"""
    items = [make_item(name=code, price=4800, currency=code) for code in HOME]
    Tax.objects.create(display_name="VAT", percentage=19, inclusive=True, is_default=True)
    bought = [one for some in at_once(lambda number: buy_and_pay(three, items, number)) for one in some]
    assert len(bought) == THREADS * ROUNDS
    homes = {body["session_id"]: HOME[currency] for currency, body in bought}
    for currency, body in bought:
        account = for_currency(in_use.STRIPE_ACCOUNTS, currency)
        assert account is not None
        assert account.name == HOME[currency]
        assert body["publishable_key"] == account.publishable_key == f"pk_test_{TAILS[account.name]}"
    assert set(homes.values()) == set(TAILS)
    # Our rows.
    stored = {payment.stripe_id: payment.account for payment in Payment.objects.all()}
    assert stored == homes
    # Stripe's objects, each in the account whose key made it.
    for name, tail in TAILS.items():
        store = three.box.store
        sessions = store.list(tail, "checkout.session")[0]
        assert {session["id"] for session in sessions} == {id for id, home in homes.items() if home == name}
        charges = store.list(tail, "charge")[0]
        assert len(charges) == len(sessions)
        for thing in [*sessions, *charges]:
            assert HOME[thing["currency"]] == name
        (rate,) = store.list(tail, "tax_rate")[0]
        assert StripeMirror.objects.get(account=name).stripe_id == rate["id"]
    assert set(three.box.store.accounts()) == set(TAILS.values())


def test_events_of_three_accounts_in_32_threads_make_each_its_own_orders_paid(
    three: ShopSandbox, deliver: Callable[..., Any]
) -> None:
    """pain 10: the address and its secret say whose event it is; another account's are refused"""
    items = [make_item(name=code, price=4800, currency=code) for code in HOME]
    at_once(lambda number: buy_and_pay(three, items, number))
    mail = [
        (name, event.to_dict(for_json=True))
        for name, tail in TAILS.items()
        for event in client(three, f"sk_test_{tail}").v1.events.list({"limit": 100}).auto_paging_iter()
        if event.type == "checkout.session.completed"
    ]
    assert len(mail) == THREADS * ROUNDS

    def post(number: int) -> Counter[int]:
        chance, statuses = random.Random(number), Counter[int]()
        for name, event in mail[number::THREADS]:
            other = chance.choice([wrong for wrong in TAILS if wrong != name])
            secret = f"whsec_of_{name}"
            statuses[deliver(event, account=other, secret=secret).status_code] += 1
            # Rightly signed, and yet about nothing of that account: another shop's, for all it knows.
            foreign = {**event, "id": f"{event['id']}_stray"}
            assert deliver(foreign, account=other, secret=f"whsec_of_{other}").json() == {"status": "ignored"}
            assert deliver(event, account=name, secret=secret).json() == {"status": "done"}
        return statuses

    assert sum(at_once(post), Counter[int]()) == {400: len(mail)}
    assert not Order.objects.exclude(status="paid").exists()
    assert not Payment.objects.exclude(status="paid").exists()
    done = StripeEvent.objects.filter(status="done")
    assert {(row.account, row.event_id) for row in done} == {(name, event["id"]) for name, event in mail}
