"""Stripe down, slow, refusing, or cutting the line: a sentence for the buyer, and nothing half done."""

from typing import Any

import pytest
from django.test import Client

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.stripe_api import client as wire
from sandbox_testing.own import eventually
from tests.support.crashing import crash_before_the_answer_is_stored
from tests.support.shop import ShopSandbox, make_item

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sockets]


def fault(sandbox: ShopSandbox, kind: str) -> None:
    once = {"kind": kind, "path": "/v1/checkout/sessions", "method": "POST"}
    sandbox.control("PUT", "faults", {"next": [once]})


@pytest.mark.parametrize("kind", ["error", "rate_limit", "cut_before", "lock_timeout"])
def test_when_stripe_fails_buy_says_so_and_the_next_try_succeeds(
    sandbox: ShopSandbox, buyer: Client, kind: str
) -> None:
    item = make_item()
    fault(sandbox, kind)
    answer = buyer.get(f"/buy/{item.pk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stripe_unavailable")
    assert answer["Retry-After"]
    assert "Nothing was charged" in answer.json()["error"]["message"]
    assert buyer.get(f"/buy/{item.pk}").status_code == 200
    assert len(sandbox.sessions()) == 1
    assert Order.objects.count() == 1


@pytest.mark.parametrize("kind", ["cut_after", "error_after"])
def test_a_session_made_before_the_line_broke_is_found_again_and_not_made_twice(
    sandbox: ShopSandbox, buyer: Client, kind: str
) -> None:
    item = make_item()
    fault(sandbox, kind)
    assert buyer.get(f"/buy/{item.pk}").status_code == 503
    (made,) = sandbox.sessions()
    if kind == "cut_after":
        assert buyer.get(f"/buy/{item.pk}").json()["session_id"] == made.id
        assert len(sandbox.sessions()) == 1


def test_a_form_gets_a_page_when_stripe_is_down(sandbox: ShopSandbox, buyer: Client) -> None:
    fault(sandbox, "error")
    answer = buyer.post(f"/buy/{make_item().pk}")
    assert answer.status_code == 503
    assert "Nothing was charged" in answer.content.decode()


def test_stripe_slower_than_the_time_limit_is_unavailable(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    settings.STRIPE_TIMEOUT = 0.2
    wire.gateway.cache_clear()
    sandbox.control("PUT", "faults", {"latency_ms": 1000})
    answer = buyer.get(f"/buy/{make_item().pk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stripe_unavailable")
    sandbox.control("PUT", "faults", {"latency_ms": 0})
    eventually(lambda: len(sandbox.sessions()) == 1)  # the late answer is to nobody


def test_a_stripe_that_is_not_there_is_unavailable(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    wire.gateway.cache_clear()
    assert buyer.get(f"/buy/{make_item().pk}").status_code == 503
    assert buyer.get("/").status_code == 200


def test_keys_that_stripe_refuses_are_a_502_and_the_attempt_is_closed(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    from dataclasses import replace

    account = settings.STRIPE_ACCOUNTS["default"]
    settings.STRIPE_ACCOUNTS = {"default": replace(account, secret_key="wrong")}
    wire.gateway.cache_clear()
    item = make_item()
    answer = buyer.get(f"/buy/{item.pk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "stripe_refused")
    assert Payment.objects.get().status == "refused"
    settings.STRIPE_ACCOUNTS = {"default": account}
    wire.gateway.cache_clear()
    assert buyer.get(f"/buy/{item.pk}").status_code == 200
    assert [p.status for p in Payment.objects.order_by("attempt")] == ["refused", "open"]


def test_a_crash_after_stripes_answer_finds_the_same_session_again(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between Stripe's answer and our commit: the row with its key and inputs is left."""
    item = make_item()
    crash_before_the_answer_is_stored(buyer, item, monkeypatch)
    (made,) = sandbox.sessions()
    (left,) = Payment.objects.all()
    assert (left.status, left.stripe_id) == ("creating", None)
    Payment.objects.update(lease_until=None)  # a dead process's lease runs out
    assert buyer.get(f"/buy/{item.pk}").json()["session_id"] == made.id
    assert len(sandbox.sessions()) == 1


def test_an_attempt_whose_retry_comes_too_late_for_stripe_is_followed_by_a_new_one(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item()
    fault(sandbox, "cut_before")
    assert buyer.get(f"/buy/{item.pk}").status_code == 503
    left = Payment.objects.get()
    left.inputs["expires_at"] -= 1200  # as if twenty minutes had passed since
    left.save()
    answer = buyer.get(f"/buy/{item.pk}")
    assert answer.status_code == 200
    assert [p.status for p in Payment.objects.order_by("attempt")] == ["refused", "open"]
    assert [session.id for session in sandbox.sessions()] == [answer.json()["session_id"]]


def test_another_total_at_stripe_closes_the_session_and_is_refused(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = wire.Gateway.create

    def dearer(self: wire.Gateway, kind: str, inputs: Any, *, idempotency_key: str) -> Any:
        inputs["line_items"][0]["price_data"]["unit_amount"] += 1
        return create(self, kind, inputs, idempotency_key=idempotency_key)

    monkeypatch.setattr(wire.Gateway, "create", dearer)
    answer = buyer.get(f"/buy/{make_item().pk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "amount_mismatch")
    (session,) = sandbox.sessions()
    assert session.status == "expired"
    assert Payment.objects.get().status == "expired"
