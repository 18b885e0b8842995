"""A process that is killed before any one of its steps, and everything ends as if it had lived.

The steps are not listed here: they are counted as they happen, and each is tried.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.payments import jobs
from kopeck.payments.models import Payment
from kopeck.refunds import jobs as refund_jobs
from kopeck.refunds.models import Refund
from kopeck.web.visitors import VISITOR_COOKIE
from kopeck.webhooks import jobs as webhook_jobs
from kopeck.webhooks.models import StripeEvent
from tests.support.shop import ShopSandbox, make_item, sign

pytestmark = [pytest.mark.django_db(transaction=True)]
WAYS = ["buy", "intent"]


class Mortals:
    """Processes that handle one request each; `dies` tells them when to end."""

    def __init__(self) -> None:
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.chaos.zygote", str(connection.settings_dict["NAME"])],
            cwd=Path(__file__).resolve().parents[3],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(
        self,
        sandbox: ShopSandbox,
        method: str,
        path: str,
        *,
        die_at: int = 0,
        cookies: dict[str, str] | None = None,
        body: str = "",
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """The fork's end: `signal`, and if it lived `steps` and `status`."""
        assert self.process.stdin
        assert self.process.stdout
        asked = {"stripe": sandbox.url, "method": method, "path": path, "die_at": die_at}
        asked |= {"body": body, "content_type": content_type}
        asked |= {"cookies": cookies or {}, "headers": headers or {}}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def stop(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def mortals(django_db_setup: None) -> Iterator[Mortals]:
    started = Mortals()
    yield started
    started.stop()


def made(sandbox: ShopSandbox, way: str) -> int:
    """How many sessions, or intents, there are at Stripe."""
    kind = "checkout.session" if way == "buy" else "payment_intent"
    counts = sandbox.control("GET", "objects")["data"]
    return sum(row["count"] for row in counts if row["type"] == kind)


def pay(sandbox: ShopSandbox, stripe_id: str) -> None:
    answer = sandbox.pay(stripe_id)
    assert answer["outcome"] in ("paid", "succeeded"), answer


def handed_out(body: dict[str, Any], way: str) -> str:
    return str(body["session_id" if way == "buy" else "payment_intent_id"])


@pytest.mark.parametrize("way", WAYS)
def test_killed_anywhere_between_order_and_stored_session_the_next_press_finds_the_same_one(
    sandbox: ShopSandbox, mortals: Mortals, way: str
) -> None:
    """pain 6"""
    lived = mortals.ask(sandbox, "GET", f"/{way}/{make_item().pk}")
    assert lived["status"] == 200
    assert "Stripe" in lived["steps"]
    assert "COMMIT" in lived["steps"]
    for die_at in range(1, len(lived["steps"]) + 1):
        item, buyer = make_item(), Client(raise_request_exception=False)
        buyer.get(f"/item/{item.pk}?mine=1")
        visitor = {VISITOR_COOKIE: buyer.cookies[VISITOR_COOKIE].value}
        made_before = made(sandbox, way)
        died = mortals.ask(sandbox, "GET", f"/{way}/{item.pk}", die_at=die_at, cookies=visitor)
        where = f"killed before step {die_at}, {lived['steps'][die_at - 1]}"
        assert died["signal"] == signal.SIGKILL, where
        # The minute passes in which the dead one might have been alive.
        Payment.objects.update(lease_until=None)
        answer = buyer.get(f"/{way}/{item.pk}")
        assert answer.status_code == 200, where
        order = Order.objects.get(buy_item=item)
        payment = order.payments.get()
        assert payment.stripe_id == handed_out(answer.json(), way), where
        assert made(sandbox, way) == made_before + 1, where
        pay(sandbox, payment.stripe_id)
        buyer.get(f"/order/{order.pk}/return")
        order.refresh_from_db()
        assert order.status == "paid", where
    assert len(sandbox.charges()) == len(lived["steps"])


def paid_at_stripe(sandbox: ShopSandbox, way: str) -> tuple[Order, dict[str, Any]]:
    """An order whose money Stripe has, and the event that tells of it."""
    item = make_item()
    body = Client().get(f"/{way}/{item.pk}").json()
    pay(sandbox, handed_out(body, way))
    told = "checkout.session.completed" if way == "buy" else "payment_intent.succeeded"
    newest = sandbox.stripe.v1.events.list({"type": told, "limit": 1}).data[0]
    return Order.objects.get(buy_item=item), newest.to_dict(for_json=True)


def send(sandbox: ShopSandbox, mortals: Mortals, event: dict[str, Any], *, die_at: int = 0) -> dict[str, Any]:
    body = json.dumps(event)
    headers = {"Stripe-Signature": sign(body)}
    return mortals.ask(sandbox, "POST", "/webhooks/stripe/default", die_at=die_at, body=body, headers=headers)


def time_passes() -> None:
    """So much that the sweep takes up what it finds."""
    earlier = timezone.now() - timedelta(minutes=6)
    StripeEvent.objects.update(received=earlier)
    Payment.objects.update(created=earlier)
    Payment.objects.exclude(asked_at=None).update(asked_at=earlier)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rescue", ["delivered again", "sweep"])
def test_killed_anywhere_between_event_and_paid_order_the_order_is_paid_once(
    sandbox: ShopSandbox, mortals: Mortals, way: str, rescue: str
) -> None:
    """pain 4"""
    _order, event = paid_at_stripe(sandbox, way)
    lived = send(sandbox, mortals, event)
    assert lived["status"] == 200
    assert "Stripe" in lived["steps"]
    for die_at in range(1, len(lived["steps"]) + 1):
        order, event = paid_at_stripe(sandbox, way)
        died = send(sandbox, mortals, event, die_at=die_at)
        where = f"killed before step {die_at}, {lived['steps'][die_at - 1]}"
        assert died["signal"] == signal.SIGKILL, where
        if rescue == "sweep":
            time_passes()
            webhook_jobs.sweep_events(0)
            jobs.sweep(0)
        else:
            assert send(sandbox, mortals, event)["status"] == 200, where
            assert StripeEvent.objects.get(event_id=event["id"]).status == "done", where
        order.refresh_from_db()
        payment = order.payments.get()
        assert (order.status, payment.status) == ("paid", "paid"), where
        assert payment.amount == order.total, where
        assert not StripeEvent.objects.filter(event_id=event["id"]).exclude(status="done").exists(), where
    assert len(sandbox.charges()) == len(lived["steps"]) + 1


def refund_to_confirm(sandbox: ShopSandbox, owner: Client) -> tuple[Order, str, str]:
    """A paid order, the address of its refund page, and the form before the last press."""
    item = make_item()
    buyer = Client(raise_request_exception=False)
    pay(sandbox, buyer.get(f"/buy/{item.pk}").json()["session_id"])
    order = Order.objects.get(buy_item=item)
    buyer.get(f"/order/{order.pk}/return")
    path = f"/admin/orders/order/{order.pk}/refund/"
    form = owner.get(path).context["form"]
    fields = {name: str(form[name].value()) for name in ("key", "version")}
    form = {**fields, "what": "rest", "action": "refund", "previewed": str(order.total)}
    return order, path, urlencode(form)


def test_a_refund_killed_anywhere_between_the_button_and_its_answer_is_given_once(
    sandbox: ShopSandbox, mortals: Mortals, owner: Client
) -> None:
    """pain 18"""
    cookies = {"sessionid": owner.cookies["sessionid"].value}

    def press(path: str, form: str, die_at: int = 0) -> dict[str, Any]:
        kind = "application/x-www-form-urlencoded"
        return mortals.ask(
            sandbox, "POST", path, die_at=die_at, cookies=cookies, body=form, content_type=kind
        )

    _order, path, form = refund_to_confirm(sandbox, owner)
    lived = press(path, form)
    assert "Stripe" in lived["steps"]
    for die_at in range(1, len(lived["steps"]) + 1):
        order, path, form = refund_to_confirm(sandbox, owner)
        died = press(path, form, die_at)
        where = f"killed before step {die_at}, {lived['steps'][die_at - 1]}"
        assert died["signal"] == signal.SIGKILL, where
        owner.post(path, dict(parse_qsl(form)))
        Refund.objects.update(created=timezone.now() - timedelta(minutes=5))
        Refund.objects.exclude(asked_at=None).update(asked_at=timezone.now() - timedelta(minutes=5))
        refund_jobs.finish()
        order.refresh_from_db()
        assert order.status == "refunded", where
        assert order.refunds.get().status == "succeeded", where
    assert len(sandbox.stripe.v1.refunds.list({"limit": 100}).data) == len(lived["steps"]) + 1
