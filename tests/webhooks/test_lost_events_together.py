"""Lost events where several look for them at once, or ask several accounts."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from kopeck.stripe_api import client as wire
from kopeck.webhooks import jobs as webhook_jobs
from kopeck.webhooks.models import Cursor, StripeEvent
from tests.support.buying import Deliver, bought, events_of, state
from tests.support.mirroring import two_accounts
from tests.support.recovering import recover
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_workers_at_once_process_each_event_once(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """And a third hand: the deliveries that come late after all."""
    payments = [bought(Client()) for _n in range(3)]
    for payment in payments:
        sandbox.pay(payment.stripe_id)
    sandbox.control("POST", "clock/advance", {"seconds": 120})
    events = events_of(sandbox, "checkout.session.", "payment_intent.", "charge.")
    start = threading.Barrier(3)
    troubles: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait(10)
            work()
        except BaseException as trouble:
            troubles.append(trouble)
        finally:
            connection.close()

    def post() -> None:
        for event in events:
            deliver(event)

    threads = [
        threading.Thread(target=run, args=[work])
        for work in (webhook_jobs.recover, webhook_jobs.recover, post)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert troubles == []
    assert [state(payment.order) for payment in payments] == ["paid"] * 3
    assert set(StripeEvent.objects.values_list("status", flat=True)) <= {"done", "ignored"}
    for payment in payments:
        assert payment.order.mails.filter(kind="receipt").count() == 1


def test_one_account_away_stops_no_other(sandbox: ShopSandbox, settings: Any) -> None:
    """pain 10"""
    from dataclasses import replace

    two_accounts(sandbox, settings)
    euro = bought(Client(), currency="eur")
    sandbox.pay(euro.stripe_id)
    good = settings.STRIPE_ACCOUNTS
    settings.STRIPE_ACCOUNTS = {**good, "default": replace(good["default"], secret_key="nonsense")}
    wire.gateway.cache_clear()
    recover(sandbox)
    assert state(euro.order) == "paid"
    assert list(Cursor.objects.values_list("account", flat=True)) == ["eur"]
