"""`/_sandbox/`: the ledger, paying without a browser, events and deliveries, time, reset."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import stripe

from sandbox_testing.own import SECRET, Own, Receiver, eventually, own_sandbox

GOOD, DECLINED, CHALLENGED = "4242424242424242", "4000000000000002", "4000002760003184"


@pytest.fixture
def own() -> Iterator[Own]:
    with own_sandbox() as own:
        yield own


def new_session(
    own: Own, amount: int = 1000, currency: str = "usd", **params: Any
) -> stripe.checkout.Session:
    line = {
        "quantity": 1,
        "price_data": {"currency": currency, "unit_amount": amount, "product_data": {"name": "Tea"}},
    }
    return own.client.v1.checkout.sessions.create(
        {"mode": "payment", "success_url": "http://127.0.0.1/done", "line_items": [line], **params}  # type: ignore[list-item]
    )


def pay(own: Own, session: stripe.checkout.Session, card: str = GOOD, **body: Any) -> tuple[int, Any]:
    return own.control("POST", f"sessions/{session.id}/pay", {"card": card, **body})


def test_a_session_is_paid_without_a_browser(own: Own) -> None:
    session = new_session(own)
    status, answer = pay(own, session, email="ann@example.com", name="Ann")
    assert (status, answer["outcome"]) == (200, "paid")
    assert answer["redirect_url"] == "http://127.0.0.1/done"
    paid = own.client.v1.checkout.sessions.retrieve(session.id)
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    assert (paid.customer_details.email, paid.customer_details.name) == ("ann@example.com", "Ann")


def test_a_declined_card_answers_402_in_stripes_words_and_leaves_the_session_open(own: Own) -> None:
    session = new_session(own)
    status, answer = pay(own, session, DECLINED)
    assert status == 402
    assert (answer["error"]["type"], answer["error"]["code"]) == ("card_error", "card_declined")
    assert answer["error"]["decline_code"] == "generic_decline"
    assert answer["error"]["message"] == "Your card was declined."
    assert own.client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert pay(own, session)[0] == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"card": "4242424242424241"}, "incorrect_number"),
        ({"exp_month": 13}, "invalid_expiry_month"),
        ({"cvc": "1"}, "invalid_cvc"),
    ],
)
def test_what_cannot_be_a_card_is_a_402_too(own: Own, body: dict[str, Any], code: str) -> None:
    status, answer = pay(own, new_session(own), **{"card": GOOD, **body})
    assert (status, answer["error"]["code"]) == (402, code)


def test_a_challenge_is_asked_for_passed_or_failed(own: Own) -> None:
    session = new_session(own)
    assert pay(own, session, CHALLENGED) == (
        200,
        {"session": session.id, "outcome": "requires_action", "redirect_url": None},
    )
    status, answer = pay(own, session, CHALLENGED, authenticate=False)
    assert (status, answer["error"]["code"]) == (402, "payment_intent_authentication_failure")
    assert pay(own, session, CHALLENGED, authenticate=True)[1]["outcome"] == "paid"


def test_a_session_is_paid_once(own: Own) -> None:
    session = new_session(own)
    pay(own, session)
    status, answer = pay(own, session)
    assert (status, answer["error"]["code"]) == (409, "closed")
    assert len(own.client.v1.charges.list().data) == 1


def test_an_order_that_costs_nothing_needs_no_card(own: Own) -> None:
    coupon = own.client.v1.coupons.create({"percent_off": 100})
    session = new_session(own, discounts=[{"coupon": coupon.id}])
    assert own.control("POST", f"sessions/{session.id}/pay")[1]["outcome"] == "paid"
    assert own.client.v1.coupons.retrieve(coupon.id).times_redeemed == 1


def test_an_intent_is_paid_without_a_browser(own: Own) -> None:
    intent = own.client.v1.payment_intents.create({"amount": 700, "currency": "eur"})
    path = f"intents/{intent.id}/pay"
    assert own.control("POST", path, {"card": DECLINED})[0] == 402
    failed = own.client.v1.payment_intents.retrieve(intent.id)
    assert failed.last_payment_error.code == "card_declined"
    assert own.control("POST", path, {"card": CHALLENGED})[1]["outcome"] == "requires_action"
    assert own.control("POST", path, {"card": GOOD})[1]["outcome"] == "paid"
    assert own.client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    assert own.control("POST", path, {"card": GOOD})[0] == 409


def test_an_intent_of_a_session_is_paid_by_its_session(own: Own) -> None:
    session = new_session(own)
    pay(own, session, DECLINED)
    intent = own.client.v1.checkout.sessions.retrieve(session.id).payment_intent
    status, answer = own.control("POST", f"intents/{intent}/pay", {"card": GOOD})
    assert (status, answer["error"]["code"]) == (409, "of_a_session")


def test_the_ledger_tells_every_charge_and_refund_with_what_the_shop_knows_it_by(own: Own) -> None:
    session = new_session(own, client_reference_id="order-1", metadata={"order": "1"})
    pay(own, session, DECLINED)
    pay(own, session)
    pay(own, new_session(own, 50000, "jpy"))
    intent = own.client.v1.checkout.sessions.retrieve(session.id).payment_intent
    refund = own.client.v1.refunds.create({"payment_intent": intent, "amount": 300})
    (mine,) = own.control("GET", "ledger")[1]["accounts"]
    assert mine["account"] == own.tail
    assert mine["totals"] == {
        "usd": {
            "charged": 1000,
            "refunded": 300,
            "net": 700,
            "charges": 1,
            "refunds": 1,
            "failed_charges": 1,
        },
        "jpy": {
            "charged": 50000,
            "refunded": 0,
            "net": 50000,
            "charges": 1,
            "refunds": 0,
            "failed_charges": 0,
        },
    }
    yen, paid, declined = mine["charges"]
    assert (yen["amount"], yen["currency"], yen["client_reference_id"]) == (50000, "jpy", None)
    assert (paid["status"], declined["status"]) == ("succeeded", "failed")
    assert paid["amount_refunded"] == 300
    for charge in (paid, declined):
        assert (charge["checkout_session"], charge["payment_intent"]) == (session.id, intent)
        assert (charge["client_reference_id"], charge["metadata"]) == ("order-1", {"order": "1"})
    (told,) = mine["refunds"]
    assert (told["id"], told["amount"], told["charge"]) == (refund.id, 300, paid["id"])
    assert told["client_reference_id"] == "order-1"


def test_the_ledger_counts_what_was_captured(own: Own) -> None:
    intent = own.client.v1.payment_intents.create(
        {"amount": 700, "currency": "eur", "capture_method": "manual"}
    )
    own.control("POST", f"intents/{intent.id}/pay", {"card": GOOD})
    (held,) = own.control("GET", "ledger")[1]["accounts"]
    assert (held["totals"]["eur"]["charged"], held["charges"][0]["captured"]) == (0, False)
    own.client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 400})
    (mine,) = own.control("GET", "ledger")[1]["accounts"]
    assert mine["charges"][0]["captured"] is True
    assert mine["totals"]["eur"]["net"] == 400


def test_the_ledger_keeps_accounts_apart(own: Own) -> None:
    pay(own, new_session(own))
    own.client_of("other").v1.payment_intents.create({"amount": 100, "currency": "usd"})
    assert [item["account"] for item in own.control("GET", "ledger")[1]["accounts"]] == sorted(
        [own.tail, "other"]
    )
    (other,) = own.control("GET", "ledger?account=other")[1]["accounts"]
    assert (other["charges"], other["totals"]) == ([], {})
    assert own.control("GET", "ledger?account=nobody")[1]["accounts"][0]["charges"] == []


def test_objects_are_counted_and_listed_newest_first(own: Own) -> None:
    ids = [own.client.v1.coupons.create({"percent_off": number}).id for number in (1, 2, 3)]
    counts = own.control("GET", "objects")[1]["data"]
    assert {"account": own.tail, "type": "coupon", "count": 3} in counts
    page = own.control("GET", "objects?type=coupon&limit=2")[1]
    assert [item["object"]["id"] for item in page["data"]] == [ids[2], ids[1]]
    assert page["has_more"] is True
    assert {item["account"] for item in page["data"]} == {own.tail}
    assert own.control("GET", f"objects?id={ids[0]}")[1]["data"][0]["object"]["percent_off"] == 1
    assert own.control("GET", "objects?account=other")[1]["data"] == []


def test_no_secret_is_ever_shown(own: Own) -> None:
    endpoint = {"url": "http://127.0.0.1:1/", "enabled_events": ["*"]}
    secret = own.client.v1.webhook_endpoints.create(endpoint).secret  # type: ignore[arg-type]
    pay(own, new_session(own))
    for path in ("objects?type=webhook_endpoint", "webhook_endpoints", "events", "deliveries", "ledger"):
        with urllib.request.urlopen(f"{own.url}/_sandbox/{path}") as answer:
            told = answer.read().decode()
        assert secret not in told
        assert GOOD not in told


def test_deliver_sends_what_is_pending_now_in_order(receiver: Receiver) -> None:
    with own_sandbox(webhooks=(f"{receiver.url}={SECRET}",)) as own:
        own.faults(webhooks_paused=True)
        for name in "abc":
            own.client.v1.customers.create({"name": name})
        status, sent = own.control("POST", "webhooks/deliver")
        assert status == 200
        assert [received.event().data.object.name for received in receiver.received] == ["a", "b", "c"]
        assert [delivery["status"] for delivery in sent["data"]] == ["succeeded"] * 3
        assert all(delivery["attempts"][0]["by_hand"] for delivery in sent["data"])
        assert own.control("POST", "webhooks/deliver")[1]["data"] == []


def test_attempts_by_hand_use_up_no_tries(receiver: Receiver) -> None:
    with own_sandbox(webhooks=(f"{receiver.url}={SECRET}",)) as own:
        own.faults(webhooks_paused=True, webhook_retry_seconds=[])
        receiver.answers = [(500, b"")] * 3
        own.client.v1.customers.create({})
        for _ in range(3):
            (sent,) = own.control("POST", "webhooks/deliver")[1]["data"]
            assert sent["status"] == "pending"
        own.faults(webhooks_paused=False)
        receiver.wait(4)
        eventually(lambda: own.deliveries()[0]["status"] == "succeeded")


def test_an_event_can_be_sent_again_also_after_its_tries_ran_out(receiver: Receiver) -> None:
    with own_sandbox(webhooks=(f"{receiver.url}={SECRET}",)) as own:
        own.faults(webhook_retry_seconds=[])
        receiver.answers = [(500, b"down")]
        own.client.v1.customers.create({})
        eventually(lambda: own.deliveries(status="failed"))
        event = own.control("GET", "events")[1]["data"][0]
        assert (event["pending_webhooks"], event["deliveries"][0]["status"]) == (1, "failed")
        for _ in range(2):
            assert own.control("POST", "webhooks/deliver", {"event": event["id"]})[0] == 200
        (delivery,) = own.deliveries()
        assert delivery["status"] == "succeeded"
        assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 200, 200]
        assert own.client.v1.events.retrieve(event["id"]).pending_webhooks == 0
        assert len({received.event().id for received in receiver.received}) == 1


def test_an_event_can_be_sent_to_an_endpoint_that_came_later(own: Own, receiver: Receiver) -> None:
    own.client.v1.customers.create({})
    event = own.client.v1.events.list().data[0]
    made = own.client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    own.control("POST", "webhooks/deliver", {"event": event.id})
    assert receiver.wait(1)[0].event(made.secret).id == event.id


def test_events_are_listed_over_all_accounts_by_type(own: Own) -> None:
    own.client.v1.customers.create({})
    own.client_of("other").v1.coupons.create({"percent_off": 1})
    data = own.control("GET", "events")[1]["data"]
    assert [(event["account"], event["type"]) for event in data] == [
        ("other", "coupon.created"),
        (own.tail, "customer.created"),
    ]
    (found,) = own.control("GET", "events?type=customer.created")[1]["data"]
    assert found["account"] == own.tail


def test_advancing_the_clock_expires_sessions_with_their_events(own: Own) -> None:
    session = new_session(own)
    before = own.control("GET", "clock")[1]
    after = own.control("POST", "clock/advance", {"seconds": 24 * 3600 + 5})[1]
    assert after["offset"] - before["offset"] == 24 * 3600 + 5
    assert after["now"] - before["now"] >= 24 * 3600 + 5
    types = [event["type"] for event in own.control("GET", "events")[1]["data"]]
    assert types[0] == "checkout.session.expired"
    expired = own.client.v1.checkout.sessions.retrieve(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    assert pay(own, session)[0] == 409


def test_the_date_of_an_answer_is_the_boxs_time(own: Own) -> None:
    now = own.control("POST", "clock/advance", {"seconds": 86_400})[1]["now"]
    headers = own.client.v1.customers.list().last_response.headers
    told = parsedate_to_datetime(headers["Date"])  # one, not two
    assert now <= told.timestamp() < now + 60


def test_the_clock_survives_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "box.sqlite3")
    with own_sandbox(path) as own:
        advanced = own.control("POST", "clock/advance", {"seconds": 5000})[1]
    with own_sandbox(path) as own:
        assert own.control("GET", "clock")[1]["now"] >= advanced["now"]


def test_reset_forgets_everything_but_the_command_lines_webhooks(receiver: Receiver) -> None:
    with own_sandbox(webhooks=(f"{receiver.url}={SECRET}",)) as own:
        own.faults(webhooks_paused=True, latency_ms=1)
        own.client.v1.customers.create({})
        own.client.v1.webhook_endpoints.create({"url": "http://127.0.0.1:1/", "enabled_events": ["*"]})
        own.control("POST", "clock/advance", {"seconds": 50})
        assert own.control("POST", "reset") == (200, {"reset": True})
        assert own.client.v1.customers.list().data == []
        assert own.client.v1.events.list().data == []
        assert own.deliveries() == []
        assert own.control("GET", "clock")[1]["offset"] == 0
        assert own.control("GET", "faults")[1]["latency_ms"] == 0
        assert [item["object"]["url"] for item in own.control("GET", "webhook_endpoints")[1]["data"]] == [
            receiver.url
        ]
        own.client.v1.customers.create({"name": "after"})
        assert receiver.wait(1)[0].event().data.object.name == "after"


def test_a_page_of_another_site_cannot_reset_the_sandbox(own: Own) -> None:
    own.client.v1.customers.create({})
    headers = {"Sec-Fetch-Site": "cross-site"}
    request = urllib.request.Request(f"{own.url}/_sandbox/reset", b"", headers, method="POST")
    with pytest.raises(urllib.error.HTTPError) as refusal, urllib.request.urlopen(request):
        pass
    refusal.value.close()
    assert refusal.value.code == 403
    assert len(own.client.v1.customers.list().data) == 1


def test_the_addresses_are_listed(own: Own) -> None:
    status, told = own.control("GET", "")
    assert status == 200
    for address in told:
        method, path = address.split()
        if method == "GET":
            assert own.control("GET", path)[0] == 200
