"""How often visitors make the shop ask Stripe: a few times in a burst, and within a budget."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client

from kopeck.abuse import budgets
from kopeck.abuse import jobs as limit_jobs
from kopeck.abuse.models import Budget
from kopeck.abuse.rates import Rate
from kopeck.orders.models import Order
from kopeck.storefront import questions
from kopeck.stripe_api import client as wire
from kopeck.web.visitors import VISITOR_COOKIE
from tests.support.depth import DEEP
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)
#: What one visitor sent in 14 seconds is 268, and in how many threads they come here.
BURST, THREADS = 268 if DEEP else 64, 16
#: Seconds of a window that no test sees the end of.
LONG = 10**7


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the shop has asked Stripe about an object that there is already."""
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    real = wire.Gateway.retrieve

    def ask(self: wire.Gateway, kind: str, stripe_id: str) -> Any:
        with lock:
            counts[kind] += 1
        return real(self, kind, stripe_id)

    monkeypatch.setattr(wire.Gateway, "retrieve", ask)
    return counts


def burst(buyer: Client, address: str) -> Counter[int]:
    """The statuses of many requests of one visitor, many of them at once."""
    start = threading.Barrier(THREADS)

    def press(number: int) -> int:
        client = Client(raise_request_exception=False)
        client.cookies[VISITOR_COOKIE] = buyer.cookies[VISITOR_COOKIE].value
        if number < THREADS:
            start.wait(30)
        status = client.get(address).status_code
        connection.close()
        return status

    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(pool.map(press, range(BURST)))


def seconds_pass() -> None:
    """More than two: all payments may be asked about again."""
    Budget.objects.filter(key__startswith="asks payment").delete()
    questions.forget()


@pytest.mark.random
@pytest.mark.parametrize(
    ("first", "address"),
    [
        ("/intent/{item}", "/intent/{item}"),
        ("/intent/{item}", "/order/{order}/intent"),
        ("/intent/{item}", "/order/{order}/return"),
        ("/buy/{item}", "/order/{order}/return"),
    ],
)
def test_a_burst_of_one_visitor_asks_stripe_a_few_times(
    first: str, address: str, sandbox: ShopSandbox, buyer: Client, asked: Counter[str]
) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    assert buyer.get(first.format(item=item.pk)).status_code == 200
    seconds_pass()
    asked.clear()
    began = time.monotonic()
    statuses = burst(buyer, address.format(item=item.pk, order=Order.objects.get().pk))
    assert statuses == {303 if address.endswith("return") else 200: BURST}
    # One in two seconds, however long this machine takes for all of them.
    assert 1 <= asked.total() <= 2 + (time.monotonic() - began) / questions.FRESH


def test_the_page_that_confirms_is_always_answered_by_stripe_itself(
    sandbox: ShopSandbox, buyer: Client, asked: Counter[str]
) -> None:
    """It asks again three seconds after the last answer."""
    session = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    order = Order.objects.get()
    for tries in range(3):
        answer = buyer.get(f"/order/{order.pk}/return?tries={tries}")
        assert answer["Location"] == f"/order/{order.pk}?confirming={tries + 1}"
        assert asked["checkout"] == tries + 1
        seconds_pass()
    sandbox.pay(session)
    assert buyer.get(f"/order/{order.pk}/return?tries=3")["Location"] == f"/order/{order.pk}"
    order.refresh_from_db()
    assert order.status == "paid"


def test_what_was_asked_a_moment_ago_is_confirmed_a_moment_later(
    sandbox: ShopSandbox, buyer: Client, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "FRESH", LONG)
    session = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    order = Order.objects.get()
    buyer.get(f"/order/{order.pk}/return")
    sandbox.pay(session)
    answer = buyer.get(f"/order/{order.pk}/return")
    assert "Confirming your payment" in buyer.get(answer["Location"]).content.decode()
    assert asked["checkout"] == 1
    seconds_pass()
    buyer.get(f"/order/{order.pk}/return?tries=1")
    order.refresh_from_db()
    assert order.status == "paid"


def test_what_an_event_made_the_shop_ask_keeps_no_buyer_from_the_truth(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    """A declined card's event comes a moment before the buyer pays with another card and returns."""
    intent = buyer.get(f"/intent/{make_item().pk}").json()["payment_intent_id"]
    sandbox.pay(intent, "4000000000000002")
    for event in sandbox.events():
        assert deliver(event).status_code == 200
    sandbox.pay(intent)
    order = Order.objects.get()
    assert buyer.get(f"/order/{order.pk}/return")["Location"] == f"/order/{order.pk}"


# Budgets --------------------------------------------------------------------------------------------------


@pytest.fixture
def small(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four a visitor and six an address, in windows that do not end while a test runs."""
    settings.BUDGET_VISITOR, settings.BUDGET_ADDRESS = Rate(4, LONG), Rate(6, LONG)
    monkeypatch.setattr(budgets, "MINUTE", LONG)


def intent_of(client: Client, order: Order) -> Any:
    seconds_pass()
    return client.get(f"/order/{order.pk}/intent?key={order.key}")


def test_questions_have_a_budget_of_as_many_a_minute_as_things_may_be_started(
    sandbox: ShopSandbox, buyer: Client, small: None, asked: Counter[str]
) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    buyer.get(f"/intent/{item.pk}")
    order = Order.objects.get()
    Budget.objects.all().delete()
    asked.clear()
    statuses = [intent_of(buyer, order).status_code for _ in range(6)]
    assert statuses == [200] * 4 + [429] * 2
    refused = intent_of(buyer, order)
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(refused["Retry-After"]) <= LONG
    # Another visitor of the same address, with the order's link.
    assert [intent_of(Client(), order).status_code for _ in range(2)] == [429] * 2
    assert asked["intent"] == 4
    Budget.objects.update(began=F("began") - timedelta(seconds=LONG))
    assert intent_of(buyer, order).status_code == 200


def test_over_its_budget_the_return_page_is_answered_by_what_is_known(
    sandbox: ShopSandbox, buyer: Client, small: None, asked: Counter[str]
) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    session = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    order = Order.objects.get()
    for _ in range(6):
        seconds_pass()
        assert buyer.get(f"/order/{order.pk}/return").status_code == 303
    assert asked["checkout"] == 4
    sandbox.pay(session)
    seconds_pass()
    answer = buyer.get(f"/order/{order.pk}/return")
    assert "confirming" in answer["Location"]
    Budget.objects.update(began=F("began") - timedelta(seconds=LONG))
    assert "confirming" not in buyer.get(f"/order/{order.pk}/return")["Location"]


def test_a_question_that_stripe_does_not_answer_is_told_to_all_who_wait_for_it(
    sandbox: ShopSandbox, buyer: Client, asked: Counter[str]
) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    buyer.get(f"/intent/{item.pk}")
    questions.forget()
    sandbox.control("PUT", "faults", {"error_rate": 1})
    assert buyer.get(f"/intent/{item.pk}").status_code == 503
    sandbox.control("PUT", "faults", {"error_rate": 0})
    assert buyer.get(f"/intent/{item.pk}").status_code == 200


def test_who_waits_gets_the_answer_and_who_gives_up_before_is_told_so(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    secret = buyer.get(f"/intent/{item.pk}").json()["client_secret"]
    questions.forget()
    asks, answered, gave_up = threading.Event(), threading.Event(), threading.Event()
    retrieve, wait = wire.Gateway.retrieve, questions.wait_until

    def slow(self: wire.Gateway, kind: str, stripe_id: str) -> Any:
        asks.set()
        assert answered.wait(30)
        return retrieve(self, kind, stripe_id)

    def impatient(done: Any, *, patience: float) -> bool:
        if not gave_up.is_set():
            gave_up.set()
            return wait(done, patience=0)
        assert not done()
        answered.set()
        return wait(done, patience=patience)

    monkeypatch.setattr(wire.Gateway, "retrieve", slow)
    monkeypatch.setattr(questions, "wait_until", impatient)

    def ask(number: int) -> Any:
        if number:
            assert asks.wait(30)
        if number == 2:
            assert gave_up.wait(30)
        client = Client(raise_request_exception=False)
        client.cookies[VISITOR_COOKIE] = buyer.cookies[VISITOR_COOKIE].value
        answer = client.get(f"/intent/{item.pk}")
        connection.close()
        return answer.json().get("client_secret", answer.status_code)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(ask, range(3))) == [secret, 503, secret]


def test_the_worker_forgets_the_counts_of_questions_too(
    sandbox: ShopSandbox, buyer: Client, small: None
) -> None:
    buyer.get(f"/buy/{make_item().pk}")
    buyer.get(f"/order/{Order.objects.get().pk}/return")
    assert Budget.objects.filter(key__startswith="asks ").count() == 3
    Budget.objects.update(began=F("began") - timedelta(seconds=3 * LONG))
    limit_jobs.forget()
    assert not Budget.objects.exists()


def test_the_window_of_questions_is_a_minute(sandbox: ShopSandbox, buyer: Client, settings: Any) -> None:
    settings.BUDGET_VISITOR = settings.BUDGET_ADDRESS = Rate(30, 600)
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    buyer.get(f"/buy/{item.pk}")
    buyer.get(f"/order/{Order.objects.get().pk}/return")
    (row,) = Budget.objects.filter(key__startswith="asks visitor")
    assert (row.began.second, row.count) == (0, 1)
