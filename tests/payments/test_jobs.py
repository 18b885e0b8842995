"""The worker's sweep: what a lost webhook or a crash left behind comes right by itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.ops import jobs as ops_jobs
from kopeck.orders.models import Order
from kopeck.payments import jobs
from kopeck.payments.models import Payment
from kopeck.reconcile import unanswered
from kopeck.stripe_api import client as wire
from kopeck.webhooks import jobs as webhook_jobs
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import bought
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_payment_whose_webhook_never_came_is_found(sandbox: ShopSandbox, buyer: Client) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    assert jobs.ask_about_payments() == 0  # not at once: its webhook may be on the way
    Payment.objects.update(created=timezone.now() - timedelta(minutes=6))
    assert jobs.ask_about_payments() == 1
    assert Order.objects.get().status == "paid"


def test_a_session_that_is_over_expires_its_order(sandbox: ShopSandbox, buyer: Client) -> None:
    bought(buyer)
    sandbox.control("POST", "clock/advance", {"seconds": 3600})
    Payment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    jobs.ask_about_payments()
    assert (Order.objects.get().status, Payment.objects.get().status) == ("expired", "expired")


def test_stripe_down_during_a_sweep_leaves_everything_for_the_next(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    Payment.objects.update(created=timezone.now() - timedelta(minutes=6))
    sandbox.control("PUT", "faults", {"error_rate": 1})
    assert jobs.ask_about_payments() == 0
    sandbox.control("PUT", "faults", {"error_rate": 0})
    assert jobs.ask_about_payments() == 0  # asked a moment ago: others come first
    Payment.objects.update(asked_at=timezone.now() - timedelta(minutes=6))
    assert jobs.ask_about_payments() == 1
    assert Order.objects.get().status == "paid"


def test_a_failed_event_is_processed_by_the_sweep(sandbox: ShopSandbox, buyer: Client) -> None:
    session_id = bought(buyer).stripe_id
    sandbox.pay(session_id)
    StripeEvent.objects.create(
        account="default", event_id="evt_1", type="checkout.session.completed", object_id=session_id,
        payload={"data": {"object": {"id": session_id}}}, status="failed", created=timezone.now(),
    )  # fmt: skip
    assert webhook_jobs.retry_events() == 0
    StripeEvent.objects.update(received=timezone.now() - timedelta(minutes=2))
    assert webhook_jobs.retry_events() == 1
    assert (Order.objects.get().status, StripeEvent.objects.get().status) == ("paid", "done")


def test_an_attempt_that_never_reached_stripe_is_given_up_and_its_order_can_be_resumed(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    sandbox.control("PUT", "faults", {"next": [{"kind": "cut_before", "path": "/v1/checkout/sessions"}]})
    item = make_item()
    assert buyer.get(f"/buy/{item.pk}").status_code == 503
    assert unanswered.give_up_attempts() == 0
    Payment.objects.update(created=timezone.now() - timedelta(hours=2))
    assert unanswered.give_up_attempts() == 1
    order = Order.objects.get()
    assert (order.status, order.payments.get().status) == ("expired", "refused")
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200


@pytest.mark.parametrize("way", ["buy", "intent"])
@pytest.mark.parametrize("hours", [2, 30])
def test_an_attempt_that_stripe_made_though_its_answer_was_lost_is_closed_before_it_is_given_up(
    sandbox: ShopSandbox, buyer: Client, way: str, hours: int
) -> None:
    """pain 1: also when Stripe has forgotten the idempotency key"""
    path = "/v1/checkout/sessions" if way == "buy" else "/v1/payment_intents"
    cut = {"kind": "cut_after", "path": path, "method": "POST"}
    sandbox.control("PUT", "faults", {"next": [cut]})
    item = make_item()
    assert buyer.get(f"/{way}/{item.pk}").status_code == 503
    made = [*sandbox.sessions(), *sandbox.stripe.v1.payment_intents.list().data]
    assert [one.status for one in made] in (["open"], ["requires_payment_method"])
    Payment.objects.update(created=timezone.now() - timedelta(hours=hours))
    assert unanswered.give_up_attempts() == 1
    payment = Payment.objects.get()
    assert (payment.status, payment.stripe_id) == ("expired", made[0].id)
    assert Order.objects.get().status == "expired"
    (now,) = [*sandbox.sessions(), *sandbox.stripe.v1.payment_intents.list().data]
    assert now.status in ("expired", "canceled")
    assert buyer.get(f"/{way}/{item.pk}").status_code == 200


@pytest.mark.parametrize("way", ["buy", "intent"])
def test_an_attempt_that_was_paid_though_we_never_heard_of_it_is_paid(
    sandbox: ShopSandbox, buyer: Client, way: str
) -> None:
    """pain 1"""
    bought(buyer, way)
    payment = Payment.objects.get()
    kind = "sessions" if way == "buy" else "intents"
    sandbox.control("POST", f"{kind}/{payment.stripe_id}/pay", {"card": "4242424242424242"})
    before = timezone.now() - timedelta(hours=2)
    Payment.objects.update(status="creating", stripe_id=None, lease_until=None, created=before)
    unanswered.give_up_attempts()
    assert (Order.objects.get().status, Payment.objects.get().status) == ("paid", "paid")


def test_an_attempt_is_not_given_up_while_stripe_cannot_be_asked_or_somebody_is_at_it(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    """pain 1"""
    bought(buyer)
    before = timezone.now() - timedelta(hours=2)
    Payment.objects.update(status="creating", stripe_id=None, lease_until=None, created=before)
    sandbox.control("PUT", "faults", {"error_rate": 1})
    assert unanswered.give_up_attempts() == 0
    payment = Payment.objects.get()
    assert (payment.status, payment.lease_until, Order.objects.get().status) == ("creating", None, "open")
    sandbox.control("PUT", "faults", {"error_rate": 0})
    Payment.objects.update(lease_until=timezone.now() + timedelta(seconds=30))
    assert unanswered.give_up_attempts() == 0
    Payment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert unanswered.give_up_attempts() == 1


def test_a_404_that_is_not_stripes_own_closes_no_order(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    """pain 1: a wrong address, or a proxy of somebody's"""
    bought(buyer)
    Payment.objects.update(created=timezone.now() - timedelta(minutes=6))
    settings.STRIPE_API_BASE = f"{sandbox.url}/elsewhere"
    wire.gateway.cache_clear()
    assert jobs.ask_about_payments() == 0
    assert (Order.objects.get().status, Payment.objects.get().status) == ("open", "open")
    settings.STRIPE_API_BASE = sandbox.url
    wire.gateway.cache_clear()
    sandbox.box.reset()
    Payment.objects.update(asked_at=None)
    assert jobs.ask_about_payments() == 1
    assert (Order.objects.get().status, Payment.objects.get().status) == ("expired", "expired")


def test_a_job_of_a_worker_that_was_killed_is_taken_up_again(sandbox: ShopSandbox) -> None:
    from asgiref.sync import async_to_sync
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
        jobs.sweep.defer(timestamp=0)
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
        async_to_sync(ops_jobs.retry_stalled_jobs.func)(0)
        cursor.execute("SELECT status FROM procrastinate_jobs")
        assert cursor.fetchall() == [("todo",)]
        # Killed again, while its successor is queued already: one of them is enough.
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
        jobs.sweep.defer(timestamp=1)
        async_to_sync(ops_jobs.retry_stalled_jobs.func)(0)
        cursor.execute("SELECT status FROM procrastinate_jobs ORDER BY id")
        assert cursor.fetchall() == [("failed",), ("todo",)]
        cursor.execute("DELETE FROM procrastinate_jobs")


def test_the_sweep_is_a_periodic_job_of_the_worker(sandbox: ShopSandbox) -> None:
    from procrastinate.contrib.django import app

    assert "kopeck.payments.jobs.sweep" in app.tasks
    assert any(
        task.task.name == "kopeck.payments.jobs.sweep"
        for task in app.periodic_registry.periodic_tasks.values()
    )
    jobs.sweep(0)
