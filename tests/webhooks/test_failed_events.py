"""An event that failed is kept, shown with its traceback, and can be processed again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.webhooks import handlers, intake
from kopeck.webhooks import jobs as webhook_jobs
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import bought
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)
Deliver = Callable[..., Any]


def failed(sandbox: ShopSandbox, buyer: Client, deliver: Deliver) -> StripeEvent:
    """The event of a payment, which Stripe's own failure stopped."""
    sandbox.pay(bought(buyer).stripe_id)
    (event,) = [event for event in sandbox.events() if event["type"] == "checkout.session.completed"]
    once = {"kind": "error", "path": "/v1/checkout/sessions", "method": "GET"}
    sandbox.control("PUT", "faults", {"next": [once]})
    assert deliver(event, client=Client(raise_request_exception=False)).status_code == 500
    return StripeEvent.objects.get(event_id=event["id"])


def broken(number: int = 1, **facts: Any) -> StripeEvent:
    """One that fails whenever it is processed."""
    usual = {"account": "default", "type": "checkout.session.completed", "payload": {}, "status": "failed"}
    return StripeEvent.objects.create(
        event_id=f"evt_broken_{number}", object_id="cs_1", created=timezone.now(), **(usual | facts)
    )


def test_it_keeps_its_traceback_though_its_work_was_rolled_back(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """pain 4"""
    event = failed(sandbox, buyer, deliver)
    assert event.traceback.startswith("Traceback (most recent call last)")
    assert "client.py" in event.traceback
    assert "StripeUnavailable" in event.outcome
    assert Order.objects.get().status == "open"


def test_the_owner_finds_it_reads_why_and_works_it_off_again(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    """pain 4"""
    event = failed(sandbox, buyer, deliver)
    listed = "/admin/webhooks/stripeevent/"
    assert event.event_id in owner.get(listed, {"to_do": "failed"}).content.decode()
    page = owner.get(f"{listed}{event.pk}/change/").content.decode()
    assert "Traceback (most recent call last)" in page
    assert f"{listed}{event.pk}/replay/" in page
    answer = owner.post(f"{listed}{event.pk}/replay/", follow=True).content.decode()
    assert "1 event was processed." in answer
    event.refresh_from_db()
    assert (event.status, event.traceback, Order.objects.get().status) == ("done", "", "paid")
    assert event.event_id not in owner.get(listed, {"to_do": "failed"}).content.decode()


def test_many_are_processed_again_at_once_and_what_fails_is_told(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    good, bad = failed(sandbox, buyer, deliver), broken()
    form = {"action": "replay", "_selected_action": [str(good.pk), str(bad.pk)]}
    page = owner.post("/admin/webhooks/stripeevent/", form, follow=True).content.decode()
    assert "1 event was processed." in page
    assert "evt_broken_1 failed again: KeyError" in page
    bad.refresh_from_db()
    assert "KeyError" in bad.traceback


def test_replaying_is_for_staff_and_a_post(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    event = failed(sandbox, buyer, deliver)
    address = f"/admin/webhooks/stripeevent/{event.pk}/replay/"
    assert buyer.post(address).status_code == 302
    assert owner.get(address)["Location"] == f"/admin/webhooks/stripeevent/{event.pk}/change/"
    assert owner.post("/admin/webhooks/stripeevent/999/replay/").status_code == 404
    event.refresh_from_db()
    assert event.status == "failed"


def test_no_secret_and_no_novel_is_kept(sandbox: ShopSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk_test_" + "a1B2" * 6
    words = f"key {key}, whsec_{'x' * 20}, pi_1_secret_{'y' * 20}, a null \0 and {'blah ' * 10_000}end"

    def fail(_event: StripeEvent) -> handlers.Outcome:
        raise RuntimeError(words)

    monkeypatch.setitem(intake.HANDLERS, "checkout.session.", fail)
    event = broken(status="received")
    with pytest.raises(RuntimeError):
        intake.process(event)
    event.refresh_from_db()
    assert len(event.traceback) <= intake.MOST
    assert len(event.outcome) <= intake.MOST
    words = words.replace("blah " * 10_000, "")
    with pytest.raises(RuntimeError):
        intake.process(event)
    event.refresh_from_db()
    for text in (event.traceback, event.outcome):
        assert "key sk_test_[hidden], whsec_[hidden], pi_1_secret_[hidden], a null" in text
        assert "a1B2" not in text
        assert text.rstrip().endswith("end")


def test_events_that_fail_for_ever_do_not_starve_the_others(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pain 4"""
    monkeypatch.setattr(webhook_jobs, "BATCH", 2)
    for number in range(4):
        broken(number)
    event = failed(sandbox, buyer, deliver)
    StripeEvent.objects.update(received=timezone.now() - timedelta(hours=2))
    StripeEvent.objects.filter(pk=event.pk).update(received=timezone.now() - timedelta(minutes=2))
    # Two minutes for the four, two for the four again, and then it is the fifth's turn.
    assert [webhook_jobs.retry_events() for _minute in range(5)] == [0, 0, 0, 0, 1]
    event.refresh_from_db()
    assert (event.status, Order.objects.get().status) == ("done", "paid")


def test_one_that_was_cut_off_is_processed_by_the_sweep(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """pain 4"""
    event = failed(sandbox, buyer, deliver)
    before = timezone.now() - timedelta(minutes=2)
    StripeEvent.objects.update(status="received", attempts=0, received=before)
    assert webhook_jobs.retry_events() == 1
    event.refresh_from_db()
    assert (event.status, Order.objects.get().status) == ("done", "paid")
