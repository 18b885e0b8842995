"""How sessions end unpaid: by the shop, or by their time."""

import logging
import time
from collections.abc import Iterator

import pytest
import stripe

from sandbox_testing.orders import DECLINED, event_types, open_session, pay
from sandbox_testing.own import Own, eventually, own_sandbox
from sandbox_testing.server import CheckedSandbox
from stripe_sandbox import app


@pytest.fixture
def own() -> Iterator[Own]:
    """A sandbox whose clock may be advanced."""
    with own_sandbox() as own:
        yield own


def test_an_expired_session_has_no_address_and_its_event(client: stripe.StripeClient) -> None:
    session = client.v1.checkout.sessions.expire(open_session(client).id)
    assert (session.status, session.url, session.payment_status) == ("expired", None, "unpaid")
    [event] = client.v1.events.list({"type": "checkout.session.expired"}).data
    assert event.data.object["id"] == session.id


def test_a_session_expires_once(client: stripe.StripeClient) -> None:
    session = open_session(client)
    client.v1.checkout.sessions.expire(session.id)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.expire(session.id)
    assert caught.value.user_message == (
        'Only Checkout Sessions with a status in ["open"] can be expired. '
        "This Checkout Session has a status of `expired`."
    )
    assert event_types(client).count("checkout.session.expired") == 1


def test_a_paid_session_cannot_be_expired(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    pay(sandbox, session.id)
    with pytest.raises(stripe.InvalidRequestError, match="`complete`"):
        client.v1.checkout.sessions.expire(session.id)


def test_an_expired_session_cannot_be_paid(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    client.v1.checkout.sessions.expire(session.id)
    assert pay(sandbox, session.id)["error"]["code"] == "closed"
    assert client.v1.charges.list().data == []


def test_expiring_cancels_the_intent_of_a_declined_try(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    session = open_session(client)
    pay(sandbox, session.id, DECLINED)
    client.v1.checkout.sessions.expire(session.id)
    [intent] = client.v1.payment_intents.list().data
    assert intent.status == "canceled"
    assert event_types(client)[-2:] == ["payment_intent.canceled", "checkout.session.expired"]


def test_a_session_whose_time_is_past_is_expired_for_everybody_who_looks(own: Own) -> None:
    session = open_session(own.client)
    own.box.clock.advance(24 * 3600 + 1)
    assert own.client.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert own.client.v1.checkout.sessions.list({"status": "open"}).data == []


def test_a_session_whose_time_is_past_is_expired_without_anybody_looking(own: Own) -> None:
    open_session(own.client)
    own.box.clock.advance(24 * 3600 + 1)
    end = time.monotonic() + 120
    while "checkout.session.expired" not in event_types(own.client):
        assert time.monotonic() < end, "nothing swept the session"
        time.sleep(0.05)


def test_what_the_file_cannot_do_just_now_is_done_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "SWEEP_SECONDS", 0.02)
    caplog.set_level(logging.ERROR, app.LOG.name)  # the shop's tests in the same process log less
    with own_sandbox() as own:
        session = open_session(own.client)
        own.box.store.script("ALTER TABLE objects RENAME TO out_of_reach")
        eventually(lambda: "It is tried again." in caplog.text)
        own.box.store.script("ALTER TABLE out_of_reach RENAME TO objects")
        own.box.clock.advance(24 * 3600 + 1)
        eventually(lambda: _ended(own, session.id))


def _ended(own: Own, id: str) -> bool:
    """As it is kept: reading it by the API would expire it."""
    found = own.box.store.get(own.tail, "checkout.session", id)
    return found is not None and found["status"] == "expired"


def test_a_session_lives_until_its_last_second(own: Own) -> None:
    session = open_session(own.client, expires_at=int(time.time()) + 1810)
    own.box.clock.advance(1790)
    assert own.client.v1.checkout.sessions.retrieve(session.id).status == "open"
    own.box.clock.advance(30)
    assert own.client.v1.checkout.sessions.retrieve(session.id).status == "expired"


def test_a_caller_with_an_unadvanced_clock_can_still_name_an_end(own: Own) -> None:
    own.box.clock.advance(7 * 24 * 3600)
    session = open_session(own.client, expires_at=int(time.time()) + 3600)
    assert session.status == "open"
    assert abs(session.expires_at - session.created - 3600) <= 2
