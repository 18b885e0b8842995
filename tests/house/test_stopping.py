"""A process that was asked to stop: jobs end at a safe point, Stripe is asked no more, no wait goes on."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from kopeck import stopping
from kopeck.mail import jobs as mail_jobs
from kopeck.mail.models import Mail
from kopeck.ops import jobs as tidy_jobs
from kopeck.orders.models import Order
from kopeck.payments import jobs
from kopeck.payments.models import Payment
from kopeck.reconcile import jobs as reconcile_jobs
from kopeck.refunds import jobs as refund_jobs
from kopeck.refunds.models import Refund
from kopeck.stripe_api import client as gateway
from kopeck.webhooks import jobs as webhook_jobs
from kopeck.webhooks.models import StripeEvent
from tests.support.shop import ShopSandbox, make_item

PAYMENTS = Path(jobs.__file__).parent


@pytest.fixture(autouse=True)
def only_this_test_is_asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_asked", threading.Event())


@pytest.fixture
def backlog(sandbox: ShopSandbox, buyer: Client) -> None:
    """A paid order whose mail waits, an open payment to ask about, an event that failed."""
    for _ in range(2):
        session = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    sandbox.pay(session)
    paid, _ = Payment.objects.order_by("-pk")
    Mail.objects.create(order=paid.order, payment=paid, kind="receipt", to="buyer@shop.example")
    Payment.objects.update(created=timezone.now() - timedelta(minutes=6))
    StripeEvent.objects.create(
        account="default", event_id="evt_1", type="checkout.session.completed", object_id=session,
        payload={}, status="failed", created=timezone.now(),
    )  # fmt: skip
    StripeEvent.objects.update(received=timezone.now() - timedelta(minutes=2))


WORK: dict[str, Callable[[], object]] = {
    "events": webhook_jobs.retry_events,
    "payments": jobs.ask_about_payments,
    "mails": lambda: mail_jobs.send_due(0),
    "rows past their time": tidy_jobs.forget,
    "comparison": lambda: reconcile_jobs.compare_nightly(0),
    "events that never arrived": webhook_jobs.recover,
    "comparison of what is left": lambda: reconcile_jobs.compare_again(0),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("work", WORK)
def test_a_job_ends_at_a_safe_point_and_its_work_is_done_later(
    backlog: None, sandbox: ShopSandbox, work: str
) -> None:
    asked = len(sandbox.box.faults.counts)
    stopping.ask()
    with pytest.raises(stopping.Stopping):
        WORK[work]()
    assert Order.objects.filter(status="paid").count() == 0
    assert StripeEvent.objects.get().status == "failed"
    assert StripeEvent.objects.get().attempts == 0
    assert Mail.objects.get().status == "waiting"
    assert asked == len(sandbox.box.faults.counts)


@pytest.mark.django_db(transaction=True)
def test_many_orders_that_were_left_are_marked_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LEFT_BATCH", 2)
    for _ in range(5):
        Order.objects.create(currency="usd")
    Order.objects.update(created=timezone.now() - timedelta(days=2))
    stopping.ask()
    with pytest.raises(stopping.Stopping):
        jobs.mark_abandoned(0)
    assert Order.objects.filter(status="expired").count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_call_that_failed_is_not_tried_again(sandbox: ShopSandbox, settings: object) -> None:
    settings.STRIPE_RETRIES = 5  # type: ignore[attr-defined]
    sandbox.control("PUT", "faults", {"error_rate": 1, "latency_ms": 300})
    before = sandbox.box.faults.counts["error"]
    threading.Timer(0.1, stopping.ask).start()
    with pytest.raises(stopping.Stopping):
        gateway.gateway("default").retrieve("session", "cs_test_1")
    assert sandbox.box.faults.counts["error"] - before == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["payment", "refund"])
def test_what_was_cut_off_is_asked_about_by_the_next_worker_at_once(
    sandbox: ShopSandbox, buyer: Client, settings: object, what: str
) -> None:
    settings.STRIPE_RETRIES = 5  # type: ignore[attr-defined]
    session = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    long_ago = timezone.now() - timedelta(hours=1)
    if what == "refund":
        sandbox.pay(session)
        payment = Payment.objects.get()
        row: type[Payment] | type[Refund] = Refund
        Refund.objects.create(
            order=payment.order, payment=payment, account="default", amount=1, currency="usd", source="shop",
            status="creating", inputs={}, created=long_ago,
        )  # fmt: skip
    else:
        row = Payment
    row.objects.update(asked_at=long_ago)
    sandbox.control("PUT", "faults", {"error_rate": 1, "latency_ms": 300})
    threading.Timer(0.1, stopping.ask).start()
    with pytest.raises(stopping.Stopping):
        refund_jobs.finish() if what == "refund" else jobs.ask_about_payments()
    assert row.objects.get().asked_at == long_ago


def test_a_wait_ends_when_the_process_is_asked_to_stop() -> None:
    threading.Timer(0.1, stopping.ask).start()
    with pytest.raises(stopping.Stopping):
        stopping.sleep(100)


def test_no_job_waits_in_another_way() -> None:
    """`time.sleep` goes on for its whole time."""
    files = [path for path in PAYMENTS.rglob("*.py") if re.search(r"\btime\.sleep\(", path.read_text())]
    assert files == []
