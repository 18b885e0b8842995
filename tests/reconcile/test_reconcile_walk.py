"""The walk over what an account has: pages, days, cursors, accounts, and a Stripe that goes away."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.reconcile import kinds as walking
from kopeck.reconcile.models import Run
from kopeck.stripe_api import client as wire
from kopeck.stripe_api import listing
from kopeck.stripe_api.accounts import SANDBOX_TAIL
from tests.support.buying import bought
from tests.support.comparing import codes, run
from tests.support.mirroring import two_accounts
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86400


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Every page that is asked for, as (kind, what was asked); pages are of two."""
    asked: list[tuple[str, dict[str, Any]]] = []
    page = wire.Gateway.page

    def noted(self: wire.Gateway, kind: str, **of: Any) -> Any:
        asked.append((kind, of))
        return page(self, kind, limit=2, **of)

    monkeypatch.setattr(wire.Gateway, "page", noted)
    monkeypatch.setattr(listing, "PAUSES", ())
    return asked


def age(sandbox: ShopSandbox, days: int) -> None:
    """Everything at Stripe, and here, becomes older by so many days."""
    past = days * DAY
    sandbox.box.store.sql(
        "UPDATE objects SET created = created - ?, body = json_set(body, '$.created', created - ?)",
        (past, past),
    )
    for payment in Payment.objects.all():
        Payment.objects.filter(pk=payment.pk).update(created=payment.created - timedelta(days=days))


def cursor(kind: str, account: str = "default") -> datetime | None:
    return Run.objects.filter(kind=kind, account=account).values_list("up_to", flat=True).first()


def test_every_page_is_walked(sandbox: ShopSandbox, pages: list[tuple[str, dict[str, Any]]]) -> None:
    payments = [bought(Client()) for _n in range(5)]
    for payment in payments:
        sandbox.pay(payment.stripe_id)
    assert run()["code"] == 0
    assert Order.objects.filter(status="paid").count() == 5
    assert [kind for kind, _of in pages].count("session") == 3


def test_the_cursor_is_the_newest_that_stripe_has_shown_and_the_next_walk_looks_a_little_further_back(
    sandbox: ShopSandbox, buyer: Client, pages: list[tuple[str, dict[str, Any]]]
) -> None:
    payment = bought(buyer)
    newest = sandbox.stripe.v1.checkout.sessions.retrieve(payment.stripe_id or "").created
    run()
    assert cursor("session") == datetime.fromtimestamp(newest, UTC)
    pages.clear()
    run()
    (asked,) = [of for kind, of in pages if kind == "session"]
    assert asked["created"] == {"gte": newest - walking.OVERLAP.total_seconds()}


def test_one_that_stripe_shows_late_is_found(sandbox: ShopSandbox, buyer: Client, stranger: Client) -> None:
    late = bought(buyer)
    sandbox.pay(late.stripe_id)
    hidden = sandbox.box.store.get(SANDBOX_TAIL, "checkout.session", late.stripe_id or "")
    assert hidden is not None
    sandbox.box.store.delete(SANDBOX_TAIL, "checkout.session", hidden["id"])
    Payment.objects.update(status="refused", stripe_id=None)
    Order.objects.update(status="expired")
    sandbox.pay(bought(stranger).stripe_id)
    run()
    before = cursor("session")
    assert before is not None
    sandbox.box.store.insert(SANDBOX_TAIL, {**hidden, "created": int(before.timestamp()) - 3600})
    assert "id_not_stored" in codes(run(), repaired=True)
    assert Order.objects.filter(status="paid").count() == 2


def test_a_walk_that_is_cut_off_goes_on_where_it_was(
    sandbox: ShopSandbox, pages: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _day in range(4):
        sandbox.pay(bought(Client()).stripe_id)
        age(sandbox, 2)
    count = len(Payment.objects.all())
    noted = wire.Gateway.page

    def until_it_rains(self: wire.Gateway, kind: str, **of: Any) -> Any:
        if len(pages) == 4:
            sandbox.control("PUT", "faults", {"error_rate": 1})
        return noted(self, kind, **of)

    with monkeypatch.context() as patch:
        patch.setattr(wire.Gateway, "page", until_it_rains)
        told = run("--all")
    assert told["code"] == 2
    assert "default" in told["troubles"]
    got, reached = Order.objects.filter(status="paid").count(), cursor("session")
    assert 0 < got < count
    assert reached is not None
    assert timezone.now() - timedelta(days=8) < reached < timezone.now() - timedelta(days=2)
    sandbox.control("PUT", "faults", {"error_rate": 0})
    pages.clear()
    assert run()["code"] == 0
    assert Order.objects.filter(status="paid").count() == count
    begins = [of["created"]["gte"] for kind, of in pages if kind == "session"]
    assert min(begins) == int((reached - walking.OVERLAP).timestamp())
    assert begins == sorted(begins)  # the oldest days first


def test_stripe_away_is_2_and_moves_nothing(
    sandbox: ShopSandbox, buyer: Client, pages: list[tuple[str, dict[str, Any]]]
) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    sandbox.control("PUT", "faults", {"error_rate": 1})
    assert run()["code"] == 2
    assert not Run.objects.exclude(up_to=None).exists()
    assert not Run.objects.filter(trouble="").exists()
    sandbox.control("PUT", "faults", {"error_rate": 1, "only": {"path": "/v1/events"}})
    told = run()
    assert told["code"] == 2
    assert Order.objects.get().status == "paid"  # what could be compared was
    assert (cursor("session") is None, cursor("event")) == (False, None)
    sandbox.control("PUT", "faults", {"error_rate": 0})
    assert run()["code"] == 0


def test_a_page_that_is_refused_for_the_rate_is_asked_for_again(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAUSES", (0.01, 0.01))
    sandbox.pay(bought(buyer).stripe_id)
    paths = ("^/v1/checkout/sessions$", "^/v1/events$")
    busy = [{"kind": "rate_limit", "path": path, "method": "GET", "times": 2} for path in paths]
    sandbox.control("PUT", "faults", {"next": busy})
    assert run("--all")["code"] == 0
    assert sandbox.control("GET", "faults/counts") == {"rate_limit": 4}
    sandbox.control("PUT", "faults", {"next": [{**busy[1], "times": 3}]})
    assert run()["code"] == 2


def test_one_account_away_stops_no_other(
    sandbox: ShopSandbox, settings: Any, pages: list[tuple[str, dict[str, Any]]]
) -> None:
    """pain 10"""
    two_accounts(sandbox, settings)
    dollar, euro = bought(Client()), bought(Client(), currency="eur")
    for payment in (dollar, euro):
        sandbox.pay(payment.stripe_id)
    from dataclasses import replace

    good = settings.STRIPE_ACCOUNTS
    settings.STRIPE_ACCOUNTS = {
        "default": replace(good["default"], secret_key="nonsense"),
        "eur": good["eur"],
    }
    wire.gateway.cache_clear()
    told = run()
    assert (told["code"], list(told["troubles"])) == (2, ["default"])
    assert [Order.objects.get(pk=one.order_id).status for one in (dollar, euro)] == ["open", "paid"]
    settings.STRIPE_ACCOUNTS = good
    wire.gateway.cache_clear()
    assert run("--account", "default")["accounts"] == ["default"]
    assert Order.objects.filter(status="paid").count() == 2
    assert run()["code"] == 0


def test_a_day_that_is_asked_for_leaves_no_gap_behind_it(sandbox: ShopSandbox, buyer: Client) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    age(sandbox, 5)
    since = f"{timezone.now() - timedelta(days=1):%Y-%m-%d}"
    told = run("--since", since)
    # An open one is asked about whatever its age, but the cursor has not jumped over the days before.
    assert told["code"] == 0
    assert cursor("session") is None
    run()
    assert cursor("session") is not None
    before = cursor("session")
    Run.objects.update(up_to=timezone.now() - timedelta(days=9))
    run("--since", since)
    assert cursor("session") != before
    run()
    assert cursor("session") == before


def test_events_older_than_stripe_keeps_them_are_not_asked_for(
    sandbox: ShopSandbox, buyer: Client, pages: list[tuple[str, dict[str, Any]]]
) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    age(sandbox, 60)
    assert run("--all")["code"] == 0
    assert Order.objects.get().status == "paid"
    events = [of["created"]["gte"] for kind, of in pages if kind == "event"]
    assert len(events) < 40
