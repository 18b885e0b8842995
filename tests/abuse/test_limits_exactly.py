"""Where exactly budgets, declined cards and attacks begin and end. Nothing is asked of Stripe here."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.abuse import declines
from kopeck.abuse.budgets import Allowance, hash_address
from kopeck.abuse.models import Attack, Budget, Decline
from kopeck.abuse.rates import Rate
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments.models import Payment
from kopeck.webhooks import declines as told
from kopeck.webhooks.models import StripeEvent
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 28, 12, 34, 56, tzinfo=UTC)
USUAL = {"visitors": 0, "addresses": 0, "of_order": 0, "of_visitor": 0, "of_address": 0}


@pytest.fixture
def budgets(settings: Any) -> None:
    settings.BUDGET_VISITOR, settings.BUDGET_ADDRESS = Rate(10, 3600), Rate(20, 600)


def refusal(
    client: Allowance, *, attack: bool = False, first: datetime = NOW, **counts: int
) -> ShopError | None:
    facts = list((USUAL | counts).values())
    try:
        client._judge(NOW + timedelta(minutes=9) if attack else None, *facts, NOW, first)
    except ShopError as refused:
        return refused
    return None


def seconds(refused: ShopError | None) -> int:
    assert refused is not None
    assert (refused.code, refused.status) == ("too_many_requests", 429)
    return refused.retry_after


@pytest.mark.parametrize(
    ("attack", "counts"),
    [
        (False, {"of_order": 8}),
        (False, {"of_visitor": 10}),
        (False, {"of_address": 20}),
        (False, {"visitors": 11}),
        (False, {"addresses": 21}),
        (True, {"of_order": 3}),
        (True, {"of_visitor": 3}),
        (True, {"of_address": 6}),
        (True, {"visitors": 3}),
        (True, {"addresses": 5}),
    ],
)
def test_one_fewer_is_let_in(budgets: None, attack: bool, counts: dict[str, int]) -> None:
    client = Allowance("visitor", "address", age=60.0)
    assert refusal(client, attack=attack, **counts) is not None
    assert refusal(client, attack=attack, **{name: count - 1 for name, count in counts.items()}) is None


def test_who_had_too_many_declines_may_come_back_an_hour_after_the_first(budgets: None) -> None:
    client = Allowance("visitor", "address")
    first = NOW - timedelta(minutes=50)
    refused = refusal(client, of_order=8, first=first)
    assert seconds(refused) == 600
    assert "ask your bank" in str(refused)
    assert seconds(refusal(client, of_order=8, first=NOW - timedelta(hours=1))) == 1


def test_who_started_too_much_may_come_back_in_the_next_window(budgets: None) -> None:
    client = Allowance("visitor", "address")
    refused = refusal(client, visitors=11)
    assert seconds(refused) == 3600 - (34 * 60 + 56)
    assert "lot of orders" in str(refused)
    assert seconds(refusal(client, addresses=21)) == 600 - (4 * 60 + 56)


def test_a_budget_of_nothing_limits_nothing(settings: Any) -> None:
    settings.BUDGET_VISITOR = settings.BUDGET_ADDRESS = Rate(0, 60)
    assert refusal(Allowance("visitor", "address"), visitors=1000, addresses=1000) is None
    Allowance("visitor", "address").spend()
    assert not Budget.objects.exists()


@pytest.mark.parametrize(("age", "is_let_in"), [(None, False), (2.9, False), (3.0, True), (60.0, True)])
def test_during_an_attack_a_page_must_have_been_shown_three_seconds_ago(
    budgets: None, age: float | None, is_let_in: bool
) -> None:
    client = Allowance("visitor", "address", age=age)
    refused = refusal(client, attack=True)
    assert (refused is None) == is_let_in
    if refused:
        assert seconds(refused) == 3
        assert "look twice" in str(refused)
    assert refusal(client) is None


@pytest.mark.parametrize(("status", "is_let_in"), [("paid", True), ("refunded", True), ("expired", False)])
def test_during_an_attack_who_has_paid_here_before_needs_no_page(
    budgets: None, status: str, is_let_in: bool
) -> None:
    order = placing.place([Wanted(make_item(), 1)], visitor="visitor")
    Order.objects.update(status=status, paid_at=None if status == "expired" else NOW)
    assert (refusal(Allowance("visitor", "address"), attack=True) is None) == is_let_in
    assert refusal(Allowance("other", "address"), attack=True) is not None
    Order.objects.filter(pk=order.pk).update(visitor="")
    assert refusal(Allowance("", "address"), attack=True) is not None


def test_a_request_is_counted_once_and_by_what_is_known_of_it(budgets: None) -> None:
    client = Allowance("visitor", "address")
    for _time in range(3):
        client.spend()
    assert dict(Budget.objects.values_list("key", "count")) == {"visitor visitor": 1, "address address": 1}
    Allowance("", "address").spend_if_new()
    Allowance("visitor", "address").spend_if_new()
    Allowance("", "").spend()
    assert dict(Budget.objects.values_list("key", "count")) == {"visitor visitor": 1, "address address": 2}


def test_windows_of_visitors_and_addresses_are_their_own(budgets: None) -> None:
    Allowance("visitor", "address").spend()
    began = dict(Budget.objects.values_list("key", "began"))
    assert int(began["visitor visitor"].timestamp()) % 3600 == 0
    assert int(began["address address"].timestamp()) % 600 == 0
    now = timezone.now()
    assert now - timedelta(hours=1, minutes=1) < began["visitor visitor"] <= now
    assert now - timedelta(minutes=11) < began["address address"] <= now


def decline(order: Order, number: int, *, ago: timedelta = timedelta(0), **facts: Any) -> None:
    who = {"visitor": "v", "address": "a"} | facts
    Decline.objects.bulk_create(
        Decline(
            account="default",
            stripe_id=f"ch_{uuid4().hex}",
            order=order,
            created=timezone.now() - ago,
            **who,
        )
        for _one in range(number)
    )


@pytest.fixture
def order(db: None) -> Order:
    return placing.place([Wanted(make_item(), 1)], visitor="visitor")


@pytest.fixture
def payment(order: Order) -> Payment:
    return Payment.objects.create(
        order=order, account="default", kind="checkout", status="open", stripe_id="cs_1", attempt=1,
        amount=order.total, currency=order.currency, fingerprint=order.terms, asked_from="from",
        expires_at=timezone.now() + timedelta(minutes=30), inputs={},
    )  # fmt: skip


@pytest.mark.parametrize("whose", ["order", "visitor", "address"])
def test_declines_of_the_hour_count_for_order_visitor_and_address_each(
    budgets: None, order: Order, whose: str
) -> None:
    other = placing.place([Wanted(make_item(), 1)], visitor="other")
    most = {"order": 8, "visitor": 10, "address": 20}[whose]
    facts: dict[str, Any] = {"visitor": "x", "address": "y"}
    if whose != "order":
        facts[whose] = f"my {whose}"
    mine = order if whose == "order" else other
    decline(mine, most - 1, **facts)
    decline(mine, 5, ago=timedelta(minutes=61), **facts)
    decline(other, 30, visitor="", address="")
    Allowance("my visitor", "my address").spend(order)
    decline(mine, 1, **facts)
    with pytest.raises(ShopError) as refused:
        Allowance("my visitor", "my address").spend(order)
    assert 3590 <= seconds(refused.value) <= 3600
    if whose == "order":
        Allowance("my visitor", "my address").spend()  # another one


def event(payment: Payment | None, error: Any = None, **facts: Any) -> StripeEvent:
    metadata = {"kopeck_payment": str(payment.key)} if payment else {}
    intent = {"id": "pi_1", "metadata": metadata, "last_payment_error": error} | facts.pop("intent", {})
    usual = {"account": "default", "event_id": "evt_1", "type": "payment_intent.payment_failed"}
    return StripeEvent(
        payload={"data": {"object": intent}}, created=facts.pop("created", timezone.now()), **(usual | facts)
    )


def card(kind: str = "card", **more: Any) -> dict[str, Any]:
    return {"charge": "ch_1", "code": "card_declined", "payment_method": {"type": kind}, **more}


def test_a_declined_card_is_noted_with_all_that_it_counts_for(payment: Payment) -> None:
    at = timezone.now() - timedelta(minutes=5)
    said = told.count(event(payment, card(decline_code="do_not_honor"), created=at))
    assert said == f"Order {payment.order_id}: 1 card was declined within the hour."
    fact = Decline.objects.get()
    assert (fact.account, fact.stripe_id, fact.code) == ("default", "ch_1", "do_not_honor")
    assert (fact.order, fact.visitor, fact.address) == (payment.order, "visitor", "from")
    assert fact.created == at


def test_what_an_event_lacks_is_made_up_for(payment: Payment) -> None:
    later = timezone.now() + timedelta(hours=1)
    told.count(event(payment, "not an object", created=later))
    told.count(event(payment, card(charge=None), event_id="e" * 300))
    told.count(event(payment, card(charge="ch_2", code="c" * 120)))
    found = list(Decline.objects.order_by("pk"))
    assert [one.stripe_id for one in found] == ["evt_1", "e" * 255, "ch_2"]
    assert [one.code for one in found] == ["", "card_declined", "c" * 100]
    assert found[0].created <= timezone.now()  # by our clock, where Stripe's is ahead


@pytest.mark.parametrize(("kind", "counts"), [("card", 1), ("link", 1), ("sepa_debit", 0), ("", 1)])
def test_cards_count_and_debits_that_a_bank_refuses_do_not(payment: Payment, kind: str, counts: int) -> None:
    assert bool(told.count(event(payment, card(kind)))) == bool(counts)
    assert Decline.objects.count() == counts


def test_what_is_no_payment_of_this_account_is_ignored(payment: Payment) -> None:
    assert told.count(event(None, card())) == ""
    assert told.count(event(payment, card(), account="eur")) == ""
    for metadata in (None, "text", {"kopeck_payment": "no key"}, {"kopeck_payment": None}, {}):
        assert told.count(event(payment, card(), intent={"metadata": metadata})) == ""
        assert told.key_in(metadata) is None
    assert told.key_in({"kopeck_payment": str(payment.key)}) == payment.key
    assert not Decline.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("is_attacked", "most"), [(False, 8), (True, 3)])
def test_an_order_with_too_many_declines_of_the_hour_is_closed(
    sandbox: ShopSandbox, buyer: Client, is_attacked: bool, most: int
) -> None:
    buyer.get(f"/buy/{make_item().pk}")
    payment = Payment.objects.get()
    if is_attacked:
        Attack.objects.create(until=timezone.now() + timedelta(minutes=5), declines=20, paid=0)
    decline(payment.order, most - 2)
    decline(payment.order, 9, ago=timedelta(minutes=61))
    told.count(event(payment, card(charge="ch_a")))
    assert [session.status for session in sandbox.sessions()] == ["open"]
    said = told.count(event(payment, card(charge="ch_b")))
    assert [session.status for session in sandbox.sessions()] == ["expired"]
    assert said == f"Order {payment.order_id}: closed after {most} declined cards."
    assert payment.order.notes.get().text == f"Closed for an hour: {most} cards were declined."


@pytest.mark.parametrize(
    "facts", [{"status": "expired"}, {"status": "creating", "stripe_id": None}, {"stripe_id": ""}]
)
def test_what_is_not_open_at_stripe_cannot_be_closed_there(payment: Payment, facts: dict[str, Any]) -> None:
    """No Stripe answers here: asking it would be an error."""
    Payment.objects.update(**facts)
    decline(payment.order, 8)
    said = told.count(event(payment, card()))
    assert said == f"Order {payment.order_id}: 9 cards were declined within the hour."


def paid(number: int, ago: timedelta = timedelta(0)) -> None:
    for one in range(number):
        order = placing.place([Wanted(make_item(), 1)], visitor=f"paid {one} {ago}")
        at = timezone.now() - ago
        Payment.objects.create(
            order=order, account="default", kind="checkout", status="paid", paid_at=at,
            stripe_id=f"cs_{order.pk}", attempt=1, amount=1, currency="usd", expires_at=at, inputs={},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("declined", "bought", "is_attack"),
    [(19, 0, False), (20, 0, True), (20, 13, True), (20, 14, False), (30, 20, False), (31, 20, True)],
)
def test_an_attack_is_twenty_declines_in_ten_minutes_and_more_than_sixty_of_a_hundred_tried(
    order: Order, declined: int, bought: int, is_attack: bool
) -> None:
    decline(order, declined)
    decline(order, 50, ago=timedelta(minutes=11))
    paid(bought)
    paid(3, ago=timedelta(minutes=11))
    assert declines._look_for_attack(told._paid_since) is is_attack
    assert [(one.declines, one.paid) for one in Attack.objects.all()] == [(declined, bought)] * is_attack
    for attack in Attack.objects.all():
        assert timedelta(minutes=9) < attack.until - timezone.now() <= timedelta(minutes=10)


@pytest.mark.parametrize("bought", [0, 40])
def test_an_attack_lasts_till_its_end_though_few_are_declined_meanwhile(order: Order, bought: int) -> None:
    decline(order, 20 if bought else 1)
    paid(bought)
    attack = Attack.objects.create(until=timezone.now() + timedelta(seconds=30), declines=20, paid=0)
    assert declines._look_for_attack(told._paid_since) is True
    Attack.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert declines._look_for_attack(told._paid_since) is False
    attack.refresh_from_db()
    assert (attack.declines, attack.paid, attack.ended) == (20, 0, None)


def test_an_attack_that_goes_on_is_prolonged_and_remembers_its_worst_ten_minutes(order: Order) -> None:
    soon = timezone.now() + timedelta(seconds=30)
    Attack.objects.create(until=soon - timedelta(hours=9), ended=soon, declines=99, paid=9)
    attack = Attack.objects.create(until=soon, declines=25, paid=7)
    decline(order, 24)
    assert declines._look_for_attack(told._paid_since) is True
    attack.refresh_from_db()
    assert attack.until > soon + timedelta(minutes=8)
    assert (attack.declines, attack.paid) == (25, 7)
    decline(order, 2)
    paid(1)
    assert declines._look_for_attack(told._paid_since) is True
    attack.refresh_from_db()
    assert (attack.declines, attack.paid) == (26, 1)
    assert Attack.objects.count() == 2


def test_an_attack_that_is_over_is_ended_once() -> None:
    now = timezone.now()
    going_on = Attack.objects.create(until=now + timedelta(minutes=1), declines=20, paid=0)
    assert declines.end_attacks() == 0
    Attack.objects.update(until=now)
    assert declines.end_attacks() == 1
    going_on.refresh_from_db()
    assert going_on.ended is not None
    assert now <= going_on.ended <= timezone.now()
    assert declines.end_attacks() == 0


def test_addresses_are_kept_as_keyed_hashes(settings: Any) -> None:
    first = hash_address("203.0.113.9")
    assert len(first) == 64
    assert "203" not in first[:3]
    settings.SECRET_KEY = "another"
    assert hash_address("203.0.113.9") != first
    assert hash_address("no address") == ""
