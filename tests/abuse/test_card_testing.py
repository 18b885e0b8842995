"""Card testing: one who tries many cards is closed out, by order, visitor, address, and shop."""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db.models import F
from django.test import Client
from django.utils import timezone

from kopeck.abuse import budgets, declines
from kopeck.abuse.models import Attack, Decline
from kopeck.abuse.rates import Rate
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments.models import Payment
from kopeck.web.visitors import SINCE_COOKIE, VISITOR_COOKIE, Visitor
from kopeck.webhooks.models import StripeEvent
from tests.support.shop import LONG_WINDOW, ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)
DECLINED = "4000000000000002"
Decliner = Callable[[str, int], None]


@pytest.fixture
def decline(sandbox: ShopSandbox, deliver: Callable[..., Any]) -> Decliner:
    """Tries so many bad cards on a session or intent, each followed by its event."""
    seen: set[str] = set()

    def try_cards(stripe_id: str, times: int) -> None:
        kind = "sessions" if stripe_id.startswith("cs_") else "intents"
        for _ in range(times):
            sandbox.control("POST", f"{kind}/{stripe_id}/pay", {"card": DECLINED})
            for event in sandbox.events():
                if event["type"] == "payment_intent.payment_failed" and event["id"] not in seen:
                    seen.add(event["id"])
                    assert deliver(event).status_code == 200

    return try_cards


def declined(number: int, order: Order, *, ago: timedelta = timedelta(0)) -> None:
    """As if so many events had told of declined cards of this order's, each from an address of its own."""
    Decline.objects.bulk_create(
        Decline(
            account="default",
            stripe_id=f"ch_{order.pk}_{one}_{ago.seconds}",
            order=order,
            visitor=f"{order.pk}-{one}",
            address=f"{order.pk}-{one}",
            created=timezone.now() - ago,
        )
        for one in range(number)
    )


def aged(client: Client, item: Any, seconds: int = 60) -> Client:
    """The browser, as if it had been shown the item's page so long ago."""
    client.get(f"/item/{item.pk}?mine=1")
    visitor = Visitor(client.cookies[VISITOR_COOKIE].value)
    client.cookies[SINCE_COOKIE] = visitor.seen_at(int(timezone.now().timestamp()) - seconds)
    return client


@pytest.fixture
def attack(buyer: Client, sandbox: ShopSandbox) -> Attack:
    return Attack.objects.create(until=timezone.now() + timedelta(minutes=10), declines=20, paid=0)


@pytest.mark.parametrize("way", ["buy", "intent"])
def test_an_order_with_eight_declined_cards_is_closed_at_stripe_and_for_an_hour(
    sandbox: ShopSandbox, buyer: Client, decline: Decliner, way: str
) -> None:
    """pain 23"""
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    body = buyer.get(f"/{way}/{item.pk}").json()
    stripe_id = body.get("session_id") or body["payment_intent_id"]
    decline(stripe_id, 7)
    assert Payment.objects.get().status == "open"
    decline(stripe_id, 1)
    assert Payment.objects.get().status == "expired"
    service = sandbox.stripe.v1.checkout.sessions if way == "buy" else sandbox.stripe.v1.payment_intents
    assert service.retrieve(stripe_id).status in ("expired", "canceled")
    refused = buyer.get(f"/{way}/{item.pk}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
    assert "ask your bank" in refused.json()["error"]["message"]
    assert 3500 < int(refused["Retry-After"]) <= 3600
    assert "8 cards were declined" in Order.objects.get().notes.get().text
    assert mail.outbox == []
    Decline.objects.update(created=F("created") - timedelta(hours=1))
    assert buyer.get(f"/{way}/{item.pk}").status_code == 200


def test_a_decline_is_a_fact_of_order_visitor_and_address_and_counts_once(
    sandbox: ShopSandbox, buyer: Client, decline: Decliner, deliver: Callable[..., Any]
) -> None:
    item = make_item()
    session_id = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    decline(session_id, 1)
    fact, order, payment = Decline.objects.get(), Order.objects.get(), Payment.objects.get()
    assert (fact.order, fact.visitor, fact.code) == (order, order.visitor, "generic_decline")
    assert fact.address == payment.asked_from == budgets.hash_address("127.0.0.1")
    assert fact.stripe_id.startswith("ch_")
    event = next(e for e in sandbox.events() if e["type"] == "payment_intent.payment_failed")
    deliver(event)
    deliver({**event, "id": "evt_another_of_the_same_charge"})
    assert Decline.objects.count() == 1
    assert "1 card was declined" in StripeEvent.objects.get(event_id=event["id"]).outcome
    assert sandbox.pay(session_id)  # another card pays it
    assert sandbox.stripe.v1.checkout.sessions.retrieve(session_id).payment_status == "paid"


def test_declines_of_somebody_elses_payments_and_of_bank_debits_are_no_card_testing(
    sandbox: ShopSandbox, buyer: Client, decline: Decliner, deliver: Callable[..., Any]
) -> None:
    session_id = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    decline(session_id, 1)
    Decline.objects.all().delete()
    event = next(e for e in sandbox.events() if e["type"] == "payment_intent.payment_failed")
    intent = event["data"]["object"]
    debit = {**intent["last_payment_error"], "payment_method": {"type": "sepa_debit"}}
    for number, changed in enumerate(
        [{"metadata": {}}, {"metadata": {"kopeck_payment": "none"}}, {"last_payment_error": debit}]
    ):
        body = {**event, "id": f"evt_{number}", "data": {"object": {**intent, **changed}}}
        assert deliver(body).status_code == 200
    assert not Decline.objects.exists()


@pytest.mark.parametrize("who", ["visitor", "address"])
def test_a_visitor_or_address_with_many_declines_starts_nothing_new(
    sandbox: ShopSandbox, buyer: Client, who: str
) -> None:
    """pain 23"""
    first, second = make_item(), make_item()
    buyer.get(f"/item/{first.pk}?mine=1")
    buyer.get(f"/buy/{first.pk}")
    payment = Payment.objects.get()
    mine = payment.order.visitor if who == "visitor" else payment.asked_from
    declined({"visitor": 9, "address": 19}[who], payment.order)
    Decline.objects.update(order=placing.place_for_buy(Wanted(second, 1), visitor="x"), **{who: mine})
    assert buyer.get(f"/buy/{second.pk}").status_code == 200
    declined(1, payment.order, ago=timedelta(seconds=1))
    Decline.objects.update(**{who: mine})
    third = make_item()
    assert buyer.get(f"/buy/{third.pk}").status_code == 429
    assert buyer.post("/order", {f"item_{third.pk}": 1}).status_code == 429
    assert buyer.get(f"/buy/{first.pk}").status_code == 200  # what is open may still be paid


def test_one_declined_card_is_one_card_and_two_are_two(
    sandbox: ShopSandbox, buyer: Client, decline: Decliner
) -> None:
    session_id = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    order = Order.objects.get()
    decline(session_id, 2)
    outcomes = {event.outcome for event in StripeEvent.objects.filter(type="payment_intent.payment_failed")}
    told = {outcome.partition(" Its")[0] for outcome in outcomes}
    assert told == {
        f"Order {order.pk}: 1 card was declined within the hour.",
        f"Order {order.pk}: 2 cards were declined within the hour.",
    }


def test_the_shop_is_under_attack_when_most_of_many_cards_are_declined_and_not_before(
    sandbox: ShopSandbox, buyer: Client, decline: Decliner, owner: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """pain 23"""
    caplog.set_level(logging.WARNING)
    item = make_item()
    session_id = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    other = placing.place_for_buy(Wanted(item, 1), visitor="x")
    declined(18, other)
    decline(session_id, 1)
    assert not Attack.objects.exists()  # nineteen
    declined(30, other, ago=timedelta(minutes=11))
    decline(session_id, 1)
    attack = Attack.objects.get()
    assert (attack.declines, attack.paid, attack.ended) == (20, 0, None)
    assert "card testing: 20 cards declined and 0 paid" in caplog.text
    decline(session_id, 1)
    assert Attack.objects.get().declines == 21  # it goes on, and is still the same one
    assert "21 were declined within ten minutes" in owner.get("/admin/").content.decode()
    assert "declined within" not in buyer.get("/admin/", follow=True).content.decode()
    assert owner.get("/admin/abuse/attack/").status_code == 200
    assert owner.get("/admin/abuse/decline/").status_code == 200
    Attack.objects.update(until=timezone.now())
    assert "declined within" not in owner.get("/admin/").content.decode()


def test_declines_among_as_many_payments_are_no_attack(
    sandbox: ShopSandbox, buyer: Client, decline: Decliner
) -> None:
    item = make_item()
    session_id = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    for number in range(15):
        order = placing.place_for_buy(Wanted(item, 1), visitor=f"v{number}")
        now = timezone.now()
        facts = {
            "account": "default",
            "stripe_id": f"cs_{number}",
            "amount": 1,
            "currency": "usd",
            "attempt": 1,
        }
        order.payments.create(status="paid", inputs={}, expires_at=now, paid_at=now, **facts)
    declined(20, order)
    decline(session_id, 1)
    assert Decline.objects.count() == 21  # of 36: 58 %
    assert not Attack.objects.exists()
    declined(3, order, ago=timedelta(seconds=2))
    decline(session_id, 1)
    assert Attack.objects.get().paid == 15  # 25 of 40: more than 60 %


def test_under_attack_a_script_without_the_page_buys_nothing_and_the_page_does(
    attack: Attack, sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    """pain 23"""
    item = make_item()
    for _ in range(2):  # nor with the cookie that a refused request could have given it
        refused = stranger.get(f"/buy/{item.pk}")
        assert (refused.status_code, refused["Retry-After"]) == (429, "3")
        assert "open the page and press again" in refused.json()["error"]["message"]
    stranger.cookies[VISITOR_COOKIE] = "x" * 43
    stranger.cookies[SINCE_COOKIE] = f"{int(timezone.now().timestamp()) - 60}.forged"
    assert stranger.get(f"/buy/{item.pk}").status_code == 429
    buyer.get(f"/item/{item.pk}?mine=1")
    assert buyer.get(f"/buy/{item.pk}").status_code == 429  # quicker than anybody reads
    assert not Order.objects.exists()
    assert aged(buyer, item).get(f"/buy/{item.pk}").status_code == 200
    stranger.cookies[SINCE_COOKIE] = buyer.cookies[SINCE_COOKIE].value  # another visitor's proves nothing
    assert stranger.get(f"/buy/{item.pk}").status_code == 429


def test_under_attack_a_kept_pages_stamp_begins_the_time_and_proves_nothing_by_itself(
    attack: Attack, sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    """The page gives no cookie: its form proves that it was shown, and the browser waits from then on."""
    item = make_item()
    page = buyer.get(f"/item/{item.pk}").content.decode()
    found = re.search(r'name="stamp" value="([^"]+)"', page)
    assert found
    headers = {"Accept": "application/json", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    address = f"/buy/{item.pk}?stamp={found[1]}"
    for client, asked in ((stranger, f"/buy/{item.pk}?stamp={found[1]}x"), (buyer, address)):
        sent_round = client.get(asked, headers=headers)
        assert sent_round.status_code == 307
        refused = client.get(sent_round["Location"], headers=headers)
        assert (refused.status_code, refused["Retry-After"]) == (429, "3")
    assert SINCE_COOKIE not in stranger.cookies
    visitor = Visitor(buyer.cookies[VISITOR_COOKIE].value)
    assert Visitor(visitor.token, buyer.cookies[SINCE_COOKIE].value).age is not None
    buyer.cookies[SINCE_COOKIE] = visitor.seen_at(int(timezone.now().timestamp()) - 3)
    assert buyer.get(address, headers=headers).status_code == 200


def test_under_attack_who_paid_before_buys_as_ever(
    attack: Attack, sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    paid = placing.place_for_buy(Wanted(item, 1), visitor=Visitor(buyer.cookies[VISITOR_COOKIE].value).key)
    paid.mark_paid(timezone.now(), email="")
    del buyer.cookies[SINCE_COOKIE]
    assert buyer.get(f"/buy/{item.pk}").status_code == 200


def test_under_attack_budgets_and_patience_shrink(
    attack: Attack, sandbox: ShopSandbox, buyer: Client, decline: Decliner, settings: Any
) -> None:
    settings.BUDGET_VISITOR = Rate(10, LONG_WINDOW)
    items = [make_item() for _ in range(3)]
    aged(buyer, items[0])
    answers = [buyer.get(f"/buy/{item.pk}") for item in items]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    decline(answers[0].json()["session_id"], 3)
    assert Payment.objects.order_by("pk").first().status == "expired"  # type: ignore[union-attr]


def test_an_attack_ends_by_itself(
    attack: Attack, sandbox: ShopSandbox, stranger: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    item = make_item()
    assert stranger.get(f"/buy/{item.pk}").status_code == 429
    Attack.objects.update(until=timezone.now())
    assert stranger.get(f"/buy/{item.pk}").status_code == 200
    assert (declines.end_attacks(), declines.end_attacks()) == (1, 0)
    assert Attack.objects.get().ended
    assert "card testing: over" in caplog.text


def test_an_order_that_cannot_be_closed_at_stripe_now_is_closed_when_the_event_comes_again(
    sandbox: ShopSandbox, buyer: Client, decline: Decliner, deliver: Callable[..., Any]
) -> None:
    session_id = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    decline(session_id, 7)
    sandbox.pay(session_id, DECLINED)
    known = set(StripeEvent.objects.values_list("event_id", flat=True))
    failures = [event for event in sandbox.events() if event["type"] == "payment_intent.payment_failed"]
    (event,) = [event for event in failures if event["id"] not in known]
    once = {"kind": "error", "path": "^/v1/checkout/sessions/.*/expire$", "method": "POST"}
    sandbox.control("PUT", "faults", {"next": [once]})
    client = Client(raise_request_exception=False)
    assert deliver(event, client=client).status_code == 500
    assert Payment.objects.get().status == "open"
    assert deliver(event, client=client).status_code == 200
    assert Payment.objects.get().status == "expired"
