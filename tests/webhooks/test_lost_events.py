"""Events that never arrive are read from Stripe's list and processed as delivered ones are. (pain 1)"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds.models import Dispute, Refund
from kopeck.stripe_api import client as wire
from kopeck.stripe_api import listing
from kopeck.stripe_api.accounts import SANDBOX_TAIL
from kopeck.webhooks import endpoints, intake, recovery
from kopeck.webhooks import jobs as webhook_jobs
from kopeck.webhooks.models import Cursor, StripeEvent
from tests.support.buying import Deliver, bought, events_of, paid_order, state
from tests.support.comparing import charge_of
from tests.support.recovering import recover
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)
DISPUTED, FAILS_LATER = "4000000000000259", "4000000000005126"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAUSES", ())


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every page of events that is asked for; pages are of two."""
    asked: list[dict[str, Any]] = []
    page = wire.Gateway.page

    def noted(self: wire.Gateway, kind: str, **of: Any) -> Any:
        asked.append(of)
        return page(self, kind, limit=2, **of)

    monkeypatch.setattr(wire.Gateway, "page", noted)
    return asked


def age(sandbox: ShopSandbox, past: timedelta) -> None:
    """All that is at Stripe, and our payments, become older."""
    seconds = int(past.total_seconds())
    sandbox.box.store.sql(
        "UPDATE objects SET created = created - ?, body = json_set(body, '$.created', created - ?)",
        (seconds, seconds),
    )
    for payment in Payment.objects.all():
        Payment.objects.filter(pk=payment.pk).update(created=payment.created - past)


def up_to(account: str = "default") -> datetime:
    return Cursor.objects.get(account=account).up_to


def untold() -> set[str]:
    """Statuses of all events that are stored."""
    return set(StripeEvent.objects.values_list("status", flat=True))


# Each kind of news ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["buy", "intent"])
def test_a_payment_that_no_webhook_told_of_makes_its_order_paid(
    sandbox: ShopSandbox, buyer: Client, way: str
) -> None:
    payment = bought(buyer, way)
    sandbox.pay(payment.stripe_id)
    assert recover(sandbox) > 0
    assert (state(payment.order), untold() - {"ignored"}) == ("paid", {"done"})
    notes = payment.order.notes.count()
    assert recover(sandbox) == 0
    assert payment.order.notes.count() == notes


def test_a_refund_of_the_dashboard_reaches_its_order(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """pain 17"""
    order = paid_order(sandbox, buyer, deliver)
    sandbox.control("POST", f"charges/{charge_of(sandbox, order.payments.get())}/refund", {"amount": 820})
    recover(sandbox)
    assert (state(order), Refund.objects.get().amount) == ("partly_refunded", 820)


def test_a_refund_that_fails_after_weeks_makes_its_order_paid_again(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """Only the event is young: no list of refunds that were made lately shows it."""
    order = paid_order(sandbox, buyer, deliver, FAILS_LATER)
    sandbox.stripe.v1.refunds.create({"charge": charge_of(sandbox, order.payments.get())})
    for event in events_of(sandbox, "refund."):
        deliver(event)
    assert state(order) == "refunded"
    sandbox.control("POST", "clock/advance", {"seconds": 100})
    seconds = 100 * 86400  # of all but the event of the failure
    sandbox.box.store.sql(
        "UPDATE objects SET created = created - ?, body = json_set(body, '$.created', created - ?)"
        " WHERE body NOT LIKE '%\"refund.failed\"%'",
        (seconds, seconds),
    )
    recover(sandbox)
    assert (state(order), Refund.objects.get().status) == ("paid", "failed")


def test_a_dispute_is_opened_and_closed(sandbox: ShopSandbox, buyer: Client, deliver: Deliver) -> None:
    """pain 19"""
    order = paid_order(sandbox, buyer, deliver, DISPUTED)
    recover(sandbox)
    assert Dispute.objects.get().status == "needs_response"
    (dispute,) = sandbox.stripe.v1.disputes.list().data
    sandbox.stripe.v1.disputes.close(dispute.id)
    recover(sandbox)
    found = Dispute.objects.get()
    assert (found.status, found.closed is None, state(order)) == ("lost", False, "paid")


def test_events_that_were_delivered_are_not_processed_again(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    for event in sandbox.events():
        deliver(event)
    monkeypatch.setattr(intake, "receive", lambda *_words, **_more: pytest.fail("It was delivered."))
    assert recover(sandbox) == 0


def test_only_events_that_the_shop_handles_are_asked_for(
    sandbox: ShopSandbox, buyer: Client, pages: list[dict[str, Any]]
) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    recover(sandbox)
    assert {tuple(of["types"]) for of in pages} == {tuple(endpoints.event_types())}
    assert {event.type for event in StripeEvent.objects.all()} <= set(endpoints.event_types())


# When -------------------------------------------------------------------------------------------------


def test_an_event_of_this_moment_is_left_to_its_delivery(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    assert recover(sandbox, seconds=20) == 0
    assert state(payment.order) == "open"
    recover(sandbox, seconds=60)
    assert state(payment.order) == "paid"


def test_the_next_run_begins_a_little_before_where_the_last_one_ended(
    sandbox: ShopSandbox, buyer: Client, pages: list[dict[str, Any]]
) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    recover(sandbox)
    ended = up_to()
    pages.clear()
    recover(sandbox)
    assert pages[0]["created"]["gte"] == int((ended - recovery.OVERLAP).timestamp())
    assert up_to() > ended


def test_an_event_that_stripe_lists_late_is_found(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    (late,) = events_of(sandbox, "checkout.session.completed")
    hidden = sandbox.box.store.get(SANDBOX_TAIL, "event", late["id"])
    assert hidden is not None
    sandbox.box.store.delete(SANDBOX_TAIL, "event", late["id"])
    recover(sandbox)
    assert up_to().timestamp() > late["created"]
    Order.objects.update(status="open", paid_at=None)
    Payment.objects.update(status="open", paid_at=None)
    sandbox.box.store.insert(SANDBOX_TAIL, hidden)
    recover(sandbox)
    assert state(payment.order) == "paid"


def test_a_clock_that_was_put_back_hides_no_event(sandbox: ShopSandbox, buyer: Client) -> None:
    sandbox.control("POST", "clock/advance", {"seconds": 86400})
    recover(sandbox)
    sandbox.box.reset()
    assert up_to() > timezone.now() + timedelta(hours=23)
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    recover(sandbox)
    assert state(payment.order) == "paid"


def test_the_first_run_begins_with_the_shops_first_payment_and_not_before_stripe_keeps_events(
    sandbox: ShopSandbox, buyer: Client, pages: list[dict[str, Any]]
) -> None:
    webhook_jobs.recover()
    begin = datetime.fromtimestamp(pages[0]["created"]["gte"], UTC)
    assert begin > timezone.now() - timedelta(hours=1)  # nothing was ever sold
    Cursor.objects.all().delete()
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    for days, first in ((3, 4), (50, 30)):
        pages.clear()
        age(sandbox, timedelta(days=days))
        Cursor.objects.all().delete()
        webhook_jobs.recover()
        begin = datetime.fromtimestamp(pages[0]["created"]["gte"], UTC)
        assert abs(timezone.now() - begin - timedelta(days=first)) < timedelta(hours=1)
    assert state(payment.order) == "paid"


# How much ---------------------------------------------------------------------------------------------


def test_every_page_is_read_and_the_oldest_event_is_processed_first(
    sandbox: ShopSandbox, pages: list[dict[str, Any]]
) -> None:
    for _buyer in range(5):
        sandbox.pay(bought(Client()).stripe_id)
    count = len([e for e in sandbox.events() if e["type"] in endpoints.event_types()])
    assert recover(sandbox) == count
    assert len(pages) > 2
    assert Order.objects.filter(status="paid").count() == 5
    made = list(StripeEvent.objects.order_by("pk").values_list("created", flat=True))
    assert made == sorted(made)


def test_more_events_than_one_run_takes_are_taken_by_the_next_ones_the_oldest_first(
    sandbox: ShopSandbox, pages: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "PAGES", 1)
    monkeypatch.setattr(recovery, "STRETCHES", 1)
    payments = []
    for _day in range(4):
        payments.append(bought(Client()))
        sandbox.pay(payments[-1].stripe_id)
        age(sandbox, timedelta(days=1))
    paid: list[int] = []
    for _run in range(30):
        pages.clear()
        recover(sandbox, seconds=0)
        assert len(pages) < 40
        paid.append(Order.objects.filter(status="paid").count())
        # Never a younger one before an older.
        got = [state(payment.order) == "paid" for payment in payments]
        assert got == sorted(got, reverse=True)
    assert paid[0] < 4
    assert paid[-1] == 4


def test_many_events_of_one_moment_are_read_whole(
    sandbox: ShopSandbox, pages: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No shorter stretch would have fewer."""
    monkeypatch.setattr(recovery, "PAGES", 1)
    for _buyer in range(4):
        sandbox.pay(bought(Client()).stripe_id)
    second = int(timezone.now().timestamp()) - 3600
    sandbox.box.store.sql(
        "UPDATE objects SET created = ?, body = json_set(body, '$.created', ?)", (second, second)
    )
    for _run in range(10):
        recover(sandbox, seconds=0)
    assert Order.objects.filter(status="paid").count() == 4


# Trouble ----------------------------------------------------------------------------------------------


def test_an_event_that_fails_is_kept_as_failed_and_tried_again_with_the_others(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    once = {"kind": "error", "path": "^/v1/checkout/sessions/", "method": "GET", "times": 9}
    sandbox.control("PUT", "faults", {"next": [once]})
    recover(sandbox)
    failed = StripeEvent.objects.get(type="checkout.session.completed")
    assert (failed.status, failed.attempts) == ("failed", 1)
    assert failed.traceback
    sandbox.box.faults.reset()
    assert recover(sandbox) == 0  # it is stored: the sweep's, like any other
    assert state(payment.order) == "open"
    StripeEvent.objects.update(received=timezone.now() - timedelta(minutes=2))
    assert webhook_jobs.retry_events() == 1
    assert state(payment.order) == "paid"


def test_while_stripe_is_away_the_cursor_stays(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    recover(sandbox)
    ended = up_to()
    sandbox.pay(payment.stripe_id)
    sandbox.control("PUT", "faults", {"error_rate": 1, "only": {"path": "/v1/events"}})
    assert recover(sandbox) == 0
    assert up_to() == ended
    sandbox.control("PUT", "faults", {"error_rate": 0})
    recover(sandbox)
    assert state(payment.order) == "paid"


def test_an_event_that_can_not_be_stored_holds_the_cursor(sandbox: ShopSandbox, buyer: Client) -> None:
    """PostgreSQL takes no row: nothing of it is anywhere, so it must be listed again."""
    sandbox.pay(bought(buyer).stripe_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'no' USING ERRCODE = '57P03'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON webhooks_stripeevent"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        try:
            with pytest.raises(Exception, match="no"):
                recover(sandbox)
        finally:
            cursor.execute("DROP TRIGGER refuse ON webhooks_stripeevent")
            cursor.execute("DROP FUNCTION refuse")
    assert not Cursor.objects.exists()
    recover(sandbox)
    assert Order.objects.get().status == "paid"


def test_an_event_of_the_other_mode_is_rejected_as_a_delivered_one_is(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    sandbox.box.store.sql(
        "UPDATE objects SET body = json_set(body, '$.livemode', json('true')) WHERE id LIKE 'evt_%'", ()
    )
    recover(sandbox)
    assert (untold(), state(payment.order)) == ({"rejected"}, "open")


def test_what_postgresql_keeps_in_no_text_is_replaced_as_in_a_delivered_event(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    (event,) = events_of(sandbox, "checkout.session.completed")
    event["data"]["object"]["metadata"]["note"] = "a null \0 and half a pair \ud800"
    assert recovery.take("default", event).status == "done"


def test_the_worker_reads_stripes_events_every_few_minutes(sandbox: ShopSandbox) -> None:
    found = {task.task.name: task for task in app.periodic_registry.periodic_tasks.values()}
    job = found["kopeck.webhooks.jobs.recover_events"]
    assert job.cron == "*/5 * * * *"
    assert job.task.lock == "recover-events"  # two workers never read the same events at once
